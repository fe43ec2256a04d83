"""Every model file, compiled by both ways of capture, equals eager PyTorch."""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils import _pytree as pytree

from frontend import DynamoCompiler
from tasks.models import names


def made(name: str) -> tuple[ModuleType, nn.Module, dict[str, torch.Tensor], list[torch.Tensor]]:
    """A model's file, the model with one layer of each kind, its inputs and eager PyTorch's results."""
    file = importlib.import_module(f"model.{name}")
    config = file.Config(**({"num_layers": 1} if hasattr(file.Config, "num_layers") else {}))
    module, inputs = file.build(config), file.inputs(config)
    with torch.no_grad():
        return file, module, inputs, pytree.tree_leaves(module(**inputs))


def compare(actual: Any, expected: list[torch.Tensor], tolerance: float) -> None:
    actual = pytree.tree_leaves(actual)
    assert len(actual) == len(expected)
    for a, e in zip(actual, expected, strict=True):
        torch.testing.assert_close(a, e, rtol=0, atol=tolerance * e.abs().max().item())


@pytest.mark.parametrize("name", names())
def test_exported(name: str) -> None:
    file, module, inputs, expected = made(name)
    compare(DynamoCompiler().compile(module, **inputs)(**inputs), expected, file.TOLERANCE)


@pytest.mark.parametrize("name", names())
def test_traced_by_dynamo(name: str) -> None:
    file, module, inputs, expected = made(name)
    compiler = DynamoCompiler()
    graph = compiler.importer(module, **inputs)[0]
    order = [next(name for name in inputs if value.name.endswith(f"_{name}_")) for value in graph.inputs]  # of their use
    compare(compiler.dynamo_run()(*[inputs[name] for name in order]), expected, file.TOLERANCE)


@pytest.mark.parametrize(("name", "parameters"), [("resnet18", 11_689_512), ("mobilenet_v3", 2_542_856)])
def test_has_the_published_size(name: str, parameters: int) -> None:
    _, module, _, _ = made(name)
    assert sum(p.numel() for p in module.parameters()) == parameters
