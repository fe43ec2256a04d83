"""Builds in other numbers than the model's own: right within what these allow, and how far they are from f32 is told."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.executables import build, figures, run

ROOT = Path(__file__).parents[2]
SMALL = {"hidden_size": 40, "intermediate_size": 72, "num_heads": 6, "num_kv_heads": 2, "head_dim": 10, "batch": 2}
MODELS = {
    "mlp": {"features": 21, "hidden": 70},
    "deepseek_r1_block": SMALL | {"seq_len": 11},
    "deepseek_r1_block_decode": SMALL | {"cache_len": 7},
}


@pytest.mark.parametrize("model", MODELS)
def test_bf16(tmp_path: Path, model: str) -> None:
    found = figures(build(model, tmp_path, "bf16", **MODELS[model]))
    assert found["dtype"] == "bf16"
    assert 0 < found["max_rel_err"] <= found["tolerance"] < 0.03
    assert 1e-4 < found["f32_max_rel_err"] < 0.05, "the weights are rounded too"


@pytest.mark.parametrize("model", MODELS)
def test_8_bit_weights(tmp_path: Path, model: str) -> None:
    found = figures(build(model, tmp_path, "w8", **MODELS[model]))
    assert found["dtype"] == "w8"
    assert found["max_rel_err"] <= found["tolerance"] <= 1e-4, "f32 with the weights that i8 stand for"
    assert 1e-4 < found["f32_max_rel_err"] < 0.05


def test_f32_is_not_compared_with_itself(tmp_path: Path) -> None:
    executable = build("mlp", tmp_path)
    assert "f32_max_rel_err" not in figures(executable) and "from f32" not in run(executable).stdout


def test_weights_take_the_room_of_their_numbers(tmp_path: Path) -> None:
    sizes = {}
    for dtype in ("f32", "bf16", "w8"):
        (tmp_path / dtype).mkdir()
        build("mlp", tmp_path / dtype, dtype, features=64, hidden=640, classes=32)
        sizes[dtype] = (tmp_path / dtype / "arg0.data").stat().st_size
    weights, bias = 64 * 640 + 640 * 32, 640 + 32
    assert sizes == {"f32": 4 * (weights + bias), "bf16": 2 * (weights + bias), "w8": weights + 8 * bias}


@pytest.mark.parametrize("dtype", ["bf16", "w8"])
def test_a_wrong_answer_is_found(tmp_path: Path, dtype: str) -> None:
    executable = build("mlp", tmp_path, dtype)
    title, *rows = run(executable).stdout.splitlines()
    assert re.fullmatch(rf"mlp in {dtype}, \d+ threads, 3 calls", title)
    assert re.fullmatch(r"  from f32 +\S+ absolute, \S+ relative", rows[-1])
    expected = np.fromfile(tmp_path / "expected.data", np.float32)
    expected[3] += 0.05 * np.abs(expected).max()
    expected.tofile(tmp_path / "expected.data")
    done = run(executable)
    assert done.returncode == 1 and "Wrong answer: the relative error" in done.stderr


def test_what_was_expected_may_be_nan_in_f32_only(tmp_path: Path) -> None:
    """How far the model as written is away is a figure, not a verdict."""
    executable = build("mlp", tmp_path, "w8")
    path = tmp_path / "as_written.data"
    path.write_bytes(b"\xff" * path.stat().st_size)
    assert run(executable).returncode == 0


@pytest.mark.parametrize("dtype", ["bf16", "w8"])
def test_every_stage_knows_the_dtype(tmp_path: Path, dtype: str) -> None:
    command = [sys.executable, "-m", "doit", f"build={tmp_path}", "model=mlp", f"dtype={dtype}", "verify"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "the same bits from all" in done.stdout, done.stdout + done.stderr
    assert re.search(r"^mlp-runner-staged: \S+e-\d+ from the model as written, in f32$", done.stdout, re.MULTILINE)
    rows = json.loads((tmp_path / f"mlp-dtype={dtype}" / "verify.json").read_text())
    assert {row["verdict"] for row in rows.values()} == {"right"}
    assert rows["mlp-runner-staged"]["dtype"] == rows["mlp-runner"]["dtype"] == dtype
