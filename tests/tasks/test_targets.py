"""`target=`: what it builds, where it runs, and what a target from elsewhere is refused."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from passes import targets

ROOT = Path(__file__).parents[2]
HERE = [name for name, target in targets.TARGETS.items() if not targets.missing_here(target)]
ELSEWHERE = [name for name in targets.TARGETS if name not in HERE]
FILES = {"forward.ll", "forward.o", "forward.s", "subgraph0.ll", "subgraph0.o", "subgraph0.s"}


def doit(root: Path, *words: str, status: int = 0) -> str:
    command = [sys.executable, "-m", "doit", f"build={root}", "model=mlp", *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout


def ran(output: str) -> set[str]:
    return {line.split()[1] for line in output.splitlines() if line.startswith(".  ")}


@pytest.mark.parametrize("target", HERE)
def test_a_model_for_each_target_of_this_machine(target: str, tmp_path: Path) -> None:
    """Both executables give PyTorch's numbers, and the same bits."""
    doit(tmp_path, f"target={target}", "verify")
    figures = json.loads((tmp_path / f"mlp-target={target}" / "verify.json").read_text())
    assert {"mlp-runner-staged", "mlp-runner", "objects"} < set(figures)
    assert all(row["max_rel_err"] < 1e-5 for row in figures.values())


@pytest.mark.parametrize("target", ELSEWHERE)
def test_code_for_another_machine(target: str, tmp_path: Path) -> None:
    doit(tmp_path, f"target={target}", "codegen")
    assert {path.name for path in (tmp_path / f"mlp-target={target}").iterdir()} >= FILES
    assert not ran(doit(tmp_path, f"target={target}", "codegen"))


GROUPS = ["executable", "onestep", "run", "verify", "bisect", "bench", "profile", "tune", "sanitize"]


@pytest.mark.parametrize("group", GROUPS)
def test_what_needs_this_machine_is_refused(group: str, tmp_path: Path) -> None:
    """With one sentence, and nothing is built before."""
    target = ELSEWHERE[-1]
    output = doit(tmp_path, f"target={target}", group, status=1)
    assert ran(output) == {group}
    why = targets.missing_here(targets.TARGETS[target])
    sentence = (
        f"   target={target} does not run here: {why}; {group} takes native, {', '.join(HERE)}. "
        f"`doit build={tmp_path} model=mlp target={target} codegen` makes its assembly and objects"
    )
    assert sentence in output.splitlines()
    assert not list(tmp_path.rglob("*.mlir"))


def test_targets_have_folders_of_their_own(tmp_path: Path) -> None:
    """The frontend's files do not depend on the target, what comes after them does."""
    doit(tmp_path, "cache=off", "codegen")
    assert ran(doit(tmp_path, "cache=off", "target=baseline", "codegen")) >= {"midend:subgraph0", "codegen:subgraph0.o"}
    assert not ran(doit(tmp_path, "cache=off", "codegen"))
    here, there = tmp_path / "mlp", tmp_path / "mlp-target=baseline"
    same = {
        name
        for name in ("subgraph0.mlir", "subgraph0.ll", "subgraph0.s")
        if (here / name).read_bytes() == (there / name).read_bytes()
    }
    assert same == {"subgraph0.mlir"}
