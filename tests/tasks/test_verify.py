"""`doit verify` and `doit bisect` as somebody meets them who has made a mistake."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.projects import copied

ROOT = Path(__file__).parents[2]
SMALL = ["hidden_size=64", "intermediate_size=96", "num_heads=4", "num_kv_heads=2", "head_dim=16", "seq_len=8"]


def run(*words: str, root: Path = ROOT, fails: bool = False) -> subprocess.CompletedProcess[str]:
    """`python -m` with these words in a copy of the project."""
    environment = {**os.environ, "PYTHONPATH": str(root)}
    done = subprocess.run(
        [sys.executable, "-m", *words], cwd=root, env=environment, capture_output=True, text=True, timeout=600, check=False
    )
    assert fails == bool(done.returncode), done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    return done


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))


def rows(folder: Path) -> dict[str, str]:
    return {stage: row["verdict"] for stage, row in json.loads((folder / "verify.json").read_text()).items()}


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The project, for a test to make mistakes in."""
    return copied(tmp_path)


def test_three_commands_lead_to_a_mistake_in_a_pass(copy: Path) -> None:
    """A coefficient of the polynomial for exp, mistyped: the midend's numbers are wrong, and all that is made of them."""
    edit(copy / "passes/expand_exp.py", "5.0000001201e-1", "5.0000001201e-2")
    verified = run("doit", *SMALL, "verify", root=copy, fails=True)
    (folder,) = [path for path in (copy / "build").iterdir() if path.name.startswith("deepseek")]
    wrong = [stage for stage, word in rows(folder).items() if word == "wrong"]
    assert wrong == ["midend", "backend", "LLVM IR", "objects", "transformer-runner-staged", "transformer-runner"]
    assert [stage for stage, word in rows(folder).items() if word == "right"] == ["frontend", "nodes"]
    assert "\n8 stages: 2 right, 6 wrong\n" in verified.stdout
    assert f"wrong from midend on: `doit {' '.join(SMALL)} bisect` finds the pass, if it is one" in verified.stdout

    found = run("doit", *SMALL, "bisect", root=copy, fails=True).stdout
    assert "right before midend: expand-exp, wrong after midend: expand-exp: output0[" in found
    assert re.search(r"the operation: \S+, node (exp|sigmoid)\w* at model/deepseek_r1_block.py:\d+", found)
    (command,) = re.findall(r"this shows it: python -m (.*)", found)

    shown = run(*shlex.split(command), root=copy, fails=True)
    assert re.search(r": wrong: \w+\[", shown.stdout) and "func.func" not in shown.stdout
    edit(copy / "passes/expand_exp.py", "5.0000001201e-2", "5.0000001201e-1")
    assert "the numbers are the same before and after" in run(*shlex.split(command), root=copy).stdout


def test_a_pass_that_raises_is_found_with_its_line(copy: Path) -> None:
    edit(
        copy / "passes/expand_exp.py", '    """Replace math.exp on f32 scalars."""\n', '    raise ValueError("half a table")\n'
    )
    verified = run("doit", "model=mlp", "verify", root=copy, fails=True).stdout
    assert "8 stages: 2 right, 6 cannot be run" in verified and "bisect" not in verified
    done = run("doit", "model=mlp", "bisect", root=copy, fails=True)
    line = (copy / "passes/expand_exp.py").read_text().partition("half a table")[0].count("\n") + 1
    raises = f"midend: expand-exp raises ValueError: half a table (passes/expand_exp.py:{line})"
    assert f"build/mlp/subgraph0.mlir: {raises}; what it was given is right\n" in done.stdout
    assert "the operation" not in done.stdout and "the numbers go wrong" not in done.stdout
    assert "   there is a fault, told above\n   again, alone: doit model=mlp bisect\n" in done.stdout
    assert re.search(
        r"^subgraph0.mlir: run 2 of about \d+: what midend: [\w#-]+ left, state (\d+) of \1$", done.stderr, re.MULTILINE
    )


