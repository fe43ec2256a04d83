"""PyTorch as an engine, and what it makes for the others: answers in float64, inputs, exported models."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from frontend.capture.engines import export
from frontend.capture.engines.callable import compiled
from frontend.capture.engines.eager import eager
from frontend.capture.engines.inductor import inductor
from frontend.capture.engines.loaded import Loaded, arrays, load
from runner.engines.serve import CannotRun, Job, max_rel_err

SMALL = {"hidden_size": "32", "intermediate_size": "48", "num_heads": "2", "num_kv_heads": "1", "head_dim": "16"}


@pytest.fixture(autouse=True)
def as_before():
    """Engines have processes of their own and set what is global."""
    threads, gradients, dtype = torch.get_num_threads(), torch.is_grad_enabled(), torch.get_default_dtype()
    yield
    torch.set_num_threads(threads)
    torch.set_grad_enabled(gradients)
    torch.set_default_dtype(dtype)


def job(folder: Path, model: str = "mlp", dtype: str = "f32", **settings: str) -> Job:
    return Job(model, settings, dtype, 2, str(folder), "", [])


def exported(given: Job, kind: str) -> None:
    export.KINDS[kind](given, load(given))
    torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("model", ["deepseek_r1_block", "deepseek_r1_block_decode"])
def test_the_reference_is_wider_than_what_the_model_converts_to(tmp_path: Path, model: str) -> None:
    """These models compute their norms and their softmax in float32 whatever they are given."""
    given = job(tmp_path, model, **SMALL)
    exported(given, "reference")
    (expected,) = given.arrays("reference")
    plain = load(given)
    (actual,) = arrays(plain.module(*plain.args, **plain.kwargs))
    assert expected.dtype == np.float64 and np.isfinite(expected).all()
    assert (expected != expected.astype(np.float32)).mean() > 0.9
    assert 0 < np.abs(actual - expected).max() / np.abs(expected).max() < 1e-6


def test_the_inputs_are_in_the_order_of_the_arguments(tmp_path: Path) -> None:
    given = job(tmp_path, "deepseek_r1_block_decode", **SMALL, cache_len="5")
    exported(given, "reference")
    shapes = [array.shape for array in given.arrays("inputs")]
    assert shapes == [(1, 1, 32), (1, 6), (1, 1, 6, 16), (1, 1, 6, 16), (1,)]


@pytest.mark.parametrize("engine", [eager, compiled, inductor], ids=["eager", "compiled", "inductor"])
@pytest.mark.parametrize(("dtype", "allowed"), [("f32", 1e-6), ("bf16", 2e-2)])
def test_an_engine_is_right(tmp_path: Path, engine, dtype: str, allowed: float) -> None:
    given = job(tmp_path, dtype=dtype)
    exported(given, "reference")
    found = engine(given)
    error = max_rel_err(found.answer(), given.arrays("reference"))
    assert error is not None and error < allowed
    assert all(ms > 0 for ms in found.times(3))


@pytest.mark.parametrize("engine", [eager, compiled, inductor], ids=["eager", "compiled", "inductor"])
def test_a_dtype_that_no_engine_of_pytorch_has(tmp_path: Path, engine) -> None:
    with pytest.raises(CannotRun, match="runs f32 and bf16 only, not w8"):
        engine(job(tmp_path, dtype="w8"))


def test_results_that_numpy_does_not_know_are_widened() -> None:
    values = {"a": torch.ones(2, dtype=torch.bfloat16), "b": [torch.tensor([3]), None]}
    assert [(a.dtype, a.tolist()) for a in arrays(values)] == [(np.float32, [1, 1]), (np.int64, [3])]


def test_an_export_that_fails_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(given: Job, loaded: Loaded) -> None:
        raise ValueError("it has no form\nthere")

    (tmp_path / "job.json").write_text(json.dumps(job(tmp_path).__dict__))
    monkeypatch.setitem(export.KINDS, "onnx", refuse)
    monkeypatch.setattr(sys, "argv", ["export", "onnx", str(tmp_path / "job.json")])
    assert export.main() == 1
    assert capsys.readouterr().err.splitlines()[-1] == "ValueError: it has no form"
