"""Capture with TorchDynamo: the program runs on example arguments, and each piece between graph breaks becomes a graph."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import fx, nn
from torch.utils import _pytree as pytree

from frontend.capture.export import Captured
from frontend.capture.functional import functional
from frontend.capture.fx_graph import CaptureError


def by_dynamo(
    function: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    name: str,
    table: dict[Any, Any] | None = None,
) -> list[Captured]:
    """A graph for each piece between the program's graph breaks, in order of execution."""
    captured: list[Captured] = []
    known = _tensor_names(function)
    args, kwargs = pytree.tree_map_only(torch.Tensor, torch.Tensor.detach, (args, kwargs))

    def take(program: fx.GraphModule, examples: list[torch.Tensor]) -> Callable[..., Any]:
        index = f"{len(captured)}" if captured else ""
        captured.append(_piece(program, examples, name + index, known, table))
        return program.forward  # PyTorch runs the piece, so that the next one is reached

    torch._dynamo.reset()
    try:
        with torch.no_grad():
            torch.compile(function, backend=take, dynamic=False)(*args, **kwargs)
    except torch._dynamo.exc.BackendCompilerFailed as error:
        raise error.inner_exception from error
    finally:
        torch._dynamo.reset()
    if not captured:
        raise CaptureError(
            f"{name}: TorchDynamo found nothing in it that it can capture; torch.export tells what stands in the way"
        )
    return captured


def _piece(
    program: fx.GraphModule,
    examples: list[torch.Tensor],
    name: str,
    known: dict[int, str],
    table: dict[Any, Any] | None,
) -> Captured:
    tensors: dict[str, torch.Tensor] = {}
    roles: dict[str, str] = {}
    placeholders = [node for node in program.graph.nodes if node.op == "placeholder"]
    for node, example in zip(placeholders, examples, strict=True):
        node.meta["val"] = node.meta["example_value"]
        if id(example) in known or isinstance(example, nn.Parameter):
            roles[node.name] = known.get(id(example), node.name)
            tensors[node.name] = example.detach()
    for node in program.graph.nodes:
        node.meta.setdefault("val", node.meta.get("example_value"))
    graph, _, tables = functional(program, name, roles, table)
    return Captured(graph, [(tensors | tables)[p.name] for p in graph.parameters])


def _tensor_names(function: Any) -> dict[int, str]:
    if not isinstance(function, nn.Module):
        return {}
    return {id(t): name for name, t in [*function.named_parameters(), *function.named_buffers()]}
