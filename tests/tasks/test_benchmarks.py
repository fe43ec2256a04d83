"""`doit benchmarks`: what it runs and says, what it does about everything that goes wrong, and when it says worse."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tasks.bench.measure import Plan
from tasks.bench.statistics import Comparison
from tasks.benchmarks import command, history, report
from tasks.benchmarks.measure import Fault, Runner, _of_doit
from tasks.benchmarks.result import FAILED, PASSED, Result
from tasks.settings import parse
from tests.projects import copied

ROOT = Path(__file__).parents[2]
QUICK = ("size=mini", "threads=1", "rounds=6", "iterations=2")  # six rounds: the fewest that have an interval


def doit(*words: str, status: int = 0, root: Path = ROOT) -> str:
    done = subprocess.run([sys.executable, "-m", "doit", *words], cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout + done.stderr


# ---- as a user runs it


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("build")


@pytest.fixture(scope="module")
def first(build: Path) -> str:
    return doit(f"build={build}", "benchmarks", "softmax", "gemm", *QUICK, "trace=on")


def rows_of(build: Path) -> list[dict[str, Any]]:
    return json.loads((build / "benchmarks" / "benchmarks.json").read_text())["rows"]


def remembered(build: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (build / "benchmarks" / "history.jsonl").read_text().splitlines()]


def test_the_table(first: str) -> None:
    lines = [line.split() for line in first.splitlines() if line.strip()]
    assert ["[1/2]", "gemm:", "capture"] in lines and ["[2/2]", "softmax:", "measure"] in lines
    (head,) = (line for line in lines if line[0] == "Benchmark")
    assert " ".join(head) == "Benchmark Build seq Build OMP Run seq Run OMP Correct Speedup vs eager"
    for name in ("gemm", "softmax"):
        (row,) = (line for line in lines if line[0] == name)
        assert row.count("✓") == 5 and "✗" not in row and "○" not in row
    assert any(line[:6] == ["2", "passed,", "0", "failed,", "0", "skipped,"] for line in lines)


def test_the_files(first: str, build: Path) -> None:
    gemm, softmax = rows_of(build)
    assert (gemm["name"], softmax["name"], gemm["settings"]) == ("gemm", "softmax", {"m": 32, "k": 32, "n": 32})
    for row in (gemm, softmax):
        assert row["status"] == PASSED and row["reason"] is None
        assert set(row["run"]) == set(row["rounds"]) == {"seq", "omp", "eager"} and min(row["run"].values()) > 0
        assert set(row["how"].values()) <= {"built", "from the cache", "up to date"}
        assert set(row["errors"]) == {"seq", "omp"} and max(row["errors"].values()) <= row["tolerance"]
        for compared in (row["speedup"], row["vs_eager"]):
            assert compared["low"] <= compared["ratio"] <= compared["high"]
    with (build / "benchmarks" / "benchmarks.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert [line["benchmark"] for line in lines] == ["gemm", "softmax"]
    assert float(lines[0]["omp_ms"]) == gemm["run"]["omp"] and float(lines[1]["vs_eager_low"]) == softmax["vs_eager"]["low"]
    assert [(line["benchmark"], line["regressed"]) for line in remembered(build)[:2]] == [("gemm", False), ("softmax", False)]


def test_the_trace(first: str, build: Path) -> None:
    events = json.loads((build / "benchmarks" / "trace.json").read_text())["traceEvents"]
    steps = ["capture", "build seq", "build OMP", "run seq", "run OMP", "correct", "measure"]
    assert [event["name"] for event in events] == [f"{name}: {step}" for name in ("gemm", "softmax") for step in steps]


def test_worse_than_before_is_said_and_fails_on_request(first: str, build: Path) -> None:
    path = build / "benchmarks" / "history.jsonl"
    before = path.read_text()
    better = [line | {key: line[key] * 100 for key in ("ratio", "low", "high")} for line in remembered(build)]
    path.write_text("".join(json.dumps(line) + "\n" for line in better) + "half a li")
    said = doit(f"build={build}", "benchmarks", "softmax", *QUICK, "regressions=fail", status=4)
    assert "softmax ↓" in said and "↓ softmax: worse than before: " in said and ", 1 worse than before, " in said
    assert "1 passed, 0 failed" in said and rows_of(build)[0]["regression"]
    assert history.load(path)[-1]["regressed"]
    assert "1 worse than before" in doit(f"build={build}", "benchmarks", "softmax", *QUICK)
    path.write_text(before)


def test_a_wrong_answer(first: str, build: Path) -> None:
    (folder,) = (path for path in build.glob("softmax-*") if not path.name.endswith("-parallel=off"))
    expected = folder / "expected.data"
    expected.write_bytes(bytes(len(expected.read_bytes())))
    held = folder / ".state" / "held.json"  # as `doit keep` leaves it; for doit a path with = is no path
    held.write_text(json.dumps({str(expected): "now"}))
    said = doit(f"build={build}", "benchmarks", "softmax", "gemm", *QUICK, status=1)
    assert "✗ softmax, correct: OpenMP: Wrong answer: " in said and "1 passed, 1 failed, 0 skipped" in said
    (row,) = (line.split() for line in said.splitlines() if line.startswith(" softmax"))
    assert row.count("✓") == 4 and row.count("✗") == 1 and row.count("○") == 2, row
    held.unlink()
    assert "1 passed, 0 failed" in doit(f"build={build}", "benchmarks", "softmax", *QUICK)


def test_interrupted(tmp_path: Path) -> None:
    program = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # which a shell's `&` takes away
    program += "from doit.doit_cmd import DoitMain; import sys; sys.exit(DoitMain().run(sys.argv[1:]))"
    words = [sys.executable, "-c", program, f"build={tmp_path}", "benchmarks", "gemm", "softmax", *QUICK]
    streams: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    process = subprocess.Popen(words, cwd=ROOT, **streams)
    assert process.stdout and process.stdout.readline().strip() == "[1/2] gemm: capture"
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 130 and "○ gemm, capture: interrupted" in said
    assert "0 passed, 0 failed, 2 skipped" in said and len(rows_of(tmp_path)) == 2


BROKEN = {
    "softmax": 'raise ValueError("it has no weights")',
    "gemm": 'subprocess.Popen(["sleep", "3600"]); Path("started").touch(); time.sleep(3600)',
}


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A copy of the project with a model that does not build, and one that never ends."""
    root = copied(tmp_path_factory.mktemp("project"))
    for name, statement in BROKEN.items():
        path = root / "model" / "kernels" / f"{name}.py"
        head, begin, tail = path.read_text().partition("def build(config: Config) -> nn.Module:\n")
        body = f"    import subprocess, time\n    from pathlib import Path\n    {statement}\n"
        path.write_text(head + begin + body + tail)
    yield root