def test_a_bisection_without_the_time_for_it(copy: Path) -> None:
    edit(
        copy / "runner/bisect/states.py",
        "    from passes import pipelines, ref",
        "    time.sleep(9)\n    from passes import pipelines, ref",
    )
    done = run("doit", "model=mlp", "timeout=2", "bisect", root=copy, fails=True)
    assert "ran out of time: build/mlp/subgraph0.mlir: its passes take longer than 2 s; " in done.stderr
    assert "doit timeout=SECONDS, gives more" in done.stderr
    assert "   nothing could be found out, for the reason above\n" in done.stdout


def test_a_held_artifact_that_is_broken(tmp_path: Path) -> None:
    """What can be built is verified, and what was to be made of the broken file is said not to be there."""
    words = ("doit", f"build={tmp_path}", "model=mlp")
    run(*words, "midend")
    (tmp_path / "mlp/subgraph0-midend.mlir").write_text("this is no MLIR\n")
    run(*words, "keep", str(tmp_path / "mlp/subgraph0-midend.mlir"))
    said = run(*words, "verify", fails=True).stdout
    words_of = rows(tmp_path / "mlp")
    assert [stage for stage, word in words_of.items() if word == "right"] == ["frontend", "nodes", "mlp-runner"]
    assert set(words_of.values()) == {"right", "cannot be run"}
    lines = said.splitlines()
    assert sum("not built, backend:subgraph0 failed: " in line and "is not valid MLIR" in line for line in lines) == 1
    assert sum(line.endswith(": not built, backend:subgraph0 failed") for line in lines) == 3
    assert "8 stages: 3 right, 5 cannot be run" in lines
    assert "   what cannot be run has a line above that says why" in lines
    assert sum(line.startswith("midend: forward-midend.mlir, subgraph0-midend.mlir: ") for line in lines) == 1


def test_a_held_artifact_that_is_wrong(tmp_path: Path) -> None:
    """The frontend's own file, edited: `bisect` says that no pass is at fault."""
    words = ("doit", f"build={tmp_path}", "model=mlp")
    run(*words, "frontend")
    edit(tmp_path / "mlp/subgraph0.mlir", "tosa.tanh", "tosa.sigmoid")
    run(*words, "keep", str(tmp_path / "mlp/subgraph0.mlir"))
    said = run(*words, "verify", fails=True).stdout
    (row,) = [line for line in said.splitlines() if line.startswith("nodes, ")]
    assert re.search(r"  tanh at \S+:\d+, first of \d+ wrong +wrong *$", row)
    assert "the numbers are wrong before any pass: the line of `nodes` has the first node that is wrong" in said
    found = json.loads((tmp_path / "mlp/verify.json").read_text())
    assert found["nodes"]["node"] == "tanh" and found["mlp-runner"]["verdict"] == "right"
    assert {row["verdict"] for stage, row in found.items() if stage != "mlp-runner"} == {"wrong"}
    assert "subgraph0.mlir is not right before any pass: output0[" in run(*words, "bisect", fails=True).stdout


def test_a_model_that_cannot_be_built(tmp_path: Path) -> None:
    for command in ("verify", "bisect"):
        done = run("doit", f"build={tmp_path}", "seq_len=40000", command, fails=True)
        assert "seq_len=40000: this model takes 1 to 32768 tokens" in done.stdout


def test_stages_that_take_longer_than_they_may(copy: Path) -> None:
    edit(copy / "runner/checking/probe.py", "    from passes import targets\n", "    import time\n\n    time.sleep(9)\n")
    said = run("doit", "model=mlp", "timeout=1", "verify", root=copy, fails=True).stdout
    words_of = rows(copy / "build/mlp")
    assert [stage for stage, word in words_of.items() if word == "right"] == ["mlp-runner-staged", "mlp-runner"]
    assert [*words_of.values()].count("out of time") == 6
    lines = said.splitlines()
    assert "midend: forward-midend.mlir, subgraph0-midend.mlir: ran out of time: it does not end within 1 s" in lines
    assert "8 stages: 2 right, 6 out of time" in lines
    assert "   `doit model=mlp timeout=SECONDS verify` gives each run more than 1" in lines and "bisect" not in said


def test_a_time_limit(tmp_path: Path) -> None:
    done = run("doit", f"build={tmp_path}", "model=mlp", "timeout=0", "verify", fails=True)
    assert "timeout=0: expected a whole number from 1" in done.stderr
