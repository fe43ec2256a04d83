"""A traced program to a functional one of simple operators: views and in-place writes resolved, decompositions applied."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import fx
from torch._functorch.aot_autograd import aot_export_module
from torch._guards import TracingContext, detect_fake_mode, tracing
from torch._higher_order_ops.effects import with_effects

from frontend.capture import untraceable
from frontend.capture.decompositions import decompositions
from frontend.capture.fx_graph import CaptureError, graph_of
from frontend.capture.tables import fold_tables
from frontend.dims import evaluate
from frontend.graph import Dim, Graph


@dataclass(frozen=True)
class Constant:
    """A result that is no tensor: a Python value, or a size."""

    value: Any

    def known(self, sizes: Callable[[], Mapping[str, int]]) -> Any:
        """The value, given what the graph's symbols are in this call."""
        return evaluate(self.value, sizes()) if isinstance(self.value, Dim) else self.value


def functional(
    program: fx.GraphModule, name: str, roles: dict[str, str], table: dict[Any, Callable[..., Any]] | None
) -> tuple[Graph, list[int | Constant], dict[str, torch.Tensor]]:
    """The program's graph, what each of its results is (the number of a graph output, or a constant), and its tables.

    Placeholders need their fake tensors as `meta["val"]`; those that are no tensors are constants of this trace.
    """
    program, results = tensors_only(program)
    placeholders = [node for node in program.graph.nodes if node.op == "placeholder"]
    fakes = [node.meta["val"] for node in placeholders]
    mode = detect_fake_mode(fakes)
    with torch.no_grad(), untraceable.Traceable(), tracing(TracingContext(mode)):
        traced, signature = aot_export_module(
            program, fakes, trace_joint=False, decompositions=decompositions() if table is None else table
        )
    _drop_tokens(traced.graph, len(signature.input_tokens))
    for new, old in zip((n for n in traced.graph.nodes if n.op == "placeholder"), placeholders, strict=True):
        new.meta.setdefault("val", old.meta["val"])
        new._rename(f"{old.name}")
    tables = fold_tables(traced.graph)
    graph = graph_of(traced.graph, name, roles | {table: table for table in tables})
    written = signature.user_inputs_to_mutate
    graph.writes = [traced_name(placeholders, target) for target in written.values()]
    graph.outputs = graph.outputs[len(written) :] + graph.outputs[: len(written)]
    return graph, results, tables


def _drop_tokens(graph: fx.Graph, count: int) -> None:
    """Operators with effects (checks of a factorisation's success, prints) pass tokens along; a graph has no effects.

    The tokens are the first `count` arguments and results.
    """
    if not count:
        return
    (returned,) = [node for node in graph.nodes if node.op == "output"]
    returned.args = (returned.args[0][count:],)
    for node in [n for n in graph.nodes if n.target is with_effects]:
        if len(node.meta["val"]) > 1 and node.meta["val"][1] is not None:
            raise CaptureError(f"node {node.name}: {node.args[1]} has effects and a result; a graph has no effects")
    for node in reversed(list(graph.nodes)):
        token = node.op == "placeholder" and node.name in [n.name for n in list(graph.nodes)[:count]]
        if not node.users and (node.target is with_effects or node.target is operator.getitem or token):
            graph.erase_node(node)


def traced_name(placeholders: Sequence[fx.Node], argument: str) -> str:
    """aot_autograd calls placeholder i `argi_1`."""
    return placeholders[int(argument.removeprefix("arg").removesuffix("_1"))].name


def tensors_only(program: fx.GraphModule) -> tuple[fx.GraphModule, list[int | Constant]]:
    """The same program with tensors (and varying ints) alone as arguments and results."""
    graph = fx.Graph()
    copies: dict[fx.Node, fx.Node] = {}
    (returned,) = [node for node in program.graph.nodes if node.op == "output"]
    leaves = returned.args[0]
    for node in program.graph.nodes:
        value = node.meta.get("val")
        if node.op == "output" or (node.op == "placeholder" and not node.users and not isinstance(value, torch.Tensor)):
            continue
        copies[node] = graph.node_copy(node, lambda n: copies[n])
    results: list[int | Constant] = []
    kept: list[fx.Node] = []
    for leaf in leaves if isinstance(leaves, list | tuple) else [leaves]:
        value = leaf.meta["val"] if isinstance(leaf, fx.Node) else leaf
        if isinstance(value, torch.Tensor):
            results.append(len(kept))
            kept.append(copies[leaf])
        else:
            results.append(Constant(Dim(str(value.node.expr)) if isinstance(value, torch.SymInt) else value))
    graph.output(tuple(kept))
    return fx.GraphModule(program, graph), results