def test_what_takes_too_long_is_a_row(broken: Path) -> None:
    said = doit("build=b", "benchmarks", "gemm", *QUICK, "timeout=15", status=1, root=broken)
    assert "✗ gemm, capture: took longer than timeout=15 s, and was killed with all that it started" in said
    assert (broken / "started").exists() and not sleeping(broken)


def test_what_does_not_build_is_a_row(broken: Path) -> None:
    said = doit("build=b", "benchmarks", "softmax", "pooling", *QUICK, status=1, root=broken)
    assert "✗ softmax, capture: frontend:capture: " in said and "; again, alone: doit model=softmax" in said
    assert re.search(r"it has no weights \(model/kernels/softmax\.py:\d+\)", said)
    assert [row["status"] for row in rows_of(broken / "b")] == [FAILED, PASSED]


def sleeping(folder: Path) -> list[str]:
    """The processes that still sleep for an hour in a folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if b"3600" in (path / "cmdline").read_bytes() and os.readlink(path / "cwd") == str(folder):
                found.append(path.name)
        except OSError:
            continue
    return found


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["sofmax"], "no benchmark 'sofmax'; did you mean 'softmax'? There are: block, rmsnorm, rope,"),
        (["size=larg"], "size=larg: expected mini, small, medium, large; did you mean 'large'?"),
        (["timeout=0"], "timeout=0: expected a whole number from 1"),
        (["regressions=no"], "regressions=no: expected report, fail"),
        (["trace=yes"], "trace=yes: expected on or off"),
        (["model=mlp"], "model=mlp: benchmarks have models of their own, at size=mini|small|medium|large"),
        (["seq_len=8"], "seq_len=8: benchmarks have models of their own"),
        (["parallel=off"], "parallel=off: benchmarks have models of their own"),
        (["target=riscv64"], "target=riscv64 does not run here: "),
    ],
)
def test_what_is_refused(words: list[str], sentence: str, tmp_path: Path) -> None:
    assert sentence in doit(f"build={tmp_path}", "benchmarks", *words, status=3)
    assert not list(tmp_path.glob("benchmarks"))


def test_the_list() -> None:
    said = doit("benchmarks", "list", "size=large")
    assert "gemm_gate_up" in said and "model=linear rows=256 inputs=1536 outputs=17920" in said


def test_both_builds_for_one_thread_are_right(tmp_path: Path) -> None:
    doit(f"build={tmp_path}", "model=softmax", "rows=64", "columns=512", "parallel=off", "verify")
    (folder,) = tmp_path.glob("softmax*")
    assert folder.name == "softmax-columns=512-rows=64-parallel=off"
    assert "omp." not in (folder / "subgraph0-midend.mlir").read_text()
    assert not (folder / "ir").exists()  # a page is to be read: it has nothing to verify
    doit(f"build={tmp_path}", "model=softmax", "rows=64", "columns=512", "midend")
    assert "omp.parallel" in (tmp_path / "softmax-columns=512-rows=64" / "subgraph0-midend.mlir").read_text()


def test_a_setting_may_be_named_as_what_a_step_takes(tmp_path: Path) -> None:
    doit(f"build={tmp_path}", "model=linear", "rows=8", "inputs=48", "outputs=32", "verify")


# ---- commands


def test_a_command_is_killed_with_what_it_started(tmp_path: Path) -> None:
    program = f"import subprocess, time; child = subprocess.Popen(['sleep', '3600']); open({str(tmp_path / 'pid')!r}, 'w')"
    program += ".write(str(child.pid)); print('here', flush=True); time.sleep(3600)"
    ended = command.run([sys.executable, "-c", program], tmp_path / "logs" / "log", 3)
    assert ended.status is None and ended.said == "here\n"
    child = Path("/proc", (tmp_path / "pid").read_text())
    for _ in range(100):
        if not child.exists() or "(zombie)" in (child / "status").read_text():
            break
        time.sleep(0.05)
    else:
        pytest.fail("the child still runs")


@pytest.mark.parametrize(
    ("program", "status", "said"),
    [
        ("print('out'); import sys; sys.stdout.flush(); sys.exit('err')", 1, "out\nerr\n"),
        ("import os; os.kill(os.getpid(), 11)", -11, ""),
    ],
)
def test_how_a_command_ended(tmp_path: Path, program: str, status: int, said: str) -> None:
    ended = command.run([sys.executable, "-c", program], tmp_path / "log", 60)
    assert (ended.status, ended.said) == (status, said) and ended.seconds > 0


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("kill -SEGV $$", "crashed, killed by signal 11; see "),
        ("sleep 3600", "took longer than timeout=1 s, and was killed with all that it started; see "),
        ("echo cannot read arg0.data; exit 2", "cannot read arg0.data"),
        ("exit 2", "it said nothing"),
    ],
)
def test_an_executable_that_gives_no_answer(tmp_path: Path, script: str, reason: str) -> None:
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    runner = Runner(parse({"timeout": "1"}), Plan(1, 1), tmp_path, lambda name, step: None)
    case: Any = SimpleNamespace(executable=program)
    with pytest.raises(Fault) as fault:
        runner._check(Result("x", "x", {}, step="run OMP"), case)
    assert str(fault.value).startswith(reason)


def test_an_executable_whose_answer_is_wrong(tmp_path: Path) -> None:
    program = tmp_path / "program"
    figures = "while [ $1 != --json ]; do shift; done; echo '{\"max_rel_err\": 0.5}' > $2"
    program.write_text(f"#!/bin/sh\n{figures}; echo Wrong answer: x. >&2; echo figures; exit 1\n")
    program.chmod(0o755)
    runner = Runner(parse({}), Plan(1, 1), tmp_path, lambda name, step: None)
    case: Any = SimpleNamespace(executable=program)
    assert runner._check(Result("x", "x", {}, step="run OMP"), case) == (0.5, "Wrong answer: x.")


def test_what_doit_says_in_a_sentence() -> None:
    lines = [
        ".  a:b  1.0 s",
        "!  midend:x    failed   not built",
        "   midend: no pass",
        "   more",
        "   again, alone: doit midend:x",
    ]
    assert _of_doit("\n".join(lines)) == "midend:x: midend: no pass more"
    lines[2:4] = ["   no lowering for 2 node(s):", "     a: aten.a at model/x.py:3", "     b: aten.b at model/x.py:4"]
    assert _of_doit("\n".join(lines)) == "midend:x: no lowering for 2 node(s): a: aten.a at model/x.py:3 ..."
    assert _of_doit("ERROR: no model 'x'\n\n") == "ERROR: no model 'x'"


# ---- history


def line(low: float | None, high: float | None, regressed: bool = False, **more: Any) -> dict[str, Any]:
    about = {"benchmark": "gemm", "settings": {"m": 4}, "dtype": "f32", "target": "native", "threads": 2, "processor": "p"}
    ratio = 1.0 if low is None or high is None else (low + high) / 2
    return about | {"torch": "2", "ratio": ratio, "low": low, "high": high, "regressed": regressed} | more


def test_worse_beyond_the_noise() -> None:
    sentence = "0.65 of eager's speed (at most 0.70), at least 0.90 in the 2 comparable runs before"
    assert history.regression(line(0.6, 0.7), [line(0.9, 1.1), line(1.0, 1.2)]) == sentence
    assert history.regression(line(0.6, 0.7), [line(0.9, 1.1)]) == sentence.replace("2 comparable runs", "comparable run")


@pytest.mark.parametrize(
    ("now", "earlier"),
    [
        (line(0.6, 0.7), []),
        (line(0.8, 0.95), [line(0.9, 1.1)]),  # may be noise
        (line(0.6, 0.7), [line(0.5, 0.8), line(0.9, 1.1)]),  # as in one of the runs before
        (line(1.5, 1.6), [line(0.9, 1.1)]),
        (line(None, None), [line(0.9, 1.1)]),  # too few rounds
        (line(0.6, 0.7), [line(None, None)]),
        *((line(0.6, 0.7), [line(0.9, 1.1, **{name: "other"})]) for name in history.ALIKE),
    ],
)
def test_no_regression(now: dict[str, Any], earlier: list[dict[str, Any]]) -> None:
    assert history.regression(now, earlier) is None


def test_what_was_worse_is_no_yardstick() -> None:
    """So a second run of the same slow code is flagged as well; and only the latest runs count."""
    assert history.regression(line(0.6, 0.7), [line(0.9, 1.1), line(0.6, 0.7, regressed=True)])
    assert history.regression(line(0.6, 0.7), [line(0.1, 0.2), *[line(0.9, 1.1)] * history.KEPT])
    assert not history.regression(line(0.6, 0.7), [line(0.1, 0.2), *[line(0.9, 1.1)] * (history.KEPT - 1)])


def test_history_survives_what_is_no_history(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    assert history.load(path) == []
    history.append(path, [line(0.9, 1.1)])
    path.write_text(path.read_text() + '{"benchmark": 1}\n[]\n{"bench')
    assert history.load(path) == [line(0.9, 1.1)]
    history.append(path, [line(0.8, 1.2)])
    assert history.load(path) == [line(0.9, 1.1), line(0.8, 1.2)]


# ---- what is shown


def passed() -> Result:
    result = Result("gemm", "gemm", {}, PASSED, "measure", build={"seq": 3.21, "omp": 0.4})
    result.how = {"seq": "built", "omp": "from the cache"}
    result.run, result.errors = {"seq": 2.0, "omp": 0.0123, "eager": 1.01}, {"seq": 0.0, "omp": 4.4e-7}
    result.speedup, result.vs_eager = Comparison(2.0, 1.9, 2.1), Comparison(1.01, 0.99, 1.02)
    return result


def test_cells() -> None:
    done = ["✓ 3.2 s", "✓ cache", "✓ 2 ms", "✓ 12.3 µs", "✓ 4e-07", "2.00x (1.90–2.10)", "~1.01x (0.99–1.02)"]  # noqa: RUF001
    assert report.cells(passed()) == done
    assert report.cells(Result("x", "x", {})) == ["○"] * 7
    assert report.cells(Result("x", "x", {}, FAILED, "capture")) == ["✗", "✗", *["○"] * 5]
    failed = Result("x", "x", {}, FAILED, "build OMP", build={"seq": 1.0}, how={"seq": "built"})
    assert report.cells(failed) == ["✓ 1.0 s", "✗", *["○"] * 5]
    wrong = Result("x", "x", {}, FAILED, "correct", build={"seq": 1.0, "omp": 0.3})
    wrong.how = {"seq": "built", "omp": "up to date"}
    assert report.cells(wrong) == ["✓ 1.0 s", "✓ as it was", "✓", "✓", "✗", "○", "○"]
    assert report.ratio(Comparison(3.0, None, None)) == "~3.00x"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    out, plain = Terminal(), io.StringIO()
    for stream in (out, plain):
        with report.Screen([passed(), Result("conv2d", "conv2d", {})], stream) as screen:
            screen.tell("conv2d", "build OMP")
    assert "1 of 2 done; conv2d: build OMP" in out.getvalue() and "\x1b[" in out.getvalue()
    assert plain.getvalue() == "[2/2] conv2d: build OMP\n"
