"""What tests share: a PyTorch function, captured, lowered through the whole pipeline and run in this process."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils import _pytree as pytree

from frontend import DynamoCompiler, parameters
from frontend.capture import by_export
from frontend.graph import Graph
from frontend.lower import lower
from frontend.transforms.drop_no_ops import drop_no_ops
from passes import pipelines, targets
from passes.mlir import ir
from runner.jit import Function


class Wrapped(nn.Module):
    """A function as a module, for torch.export."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, *args: Any) -> Any:
        return self.function(*args)


def compile_module(module: ir.Module, target: str = "native") -> ir.Module:
    for name in pipelines.PIPELINES:
        pipelines.run(module, name, targets.find(target))
    return module


def run_module(module: ir.Module, name: str, arguments: list[np.ndarray], results: list[np.ndarray]) -> list[np.ndarray]:
    Function(compile_module(module), name)(arguments, results)
    return results


def array(tensor: torch.Tensor) -> np.ndarray:
    """A copy of a tensor in the order of its elements."""
    return tensor.detach().contiguous().clone().numpy()


def run_graph(graph: Graph, tensors: list[torch.Tensor], expected: list[torch.Tensor]) -> list[torch.Tensor]:
    """The graph's results on the tensors of its parameters and inputs; memory starts as a value that no test expects."""
    results = [np.full(tuple(t.shape), 113, array(t).dtype) for t in expected]
    run_module(lower(graph), graph.name, [array(t) for t in tensors], results)
    return [torch.from_numpy(result) for result in results]


def check(
    function: Callable[..., Any],
    *args: torch.Tensor,
    rtol: float = 1e-5,
    atol: float = 1e-6,
    table: dict[Any, Any] | None = None,
    transforms: Sequence[Callable[[Graph], None]] = (drop_no_ops,),
) -> Graph:
    """`function` compiled must equal `function` run by PyTorch, in every element, in shape and in dtype."""
    expected = function(*[a.clone() for a in args])
    expected = list(expected) if isinstance(expected, tuple | list) else [expected]
    captured = by_export(Wrapped(function), args, {}, "forward", table)
    graph = captured.graph.perform(list(transforms))
    given = {p.name: array(t) for p, t in zip(graph.parameters, captured.tensors, strict=True)}
    weights = [torch.from_numpy(parameters.stored(p, given)) for p in graph.parameters]
    actual = run_graph(graph, [*weights, *args], expected)
    for a, e in zip(actual, expected, strict=True):
        torch.testing.assert_close(a, e.contiguous(), rtol=rtol, atol=atol, equal_nan=True)
    return graph


def same(function: Callable[..., Any], *tensors: torch.Tensor, rtol: float | None = None, atol: float | None = None) -> None:
    """`function` compiled and called must equal `function` run by PyTorch, whatever it takes and returns."""
    actual, expected = DynamoCompiler().compile(function, *tensors)(*tensors), function(*tensors)
    for a, e in zip(pytree.tree_leaves(actual), pytree.tree_leaves(expected), strict=True):
        torch.testing.assert_close(a, e, rtol=rtol, atol=atol, equal_nan=True, check_stride=False)
