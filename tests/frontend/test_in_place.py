"""Functions that write into the memory of their arguments, as an executable's do, leave there what PyTorch leaves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from frontend.capture import by_export
from frontend.driver import GraphDriver
from frontend.graph import Graph
from frontend.lower import lower
from frontend.transforms.drop_no_ops import drop_no_ops
from passes import pipelines, targets
from passes.mlir import ir
from passes.schedule import find_all
from runner.jit import Function
from tests.compiled import Wrapped, array, compile_module
from tests.frontend.test_driver import cut


def row(cache: Tensor, at: Tensor, new: Tensor) -> Tensor:
    cache[:, at] = new * 2
    return (cache @ new.transpose(-1, -2)).sum(-1)


def rows_added(x: Tensor, at: Tensor, new: Tensor) -> Tensor:
    x.index_put_((at,), new, accumulate=True)
    return x.sum()


def swapped(x: Tensor, y: Tensor) -> Tensor:
    old = x.clone()
    x.copy_(y)
    y.copy_(old)
    return old + 1


def old_value(x: Tensor, y: Tensor) -> Any:
    old = x.clone()
    x.mul_(y)
    return old, old[1:]


def new_value(x: Tensor, y: Tensor) -> Any:
    x += y
    return x.clone(), x[1:].clone(), x.sum()


def overwritten(x: Tensor, y: Tensor) -> Tensor:
    x.copy_(y.exp())
    return y + 1


def both_the_same(x: Tensor, y: Tensor, z: Tensor) -> Tensor:
    new = (z - 1).tanh()
    x.copy_(new)
    y.copy_(new)
    return new * 2


def reversed_rows(x: Tensor, y: Tensor) -> Tensor:
    x.copy_(x.flip(0) + y)
    return y - 1


def swapped_by_slices(x: Tensor, y: Tensor) -> Tensor:
    old = x.clone()
    x[:] = y
    y[:] = old
    return old


def swapped_by_rows_of_one(x: Tensor, y: Tensor) -> Tensor:
    old = x[0].clone()
    x[0] = y[0]
    y[0] = old
    return old + y


def halves_exchanged(x: Tensor, y: Tensor) -> Tensor:
    old = x[:1].clone()
    x[:1] = y[1:2]
    x[2] = old[0]
    return x[1] - old


def element_and_old(x: Tensor, y: Tensor) -> Any:
    old = x.clone()
    x[torch.zeros(1, dtype=torch.int64)] = y[:1]
    y.copy_(old)
    return old


def another_argument(x: Tensor, y: Tensor) -> Tensor:
    x.copy_(y)
    return y * 2


def nothing_returned(x: Tensor, y: Tensor) -> None:
    x.add_(y)


PAIR = (torch.randn(3, 5), torch.randn(3, 5))
CASES: list[tuple[Callable[..., Any], tuple[Tensor, ...]]] = [
    (row, (torch.randn(2, 7, 5), torch.tensor([4]), torch.randn(2, 1, 5))),
    (row, (torch.randn(2, 7, 5), torch.tensor([-1]), torch.randn(2, 1, 5))),
    (rows_added, (torch.randn(6, 5), torch.tensor([4, 0, 4]), torch.randn(3, 5))),
    (rows_added, (torch.arange(6, dtype=torch.uint8), torch.tensor([4, 0, 4]), torch.tensor([7, 8, 9], dtype=torch.uint8))),
    *((function, PAIR) for function in (swapped, old_value, new_value, overwritten, reversed_rows, another_argument)),
    (both_the_same, (*PAIR, torch.randn(3, 5))),
    *((function, PAIR) for function in (nothing_returned, swapped_by_slices, halves_exchanged, element_and_old)),
    (swapped_by_rows_of_one, (torch.randn(1, 5), torch.randn(1, 5))),
]


def captured(function: Callable[..., Any], args: tuple[Tensor, ...]) -> Graph:
    return by_export(Wrapped(function), args, {}, "forward").graph.perform([drop_no_ops])


def run(module: ir.Module, function: Callable[..., Any], args: tuple[Tensor, ...]) -> None:
    """What the module returns and what it leaves in its arguments are what `function` does."""
    theirs = [t.clone() for t in args]
    expected = pytree.tree_leaves(function(*theirs))
    expected = [t for t in expected if t is not None]
    ours = [array(t) for t in args]
    results = [np.full(tuple(t.shape), 113, array(t).dtype) for t in expected]
    Function(compile_module(module), "forward")(ours, results)
    for actual, wanted in zip([*ours, *results], [*theirs, *expected], strict=True):
        torch.testing.assert_close(torch.from_numpy(actual), wanted)


@pytest.mark.parametrize(("function", "args"), CASES)
def test_one_function(function: Callable[..., Any], args: tuple[Tensor, ...]) -> None:
    graph = captured(function, args)
    assert graph.writes
    run(lower(graph, in_place=True), function, args)


@pytest.mark.parametrize("boundary", [0, 1, 2])
@pytest.mark.parametrize(("function", "args"), CASES)
def test_a_function_that_calls_others(function: Callable[..., Any], args: tuple[Tensor, ...], boundary: int) -> None:
    graph = captured(function, args)
    if len(graph.nodes) <= boundary:
        return
    driver = GraphDriver(graph.fuse_ops([cut(boundary)]) if boundary else graph, in_place=True)
    whole = ir.Module.parse(str(lower(driver.construct_main_graph(), in_place=True)), ir.Context())
    for declaration in [op for op in find_all(whole.operation, "func.func") if op.opview.is_external]:
        declaration.erase()
    with whole.context, ir.InsertionPoint(whole.body):
        for subgraph in driver.subgraphs:
            for op in ir.Module.parse(str(lower(subgraph, in_place=True))).body.operations:
                op.clone()
    run(whole, function, args)


def test_a_row_is_written_without_a_copy_of_the_rest() -> None:
    cache, at, new = torch.randn(2, 7, 5), torch.tensor([4]), torch.randn(2, 1, 5)
    graph = captured(row, (cache, at, new))
    driver = GraphDriver(graph, in_place=True)
    (subgraph,) = driver.subgraphs
    for part, stores in ((driver.construct_main_graph(), 0), (subgraph, 1)):
        module = lower(part, in_place=True)
        pipelines.run(module, "midend", targets.native())
        types = [str(op.results[0].type) for op in find_all(module.operation, "memref.alloc")]
        assert "memref<2x7x5xf32>" not in types
        assert len([op for op in find_all(module.operation, "memref.store") if "2x7x5" in str(op.operands[1].type)]) == stores
