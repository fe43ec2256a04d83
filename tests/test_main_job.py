"""The main job at full size: the DeepSeek R1 block through every stage, against PyTorch, as a user would run it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def doit(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "doit", *words], cwd=ROOT, capture_output=True, text=True, timeout=600, check=False
    )


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("build")
    done = doit(f"build={folder}", "run")
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_run_verifies_and_leaves_its_figures(build: Path) -> None:
    figures = json.loads((build / "deepseek_r1_block" / "run.json").read_text())
    assert figures["model"] == "deepseek_r1_block" and figures["threads"] >= 1
    assert 0 < figures["max_rel_err"] < 1e-4
    assert 0 < figures["p10_ms"] <= figures["median_ms"] <= figures["p90_ms"]
    assert 0 < figures["gflops"] < 2 * figures["peak_gflops"]


def test_every_artifact_is_there_by_its_name(build: Path) -> None:
    made = {path.name for path in (build / "deepseek_r1_block").iterdir()}
    staged = {
        f"{part}{end}" for part in ("forward", "subgraph0") for end in (".mlir", "-midend.mlir", "-backend.mlir", ".ll", ".o")
    }
    assert staged | {"graph.log", "graph_fused.log", "arg0.data", "transformer-runner-staged"} <= made
    assert not {name for name in made if "onestep" in name or name.startswith(".part")}


def test_logs_name_registry_and_source_line(build: Path) -> None:
    log = (build / "deepseek_r1_block" / "graph_fused.log").read_text()
    rows = {line.split()[0]: line for line in log.splitlines() if line.strip()}
    assert "sluice.linear" in rows["mm_3"] and " linalg " in rows["mm_3"] and "40x1536xf32" in rows["mm_3"]
    assert " tosa " in rows["rsqrt"] and "model/deepseek_r1_block.py:54 in forward" in rows["rsqrt"]


def test_staged_and_one_step_give_the_same_bits(build: Path) -> None:
    done = doit(f"build={build}", "verify")
    assert done.returncode == 0 and "the same bits from all" in done.stdout, done.stdout + done.stderr
    assert (build / "deepseek_r1_block" / "transformer-runner").exists()


def test_nothing_is_built_again(build: Path) -> None:
    done = doit(f"build={build}", "midend")
    assert done.returncode == 0
    assert re.fullmatch(r"4 up to date, [\d.]+ s\n", done.stdout), done.stdout


@pytest.mark.parametrize("settings", [["seq_len=1"], ["seq_len=37", "batch=2"]], ids=" ".join)
def test_other_shapes(build: Path, settings: list[str]) -> None:
    done = doit(f"build={build}", *settings, "iterations=2", "run")
    assert done.returncode == 0, done.stdout + done.stderr
    folder = build / "-".join(["deepseek_r1_block", *sorted(settings)])
    assert json.loads((folder / "run.json").read_text())["max_rel_err"] < 1e-4


def test_a_model_that_does_not_exist(build: Path) -> None:
    done = doit(f"build={build}", "model=deepsek_r1_block", "run")
    assert done.returncode != 0
    assert "no model 'deepsek_r1_block'; did you mean 'deepseek_r1_block'?" in done.stderr
    assert "Traceback" not in done.stderr


def test_no_tokens(build: Path) -> None:
    done = doit(f"build={build}", "seq_len=0", "run")
    assert done.returncode != 0 and "seq_len=0: expected a whole number from 1" in done.stderr
    done = doit(f"build={build}", "seq_len=40000", "frontend")
    assert done.returncode != 0 and "seq_len=40000: this model takes 1 to 32768 tokens" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
