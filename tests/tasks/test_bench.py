"""The bench: its statistics, what it ranks, says and writes, and a run on a small model."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from frontend.limits import Work
from tasks.bench import cases, machine
from tasks.bench.engines import ENGINES, NAMES, Engine
from tasks.bench.measure import Measured
from tasks.bench.process import Failed, Process
from tasks.bench.report import conditions, sentence, table
from tasks.bench.results import Row, limits_of, rows
from tasks.bench.statistics import compare, interval, quantile
from tasks.settings import parse

ROOT = Path(__file__).parents[2]
LIMITS = {"fp32_gflops": 100.0, "bf16_gflops": None, "read_gbps": 10.0, "best": {"fp32_gflops": 110.0, "read_gbps": 12.0}}
KEYS = {"engine", "model", "phase", "dtype", "seq_len", "threads", "median_ms", "p10_ms", "p90_ms", "limit_ms", "max_rel_err"}


@pytest.fixture(autouse=True)
def at_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


# ---- statistics


def test_quantiles() -> None:
    assert [quantile([3.0, 1.0, 2.0], q) for q in (0, 0.5, 1)] == [1, 2, 3]
    assert quantile([1.0, 2.0], 0.1) == pytest.approx(1.1)
    assert quantile([7.0], 0.9) == 7
    assert quantile(list(range(101)), 0.1) == pytest.approx(10)


@pytest.mark.parametrize(("count", "place"), [(6, 0), (8, 0), (9, 1), (11, 1), (12, 2), (20, 5)])
def test_what_the_median_lies_between(count: int, place: int) -> None:
    """The places are those of the tables for the sign test."""
    values = [float(v) for v in range(count)]
    random.Random(0).shuffle(values)
    assert interval(values) == (place, count - 1 - place)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_too_few_values_say_nothing(count: int) -> None:
    assert interval([1.0] * count) is None
    assert not compare([1.0] * count, [9.0] * count).differs


def test_the_interval_holds_the_median_as_often_as_it_says() -> None:
    chance = random.Random(1)
    hits = 0
    for _ in range(2000):
        low, high = interval([chance.expovariate(1.0) for _ in range(9)]) or (0.0, 0.0)
        hits += low <= 0.6931 <= high
    assert 0.95 < hits / 2000 < 0.975


def test_a_difference_inside_the_noise_is_not_called() -> None:
    ours, theirs = [10.0, 11, 9, 10, 12, 10, 9, 11, 10], [10.5, 10, 10, 9.5, 12.5, 9, 10, 11, 10.5]
    assert not compare(ours, theirs).differs
    assert compare(ours, [2 * t for t in theirs]).differs
    assert compare([2 * t for t in ours], theirs).differs


def test_rounds_are_compared_each_with_its_own() -> None:
    """A machine that is ten times slower in some rounds is so for both."""
    busy = [1.0, 10, 1, 1, 10, 10, 1, 10, 1]
    found = compare([1.0 * b for b in busy], [1.1 * b for b in busy])
    assert found.differs and found.ratio == pytest.approx(1 / 1.1) and found.low == pytest.approx(found.high)


# ---- rows


def measured(name: str, times: Sequence[float], error: float | None = 1e-7, ours: bool = False) -> Measured:
    """Nine rounds of these times, each as a round of its own."""
    return Measured(Engine(name, "", ours=ours), [[t, t * 1.02, t * 0.98] for t in times], error)


def case(**words: str) -> cases.Case:
    return cases.Case(parse(words))


def some_rows(*of: Measured, work: Work | None = None) -> list[Row]:
    return rows(case(), work or Work(10**9, 10**7), of, 2, LIMITS)


STEADY = [5.0 + 0.01 * i for i in range(9)]


def test_a_row() -> None:
    (row,) = some_rows(measured("eager", STEADY))
    assert set(row) >= KEYS
    plain = {key: row[key] for key in ("engine", "model", "phase", "dtype", "seq_len", "threads")}
    expected = {
        "engine": "eager",
        "model": "deepseek_r1_block",
        "phase": "prefill",
        "dtype": "f32",
        "seq_len": 40,
        "threads": 2,
    }
    assert plain == expected
    assert row["p10_ms"] < row["median_ms"] < row["p90_ms"] and row["median_ms"] == pytest.approx(5.04, rel=0.01)
    assert row["limit_ms"] == pytest.approx(10) and row["to_limit"] == pytest.approx(row["median_ms"] / 10)
    assert row["reason"] is None and row["to_best_peer"] is None and row["best_peer"] == "eager"
    json.dumps(row, allow_nan=False)


def test_what_a_second_thread_gains() -> None:
    both, one = measured("sluice", STEADY, ours=True), measured("sluice-one-thread", [t * 1.9 for t in STEADY], ours=True)
    one.engine = replace(one.engine, alone=True)
    told = table(some_rows(both, one, measured("eager", [9.0] * 9)))
    assert "2 threads are 1.90 times as fast as one (1.90 to 1.90)" in told
    assert "sluice takes" in told and "sluice-one-thread takes" not in told
    assert "as fast as one" not in table(some_rows(one, measured("eager", [9.0] * 9)))


def test_the_best_peer_is_none_of_ours() -> None:
    ours, slow, fast = some_rows(
        measured("sluice", STEADY, ours=True), measured("slow", [9.0] * 9), measured("fast", [t * 2 for t in STEADY])
    )
    assert {row["best_peer"] for row in (ours, slow, fast)} == {"slow"}
    assert ours["to_best_peer"]["ratio"] < 0.6 and ours["to_best_peer"]["differs"]
    assert slow["to_best_peer"] is None and fast["to_best_peer"]["ratio"] > 1


@pytest.mark.parametrize(
    ("error", "reason"),
    [(1e-3, "wrong: relative error 1.0e-03, 1e-04 allowed"), (None, "wrong: missing, misshapen or not finite")],
)
def test_what_is_wrong_is_not_ranked(error: float | None, reason: str) -> None:
    right, wrong = some_rows(measured("right", STEADY), measured("wrong", [1.0] * 9, error))
    assert wrong["reason"] == reason and wrong["median_ms"] == pytest.approx(1)
    assert right["best_peer"] == "right" and wrong["to_best_peer"] is None
    assert reason in table([right, wrong])


def test_what_did_not_run_has_a_row() -> None:
    missing = Measured(Engine("iree", "", ("no-such-package",)), reason="not installed: no-such-package")
    (row,) = some_rows(missing)
    assert set(row) >= KEYS and row["reason"] and row["median_ms"] is None and row["best_peer"] is None
    json.dumps(row, allow_nan=False)
    assert "iree                       not installed: no-such-package" in table([row])


def test_limits_are_those_of_the_median_round() -> None:
    answers: list[dict[str, float | None]] = [
        {"fp32_gflops": v, "bf16_gflops": None, "read_gbps": 2 * v} for v in (90.0, 100.0, 50.0)
    ]
    found = limits_of(answers)
    assert (found["fp32_gflops"], found["bf16_gflops"], found["read_gbps"]) == (90, None, 180)
    assert found["best"] == {"fp32_gflops": 100, "bf16_gflops": None, "read_gbps": 200}


# ---- what is said


def test_the_table_goes_from_the_fastest_down() -> None:
    text = table(some_rows(measured("slow", [9.0] * 9), measured("sluice", STEADY, ours=True), measured("fast", [7.0] * 9)))
    title, head, *lines = text.splitlines()
    assert (
        title
        == "deepseek_r1_block, prefill, f32, seq_len 40, 2 threads: 1 GFLOP, 10 MB, at 100 GFLOP/s, 10.0 GB/s not under 10 ms"
    )
    assert head.split()[:2] == ["engine", "median"]
    assert [line.split()[0] for line in lines[:3]] == ["sluice", "fast", "slow"]
    assert "best peer" in lines[1] and " 0.72 " in lines[0] and " 1.29 " in lines[2]
    assert lines[3] == "  sluice takes 0.72 times as long as fast, the best peer (0.72 to 0.72)"


def test_a_tie_is_said_to_be_one() -> None:
    other = [t * (1.01 if i % 2 else 0.99) for i, t in enumerate(STEADY)]
    ours, _ = some_rows(measured("sluice", STEADY, ours=True), measured("fast", other))
    assert (
        sentence(ours) == "  sluice and fast, the best peer: the difference is inside the noise (0.99 to 1.01 times the time)"
    )
    ours, peer = some_rows(measured("sluice", [1.0] * 3, ours=True), measured("fast", [9.0] * 3))
    assert sentence(ours) == "  sluice and fast: too few rounds to tell noise from a difference"
    assert "~0.11" in table([ours, peer])


def test_conditions() -> None:
    text = conditions({"limits": LIMITS, "processor": "Some CPU", "cores": [0, 2], "huge_pages": "madvise"})
    assert "100.0 fp32 GFLOP/s (best 110.0), no bf16 unit, 10.0 GB/s read (best 12.0)" in text
    assert "Some CPU; every engine pinned to processors 0, 2; huge pages: madvise, asked for in every engine" in text


# ---- processes, engines and cases


def process(program: str, tmp_path: Path) -> Process:
    return Process([sys.executable, "-c", program], os.environ, tmp_path / "logs" / "x.log")


def test_a_process_answers(tmp_path: Path) -> None:
    asked = process("print('[1]', flush=True); print(input())", tmp_path)
    assert asked.answer(60) == [1]
    assert asked.ask({"a": 2}, 60) == {"a": 2}
    asked.close()
    asked.close()


@pytest.mark.parametrize(
    ("program", "seconds", "reason"),
    [
        ("import time; time.sleep(60)", 0.2, "no answer within 0 s"),
        ("raise SystemExit(3)", 60, "exit status 3"),
        ("import os; os.kill(os.getpid(), 9)", 60, "killed by signal 9"),
    ],
)
def test_a_process_without_an_answer(tmp_path: Path, program: str, seconds: float, reason: str) -> None:
    asked = process(program, tmp_path)
    with pytest.raises(Failed) as failure:
        asked.ask({}, seconds)
    assert str(failure.value) == f"{reason}; see {tmp_path}/logs/x.log"
    asked.close()


def test_a_command_that_fails_says_why(tmp_path: Path) -> None:
    process("", tmp_path).wait(60)
    with pytest.raises(Failed, match=r"^it cannot be done$"):
        process("import sys; print('it cannot be done\\n', file=sys.stderr); sys.exit(1)", tmp_path).wait(60)
    with pytest.raises(Failed, match="not ready within 0 s"):
        process("import time; time.sleep(60)", tmp_path).wait(0.2)


def test_packages_that_are_missing_are_named() -> None:
    assert Engine("x", "", ("numpy", "no-such-package", "nor-this")).missing == ["no-such-package", "nor-this"]
    assert Engine("x", "", ("no-such-package",)).version is None and Engine("x", "").missing == []
    assert Engine("x", "", ("numpy",)).version


def test_every_peer_is_pinned() -> None:
    extra = (ROOT / "pyproject.toml").read_text()
    packages = {package for engine in ENGINES for package in engine.packages} | {"matplotlib"}
    assert all(f'"{package}==' in extra for package in packages)


def test_processors_are_those_that_may_be_used() -> None:
    allowed = os.sched_getaffinity(0)
    assert len(machine.cores(1)) == 1 and set(machine.cores(1)) <= allowed
    assert set(machine.cores(10**6)) == allowed


def test_cases(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cases.models, "names", lambda: ["mlp", "deepseek_r1_block"])
    assert [c.name for c in cases.cases(parse({"model": "mlp", "batch": "7"}))] == ["mlp-batch=7"]
    chosen = cases.cases(parse({"seq_lens": "1,40", "seq_len": "7", "batch": "2"}))
    assert [c.seq_len for c in chosen] == [1, 40]
    assert [c.name for c in chosen] == ["deepseek_r1_block-batch=2-seq_len=1", "deepseek_r1_block-batch=2"]


def test_cases_in_several_dtypes() -> None:
    chosen = cases.cases(parse({"model": "mlp", "dtypes": "f32,w8"}))
    assert [(c.name, c.dtype, c.tolerance) for c in chosen] == [("mlp", "f32", 1e-5), ("mlp-dtype=w8", "w8", 5e-2)]


def test_the_same_model_decoding_is_a_case(monkeypatch: pytest.MonkeyPatch) -> None:
    """With those of the settings that it has too."""
    found = {name: cases.models.find(name) for name in ("deepseek_r1_block", "mlp")}
    monkeypatch.setattr(cases.models, "names", lambda: [*found, "deepseek_r1_block_decode"])
    monkeypatch.setattr(cases.models, "find", lambda name: found[name.replace("deepseek_r1_block_decode", "mlp")])
    first, decode = cases.cases(parse({"batch": "2", "seq_len": "7"}))
    assert (first.name, decode.name) == ("deepseek_r1_block-batch=2-seq_len=7", "mlp-batch=2")


# ---- a run


def test_an_engine_that_is_not_made_for_a_dtype_is_no_failure(tmp_path: Path) -> None:
    words = [
        f"build={tmp_path}",
        "model=mlp",
        "dtypes=w8",
        "engines=sluice,sluice-callable",
        "rounds=1",
        "iterations=1",
        "bench",
    ]
    done = subprocess.run([sys.executable, "-m", "doit", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "sluice-callable            runs f32 and bf16 only, not w8" in done.stdout
    ours, other = json.loads((tmp_path / "bench" / "bench.json").read_text())["rows"]
    assert (ours["reason"], ours["applies"], other["applies"]) == (None, True, False)


def test_a_run(tmp_path: Path) -> None:
    words = [f"build={tmp_path}", "model=mlp", "threads=1", "engines=sluice,eager", "rounds=6", "iterations=5", "bench"]
    done = subprocess.run([sys.executable, "-m", "doit", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    whole: dict[str, Any] = json.loads((tmp_path / "bench" / "bench.json").read_text())
    assert [row["engine"] for row in whole["rows"]] == ["sluice", "eager"]
    for row in whole["rows"]:
        assert set(row) >= KEYS and (row["model"], row["seq_len"], row["threads"], row["calls"]) == ("mlp", None, 1, 30)
        assert 0 < row["p10_ms"] <= row["median_ms"] <= row["p90_ms"] and 0 <= row["max_rel_err"] < 1e-5
        assert 0 < row["limit_ms"] < row["median_ms"] and row["reason"] is None
    limits = whole["limits"]
    assert limits["fp32_gflops"] > 1 and limits["read_gbps"] > 0.1 and (limits["bf16_gflops"] or 2) > 1
    assert len(whole["cores"]) == 1
    assert "mlp, prefill, f32, 1 thread: 8.64e-06 GFLOP" in done.stdout
    assert ("drawn: " in done.stdout) == (tmp_path / "bench" / "bench.svg").exists()
    assert "drawn: " in done.stdout or "no plot, matplotlib is not installed: pip install -e .[bench]" in done.stdout
    assert not [path for path in (tmp_path / "bench").iterdir() if path.name.startswith("tmp")]


def test_a_plot(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    from tasks.bench.plot import plot

    found = some_rows(measured("sluice", STEADY, ours=True), measured("eager", [9.0] * 9), measured("wrong", [1.0] * 9, 1.0))
    paths = plot({"rows": found, "limits": LIMITS}, tmp_path)
    assert [path.name for path in paths] == ["bench.png", "bench.svg"]
    assert paths[0].read_bytes()[:4] == b"\x89PNG" and "<svg" in paths[1].read_text()


def test_engines_have_names_of_their_own() -> None:
    assert len(set(NAMES)) == len(ENGINES)
