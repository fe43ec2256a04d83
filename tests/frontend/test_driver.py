"""Graphs cut into subgraphs and a main graph, run in pieces, give eager PyTorch's numbers; what does nothing goes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from frontend.capture import by_export
from frontend.driver import GraphDriver
from frontend.graph import Graph, Ref
from frontend.lower import lower
from frontend.transforms.drop_no_ops import drop_no_ops
from passes.mlir import ir
from runner.jit import Function
from tests.compiled import Wrapped, array, compile_module, run_graph

DTYPES = {"f32": torch.float32, "i64": torch.int64, "i1": torch.bool}


def capture(function: Callable[..., Any], *args: Tensor) -> tuple[Graph, dict[Ref, Tensor]]:
    captured = by_export(function if isinstance(function, nn.Module) else Wrapped(function), args, {}, "forward")
    graph = captured.graph.perform([drop_no_ops])
    return graph, {Ref(name): t for name, t in zip(graph.arguments(), [*captured.tensors, *args], strict=True)}


def cut(*boundaries: int) -> Callable[[Graph], None]:
    """A pattern that makes groups of consecutive nodes."""

    def group(graph: Graph) -> None:
        names = [node.name for node in graph.nodes]
        ends = [*boundaries, len(names)]
        graph.groups = {f"part{i}": names[start:end] for i, (start, end) in enumerate(zip([0, *boundaries], ends, strict=True))}

    return group


def piecewise(driver: GraphDriver, values: dict[Ref, Tensor]) -> list[Tensor]:
    """What the main graph says, with each call's subgraph compiled and run on its own."""
    subgraphs = {subgraph.name: subgraph for subgraph in driver.subgraphs}
    main = driver.construct_main_graph()
    for node in main.nodes:
        assert node.op == "sluice.call"
        memory = [torch.empty(t.shape, dtype=DTYPES[t.dtype]) for t in node.types]
        results = run_graph(subgraphs[node.args["callee"]], [values[ref] for ref in node.args["arguments"]], memory)
        values |= {Ref(node.name, index): result for index, result in enumerate(results)}
    return [values[ref] for ref in main.outputs]


def equal(actual: list[Tensor], expected: Any) -> None:
    for a, e in zip(actual, expected, strict=True):
        torch.testing.assert_close(a, torch.from_numpy(array(e)))


