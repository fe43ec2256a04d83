"""Run in PyTorch what no registry lowers: the graph is cut there, and a report tells what that costs."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from frontend.capture.callable import BadArgument, Sizes
from frontend.capture.fx_graph import TORCH
from frontend.dims import evaluate
from frontend.graph import Dim, Graph, Node, Ref

Piece = Callable[..., list[torch.Tensor]]


@dataclass
class Cost:
    """The time that a piece took in all calls, in seconds."""

    label: str
    eager: bool
    calls: int = 0
    seconds: float = 0.0


class Pieces:
    """A main graph of calls, each to a piece: compiled code, or one operator in eager PyTorch; called like `Compiled`."""

    def __init__(self, graph: Graph, pieces: dict[str, tuple[Piece, Cost]], tensors: Sequence[torch.Tensor]) -> None:
        self.graph = graph
        self.sizes = Sizes(graph)
        self._pieces = pieces
        self._parameters = {Ref(p.name): t for p, t in zip(graph.parameters, tensors, strict=True)}
        self.costs = [cost for _, cost in pieces.values()]

    def __call__(self, *tensors: torch.Tensor) -> list[torch.Tensor]:
        inputs = self.graph.inputs
        if len(tensors) != len(inputs):
            raise BadArgument(f"{self.graph.name!r} takes {len(inputs)} tensors, {len(tensors)} were given")
        values = self._parameters | {Ref(i.name): t for i, t in zip(inputs, tensors, strict=True)}
        for node in self.graph.nodes:
            piece, cost = self._pieces[node.args["callee"]]
            begin = time.perf_counter()
            results = piece(*[values[ref] for ref in node.args["arguments"]])
            cost.seconds += time.perf_counter() - begin
            cost.calls += 1
            values.update({Ref(node.name, index): result for index, result in enumerate(results)})
        outputs = [values[ref] for ref in self.graph.outputs]
        kept = len(outputs) - len(self.graph.writes)
        for name, value in zip(self.graph.writes, outputs[kept:], strict=True):
            values[Ref(name)].copy_(value)
        return outputs[:kept]

    def report(self) -> str:
        """What ran in eager PyTorch so far, operator by operator, and its share of the time."""
        total = sum(cost.seconds for cost in self.costs) or 1.0
        eager = [cost for cost in self.costs if cost.eager]
        rows = [
            f"  {cost.label}: {cost.calls} calls, {1e6 * cost.seconds / max(cost.calls, 1):.1f} us each, "
            f"{cost.seconds / total:.0%} of the time"
            for cost in eager
        ]
        share = sum(cost.seconds for cost in eager) / total
        return "\n".join([f"{self.graph.name}: {len(eager)} operator(s) in eager PyTorch take {share:.0%} of the time", *rows])


def eager(graph: Graph) -> Piece:
    """A graph of one node, as PyTorch itself runs it: the tensors of its arguments to its outputs."""
    (node,) = graph.nodes
    operator = operator_of(node)
    order = [Ref(name) for name in graph.arguments()]

    def run(*tensors: torch.Tensor) -> list[torch.Tensor]:
        results = operator(dict(zip(order, tensors, strict=True)))
        return [results[ref.index] for ref in graph.outputs]

    return run


def operator_of(
    node: Node, dtypes: Mapping[str, torch.dtype] = TORCH, sizes: Mapping[str, int] | None = None
) -> Callable[[Mapping[Ref, torch.Tensor]], list[torch.Tensor]]:
    """A node's operator in eager PyTorch, from the values of what it uses to its results.

    `dtypes` says what the graph's names of dtypes stand for, `sizes` what its symbols are.
    """
    namespace, name, overload = node.op.split(".")
    operator = getattr(getattr(getattr(torch.ops, namespace), name), overload)
    texts = {a.name for a in operator._schema.arguments if "str" in str(a.type)}
    keywords = {a.name for a in operator._schema.arguments if a.kwarg_only}

    def value(given: Any, tensors: Mapping[Ref, torch.Tensor]) -> Any:
        """What `fx_graph` made of an argument, back as PyTorch takes it."""
        if isinstance(given, Ref):
            return tensors[given]
        if isinstance(given, Dim):
            return evaluate(given, sizes or {})
        if isinstance(given, list):
            return [value(item, tensors) for item in given]
        if not isinstance(given, str):
            return given
        if given.startswith("torch."):  # a layout or a memory format
            return getattr(torch, given.removeprefix("torch."))
        return dtypes[given] if given in dtypes else torch.device(given)

    def run(tensors: Mapping[Ref, torch.Tensor]) -> list[torch.Tensor]:
        args = {key: given if key in texts else value(given, tensors) for key, given in node.args.items()}
        positional = [given for key, given in args.items() if key not in keywords]
        with torch.no_grad():
            result = operator(*positional, **{key: given for key, given in args.items() if key in keywords})
        return list(result) if isinstance(result, tuple | list) else [result]

    return run
