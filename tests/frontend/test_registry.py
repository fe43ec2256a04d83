"""Registries: who is asked, who answered, and what is said when nobody does or somebody gets it wrong."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
import torch

from frontend import LoweringError, MissingLowerings
from frontend.graph import Graph, Input, Node, Ref, Source, TensorType
from frontend.lower import REGISTRIES, lower, order, preflight
from frontend.ops import linalg, tosa
from frontend.registry import DECLINED, Registry, find, nearest
from passes.mlir import arith
from tests.compiled import run_graph

PAIR = TensorType((2,), "f32")


def graph_of(*operators: str, type_: TensorType = PAIR) -> Graph:
    """A chain of operators of two arguments, x and what came before."""
    graph = Graph("forward", inputs=[Input("x", type_)])
    for index, operator in enumerate(operators):
        args = {"self": graph.outputs[0] if index else Ref("x"), "other": Ref("x")}
        graph.nodes.append(Node(f"n{index}", operator, args, (type_,), Source("model/some.py", 10 + index, "forward")))
        graph.outputs = [Ref(f"n{index}")]
    return graph


def test_a_second_registration_names_both() -> None:
    registry = Registry("tosa")

    @registry.lowers("aten.one.default", "aten.two.default")
    def first(out: Any, self: Any) -> Any:
        return self

    def second(out: Any, self: Any) -> Any:
        return self

    here = f"{__name__}.test_a_second_registration_names_both.<locals>"
    expected = f"aten.two.default is already lowered to tosa by {here}.first; delete that or {here}.second"
    with pytest.raises(ValueError, match=re.escape(expected)):
        registry.lowers("aten.two.default")(second)
    assert registry["aten.two.default"] is first
    registry.lowers("aten.two.default")(first)


def test_the_primary_is_asked_first() -> None:
    assert [registry.dialect for registry in REGISTRIES] == ["tosa", "linalg", "math", "scf", "func"]
    assert [registry.dialect for registry in order(linalg.ops_registry)] == ["linalg", "tosa", "math", "scf", "func"]
    assert [name for name, _ in find(REGISTRIES, "aten.add.Tensor")] == ["tosa", "linalg"]


@pytest.mark.parametrize(("dtype", "answered"), [("f32", "tosa"), ("i64", "linalg")])
def test_who_lowered_a_node_is_recorded(dtype: str, answered: str) -> None:
    graph = graph_of(
        "aten.add.Tensor", "aten.atan2.default" if dtype == "f32" else "aten.mul.Tensor", type_=TensorType((2,), dtype)
    )
    lower(graph)
    assert graph.lowered_by == {"n0": answered, "n1": "math" if dtype == "f32" else "linalg"}


def test_another_primary_gives_another_module_and_the_same_numbers() -> None:
    graph, x = graph_of("aten.add.Tensor", "aten.mul.Tensor"), torch.randn(2)
    text = str(lower(graph, order(linalg.ops_registry)))
    assert graph.lowered_by == {"n0": "linalg", "n1": "linalg"} and "tosa" not in text
    assert "tosa.add" in str(lower(graph, order(tosa.ops_registry)))
    torch.testing.assert_close(run_graph(graph, [x], [x])[0], (x + x) * x)


def test_a_declined_operator_goes_to_the_next_registry() -> None:
    asked = []
    registries = []
    for dialect, answer in (("first", False), ("second", False), ("third", True), ("fourth", True)):
        registry = Registry(dialect)

        @registry.lowers("aten.some.default")
        def some(out: Any, self: Any, other: Any, dialect: str = dialect, answer: bool = answer) -> Any:
            asked.append(dialect)
            return arith.addf(self, other) if answer else DECLINED

        registries.append(registry)
    graph = graph_of("aten.some.default")
    lower(graph, registries)
    assert asked == ["first", "second", "third"] and graph.lowered_by == {"n0": "third"}


def test_every_missing_lowering_is_listed_at_once() -> None:
    graph = graph_of("aten.ad.Tensor", "aten.mul.Tensor", "zzz.unheard.of")
    with pytest.raises(MissingLowerings) as error:
        lower(graph)
    assert str(error.value).splitlines() == [
        "no lowering for 2 node(s):",
        "  n0: aten.ad.Tensor (2xf32, 2xf32) -> 2xf32 at model/some.py:10; nearest known: aten.add.Tensor",
        "  n2: zzz.unheard.of (2xf32, 2xf32) -> 2xf32 at model/some.py:12",
        "add a row or a function to one of frontend/ops/tosa, frontend/ops/linalg, frontend/ops/math, frontend/ops/scf, "
        "or a decomposition to frontend/capture/decompositions",
    ]
    assert [m.node for m in preflight(graph)] == ["n0", "n2"]


def test_every_declined_node_is_listed_too() -> None:
    graph = graph_of("aten.atan2.default", "aten.add.Tensor", "aten.atan2.default", type_=TensorType((2, 3), "i64"))
    with pytest.raises(MissingLowerings) as error:
        lower(graph)
    row = "  {}: aten.atan2.default (2x3xi64, 2x3xi64) -> 2x3xi64 at model/some.py:{}; lowered by math, but not for these types"
    rows = [row.format("n0", 10), row.format("n2", 12)]
    assert str(error.value).splitlines()[:3] == ["no lowering for 2 node(s):", *rows]


def test_the_nearest_operator() -> None:
    assert nearest(REGISTRIES, "aten.logical_nor.default") == "aten.logical_or.default"
    assert nearest(REGISTRIES, "prims.unheard") is None


def divides(out: Any, **_: Any) -> Any:
    return 1 // 0


def wrong_type(out: Any, self: Any, other: Any) -> Any:
    return arith.cmpf(arith.CmpFPredicate.OEQ, self, other)


def nothing(out: Any, **_: Any) -> Any:
    return None


def two_results(out: Any, self: Any, other: Any) -> Any:
    return [self, other]


@pytest.mark.parametrize(
    ("lowering", "complaint"),
    [
        (divides, "its odd lowering failed: ZeroDivisionError: integer division or modulo by zero"),
        (lambda out, other: other, "its odd lowering failed: TypeError: "),
        (wrong_type, "its odd lowering gave tensor<2xi1>, expected tensor<2xf32>"),
        (nothing, "its odd lowering gave None, expected tensor<2xf32>"),
        (two_results, "its odd lowering gave tensor<2xf32>, tensor<2xf32>, expected tensor<2xf32>"),
    ],
)
def test_a_lowering_that_is_wrong_is_named(lowering: Callable[..., Any], complaint: str) -> None:
    registry = Registry("odd")
    registry.lowers("aten.some.default")(lowering)
    with pytest.raises(LoweringError, match=re.escape(f"n0 (aten.some.default) at model/some.py:10: {complaint}")):
        lower(graph_of("aten.some.default"), registries=[registry])


def test_a_lowering_that_makes_an_invalid_operation_is_named() -> None:
    registry = Registry("odd")

    @registry.lowers("aten.some.default")
    def unequal(out: Any, self: Any, other: Any) -> Any:
        return tosa.tosa.TransposeOp(out, self, [0, 1]).result

    with pytest.raises(
        LoweringError, match=r'forward: a lowering made an operation that is not valid: (.|\n)*"n0"\("model/some.py":10'
    ):
        lower(graph_of("aten.some.default"), registries=[registry])


def test_results_without_elements_need_no_computing() -> None:
    graph = graph_of("aten.atan2.default", type_=TensorType((0, 2), "i64"))
    lower(graph)
    assert graph.lowered_by == {"n0": "tensor"}
    assert not preflight(graph_of("aten.unheard.of", type_=TensorType((0, 2), "f32")))