class Two(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(3, 4), nn.Linear(4, 2)

    def forward(self, x: Tensor, y: Tensor) -> Any:
        hidden = torch.relu(self.a(x)) * y
        return self.b(hidden), hidden.sum(-1), x


@pytest.mark.parametrize("boundary", range(1, 6))
def test_two_groups(boundary: int) -> None:
    module, x, y = Two(), torch.randn(5, 3), torch.randn(4)
    graph, values = capture(module, x, y)
    assert len(graph.nodes) > boundary
    driver = GraphDriver(graph.fuse_ops([cut(boundary)]))
    assert [subgraph.name for subgraph in driver.subgraphs] == ["part0", "part1"]
    assert {p.source for s in driver.subgraphs for p in s.parameters} == {"a.weight", "a.bias", "b.weight", "b.bias"}
    equal(piecewise(driver, values), module(x, y))


def test_the_main_graph_has_the_signature_of_the_whole() -> None:
    module, x, y = Two(), torch.randn(5, 3), torch.randn(4)
    graph, _ = capture(module, x, y)
    main = GraphDriver(graph.fuse_ops([cut(2)])).construct_main_graph()
    assert main.name == graph.name and main.arguments() == graph.arguments()
    assert [main.type_of(ref) for ref in main.outputs] == [graph.type_of(ref) for ref in graph.outputs]
    text = str(lower(main))
    assert main.lowered_by == {"part0": "func", "part1": "func"}
    assert text.count("func.func private @part") == 2 and text.count("call @part") == 2


def test_main_and_subgraphs_run_as_one_module() -> None:
    module, x, y = Two(), torch.randn(5, 3), torch.randn(4)
    graph, values = capture(module, x, y)
    driver = GraphDriver(graph.fuse_ops([cut(2, 4)]))
    main = driver.construct_main_graph()
    whole = ir.Module.parse(str(lower(main)), ir.Context())
    for call in [op for op in whole.body.operations if op.sym_name.value != main.name]:
        call.erase()
    with whole.context, ir.InsertionPoint(whole.body):
        for subgraph in driver.subgraphs:
            for op in ir.Module.parse(str(lower(subgraph))).body.operations:
                op.clone()
    expected = [array(e) for e in module(x, y)]
    results = [np.full_like(e, 7) for e in expected]
    Function(compile_module(whole), "forward")([array(values[Ref(name)]) for name in main.arguments()], results)
    equal([torch.from_numpy(r) for r in results], [torch.from_numpy(e) for e in expected])


def halves(x: Tensor, y: Tensor) -> Any:
    """Operators with several results, whose flat names must not be taken for each other."""
    a, b = x.split([2, 3], 1)
    c, d = y.split([1, 4], 1)
    return b * 2 + c, a, d - 1, c


@pytest.mark.parametrize("boundary", [0, 1, 2, 3])
def test_results_of_several_cross_groups(boundary: int) -> None:
    x, y = torch.randn(3, 5), torch.randn(3, 5)
    graph, values = capture(halves, x, y)
    driver = GraphDriver(graph.fuse_ops([cut(boundary)]) if boundary else graph)
    for subgraph in driver.subgraphs:
        assert len(set(subgraph.definitions())) == len(subgraph.arguments()) + len(subgraph.nodes)
    equal(piecewise(driver, values), halves(x, y))


def test_a_graph_without_groups_is_one_subgraph() -> None:
    graph, values = capture(lambda x: (x.exp(), (x + 1) * 2), torch.randn(3))
    driver = GraphDriver(graph)
    assert graph.groups == {"subgraph0": [node.name for node in graph.nodes]}
    assert [s.name for s in driver.subgraphs] == ["subgraph0"]
    x = values[Ref("args_0")]
    equal(piecewise(driver, values), [x.exp(), (x + 1) * 2])


def test_groups_that_are_not_consecutive() -> None:
    def function(x: Tensor) -> Any:
        a = x + 1
        b = x * 2
        return a.exp(), b.abs()

    def interleave(graph: Graph) -> None:
        names = [node.name for node in graph.nodes]
        graph.groups = {"even": names[::2], "odd": names[1::2]}

    x = torch.randn(4)
    graph, values = capture(function, x)
    assert len(graph.nodes) == 4
    equal(piecewise(GraphDriver(graph.fuse_ops([interleave])), values), function(x))


def operators(graph: Graph) -> list[str]:
    return [node.op for node in graph.nodes]


def test_what_does_nothing_goes() -> None:
    def function(x: Tensor) -> Any:
        same = x.clone().detach().to(torch.float32).view(2, 3).expand(2, 3)
        return same.clone() + x.view(3, 2).reshape(2, 3), x.clone()

    x = torch.randn(2, 3)
    graph, values = capture(function, x)
    assert operators(graph) == ["aten.view.default", "aten.view.default", "aten.add.Tensor"]
    assert graph.outputs[1] == Ref(graph.inputs[0].name)
    equal(run_graph(graph, [values[Ref(graph.inputs[0].name)]], list(function(x))), function(x))


def test_what_changes_something_stays() -> None:
    x = torch.randn(1, 3)
    graph, _ = capture(lambda x: (x.to(torch.int64), x.view(3), x.expand(2, 3)), x)
    assert operators(graph) == ["aten._to_copy.default", "aten.view.default", "aten.expand.default"]


def test_unused_nodes_go() -> None:
    def function(x: Tensor) -> Tensor:
        unused = (x * 3).exp()
        unused.sum()
        first, _second = x.split([1, 2], 0)
        assert x.shape[0] == 3
        return first + 1

    captured = by_export(Wrapped(function), (torch.randn(3),), {}, "forward")
    captured.graph.perform([drop_no_ops])
    assert operators(captured.graph) == ["aten.split_with_sizes.default", "aten.add.Tensor"]


def test_chains_of_copies_are_followed() -> None:
    captured = by_export(Wrapped(lambda x: x.clone().clone().clone() * 2), (torch.randn(3),), {}, "forward")
    graph = captured.graph.perform([drop_no_ops])
    assert operators(graph) == ["aten.mul.Tensor"]
    assert next(graph.nodes[0].refs()) == Ref(graph.inputs[0].name)
