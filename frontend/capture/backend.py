"""A torch.compile backend: each graph that TorchDynamo finds becomes compiled code."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import fx
from torch._dynamo.backends.common import aot_autograd
from torch._functorch.aot_autograd import make_boxed_func
from torch._subclasses.fake_tensor import unset_fake_temporarily

from frontend.capture.decompositions import decompositions
from frontend.capture.functional import tensors_only
from frontend.capture.fx_graph import graph_of
from frontend.capture.tables import fold_tables
from frontend.graph import Graph

Compile = Callable[[Graph, list[torch.Tensor]], Any]


def compile_piece(
    program: fx.GraphModule, examples: Sequence[Any], name: str, table: dict[Any, Any] | None, compile_graph: Compile
) -> Callable[..., Any]:
    """What TorchDynamo calls instead of `program`: aliases, in-place writes and gradients are aot_autograd's work.

    `compile_graph` makes code of a graph and the tensors of its parameters.
    """

    def code_of(traced: fx.GraphModule, _: Sequence[Any]) -> Callable[..., Any]:
        return _code(traced, name, compile_graph)

    table = decompositions() if table is None else table
    return aot_autograd(fw_compiler=code_of, decompositions=table)(program, examples)


def _code(traced: fx.GraphModule, name: str, compile_graph: Compile) -> Callable[..., Any]:
    program, results = tensors_only(traced)
    used = {node.name for node in program.graph.nodes if node.op == "placeholder"}
    places = [i for i, node in enumerate(n for n in traced.graph.nodes if n.op == "placeholder") if node.name in used]
    tables = fold_tables(program.graph)
    graph = graph_of(program.graph, name, {table: table for table in tables})
    with unset_fake_temporarily():
        run = compile_graph(graph, list(tables.values()))

    def call(*args: Any) -> tuple[Any, ...]:
        given = [args[place] for place in places]
        outputs = run(*given)
        return tuple(outputs[r] if isinstance(r, int) else r.known(lambda: run.sizes(given)) for r in results)

    return make_boxed_func(call)
