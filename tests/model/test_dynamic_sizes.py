"""One code for every length: language models captured with a dynamic sequence."""

from __future__ import annotations

import importlib

import pytest
import torch
from torch.export import Dim
from torch.utils import _pytree as pytree

from frontend import DynamoCompiler


@pytest.mark.parametrize("name", ["llama", "bert", "gpt2"])
def test_every_length(name: str) -> None:
    model = importlib.import_module(f"model.{name}")
    module, inputs = model.build(model.Config()), model.inputs(model.Config())
    assert all(value.dim() == 2 for value in inputs.values())
    shapes = {key: {1: Dim("length", min=2, max=64)} for key in inputs}
    run = DynamoCompiler().compile(module, dynamic_shapes=shapes, **inputs)
    for length in (2, 7, 33):
        given = {key: value.repeat(1, 4)[:, :length] for key, value in inputs.items()}
        with torch.no_grad():
            expected = pytree.tree_leaves(module(**given))
        for actual, wanted in zip(pytree.tree_leaves(run(**given)), expected, strict=True):
            torch.testing.assert_close(actual, wanted, rtol=1e-4, atol=1e-5)
