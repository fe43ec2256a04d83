"""Every benchmark of the set exists in every size, and its kernel, compiled at the smallest, equals eager PyTorch."""

from __future__ import annotations

import importlib

import pytest
import torch

from frontend import DynamoCompiler
from tasks import models
from tasks.benchmarks import table
from tasks.settings import parse

EVERY = [pytest.param(b, id=b.name) for b in table.BENCHMARKS]


@pytest.mark.parametrize("benchmark", EVERY)
def test_right_at_the_smallest_size(benchmark: table.Benchmark) -> None:
    file = importlib.import_module(f"model.{models.find(benchmark.model).module}")
    config = file.Config(**benchmark.settings("mini"))
    module, inputs = file.build(config), file.inputs(config)
    with torch.no_grad():
        expected = module(**inputs)
    actual = DynamoCompiler().compile(module, **inputs)(**inputs)
    torch.testing.assert_close(actual, expected, rtol=0, atol=file.TOLERANCE * expected.abs().max().item())


@pytest.mark.parametrize("benchmark", EVERY)
def test_there_in_every_size(benchmark: table.Benchmark) -> None:
    """Its settings are its model's, and each size is another build."""
    words = [{name: str(value) for name, value in benchmark.settings(size).items()} for size in table.SIZES]
    folders = [parse({"model": benchmark.model, **each}).folder for each in words]
    assert len(set(folders)) == len(folders)


def test_every_kernel_is_benchmarked() -> None:
    assert set(models.kernels()) <= {benchmark.model for benchmark in table.BENCHMARKS}
    assert not set(models.kernels()) & set(models.names())
    assert len(set(table.NAMES)) == len(table.BENCHMARKS) and "list" not in table.NAMES


def test_those_that_are_named() -> None:
    assert table.chosen([]) == list(table.BENCHMARKS)
    assert [b.name for b in table.chosen(["softmax", "gemm", "gemm"])] == ["gemm", "softmax"]
    with pytest.raises(table.UnknownBenchmark) as error:
        table.chosen(["gemm", "sofmax"])
    assert str(error.value).startswith("no benchmark 'sofmax'; did you mean 'softmax'? There are: block, rmsnorm, ")
