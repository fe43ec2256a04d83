"""Executables of models that write their inputs in place: what they leave there is verified, every call starts anew."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from frontend.capture.fx_graph import CaptureError
from frontend.capture.model import graph_of
from tests.executables import build, run

ROOT = Path(__file__).parents[2]
SMALL = "hidden_size=32 intermediate_size=48 num_heads=6 num_kv_heads=2 head_dim=8 batch=2 cache_len=7".split()  # noqa: SIM905


@pytest.fixture(scope="module")
def decode(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The build folder of a small decode step, verified."""
    root = tmp_path_factory.mktemp("build")
    command = [sys.executable, "-m", "doit", f"build={root}", "model=deepseek_r1_block_decode", *SMALL, "verify"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "the same bits from all" in done.stdout, done.stdout + done.stderr
    (folder,) = root.iterdir()
    return folder


def test_the_cache_is_an_answer_too(decode: Path, tmp_path: Path) -> None:
    executable = decode / "deepseek_r1_block_decode-runner-staged"
    assert run(executable, "--output", tmp_path / "answer.data").returncode == 0
    actual, expected, given = (
        np.fromfile(path, np.float32) for path in (tmp_path / "answer.data", decode / "expected.data", decode / "inputs.data")
    )
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-5)
    hidden, mask, caches = 2 * 32, 2 * 8 * 2, 2 * 2 * 2 * 8 * 8  # in words of 4 bytes
    before, after = given[hidden + mask :][:caches].reshape(8, 8, 8), actual[hidden:].reshape(8, 8, 8)
    np.testing.assert_array_equal(after[:, :7], before[:, :7])
    assert not before[:, 7].any() and after[:, 7].any(axis=-1).all()


@pytest.mark.parametrize("element", [64, 64 + 7 * 8, -1], ids=["an old key", "the new key", "the new value"])
def test_another_cache_is_a_wrong_answer(decode: Path, tmp_path: Path, element: int) -> None:
    for name in ("arg0.data", "inputs.data", "expected.data", "tolerance.txt"):
        (tmp_path / name).write_bytes((decode / name).read_bytes())
    values = np.fromfile(tmp_path / "expected.data", np.float32)
    values[element] += 1
    values.tofile(tmp_path / "expected.data")
    done = run(decode / "deepseek_r1_block_decode-runner-staged", "--data", tmp_path)
    assert done.returncode == 1 and done.stderr.startswith("Wrong answer: the relative error")


class Doubling(nn.Module):
    """A second call would double again what the first one doubled."""

    def forward(self, x: Tensor, state: Tensor) -> Tensor:
        state.mul_(2).add_(x)
        return state.sum(0)


class Counting(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("count", torch.zeros(1))
        self.count: Tensor

    def forward(self, x: Tensor) -> Tensor:
        self.count += 1
        return x * self.count


def model_file(module: nn.Module, **inputs: Tensor) -> Any:
    file = ModuleType("model.written_by_a_test")
    members: Any = file
    members.build, members.inputs, members.TOLERANCE = lambda _: module, lambda _: inputs, 1e-6
    return file


def test_every_call_starts_from_the_recorded_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = model_file(Doubling(), x=torch.randn(3, 5), state=torch.randn(3, 5))
    monkeypatch.setitem(sys.modules, file.__name__, file)
    monkeypatch.setattr("frontend.capture.model.configure", lambda *_: None)
    done = run(build(file.__name__.removeprefix("model."), tmp_path), "--warmup", "2")
    assert done.returncode == 0, done.stderr


def test_weights_that_change_are_refused() -> None:
    with pytest.raises(CaptureError, match=r"the model writes its own count in place.*: take it as an input"):
        graph_of(model_file(Counting(), x=torch.randn(3)), None, "f32")
