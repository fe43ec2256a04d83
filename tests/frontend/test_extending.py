"""Operators and registries from outside the project, as a user adds them, and where an error in one points."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from frontend import DynamoCompiler
from frontend.ops.scalars import Scalar
from frontend.ops.values import elementwise, ranked
from frontend.registry import DECLINED, Registry
from passes.mlir import ir, tosa
from passes.pipelines import PipelineError

x = torch.randn(3, 4)


# A user's own operator, as torch.library defines one ...
@torch.library.custom_op("test_extending::scaled_square", mutates_args=())
def scaled_square(a: Tensor, scale: float) -> Tensor:
    return a * a * scale


@scaled_square.register_fake
def _(a: Tensor, scale: float) -> Tensor:
    return torch.empty_like(a)


# ... and its lowering, in a registry of the user's own.
mine = Registry("mine")


@mine.lowers("test_extending.scaled_square.default", dynamic=True)
def lower_scaled_square(out: ir.Type, a: ir.Value, scale: float) -> ir.Value:
    return elementwise(ranked(out), [a], lambda v: (Scalar(v) * Scalar(v) * scale).value)


def program(a: Tensor) -> Tensor:
    return scaled_square(a + 1, 3.0) * 2


def test_an_operator_of_the_users_own() -> None:
    run = DynamoCompiler(primary_registry=mine).compile(program, x)
    torch.testing.assert_close(run(x), program(x))


def test_each_node_tells_who_lowered_it() -> None:
    (graph,) = (DynamoCompiler(primary_registry=mine).importer_by_export(program, x)[0],)
    graph.lower_to_top_level_ir()
    assert graph.lowered_by == {"add": "tosa", "scaled_square": "mine", "mul": "tosa"}


def test_another_lowering_of_a_known_operator() -> None:
    """A primary registry is asked first, and may decline."""
    asked = []

    def multiply(out: ir.Type, self: ir.Value, other: Any) -> Any:
        asked.append(other)
        if not isinstance(other, ir.Value):
            return DECLINED
        return elementwise(ranked(out), [self, other], lambda a, b: (Scalar(a) * Scalar(b)).value)

    compiler = DynamoCompiler(primary_registry={"aten.mul.Tensor": multiply})
    graph = compiler.importer_by_export(lambda a: a * a * 2, x)[0]
    graph.lower_to_top_level_ir()
    assert graph.lowered_by == {"mul": "primary", "mul_1": "tosa"} and len(asked) == 2
    torch.testing.assert_close(compiler.dynamo_run()(x)[0], x * x * 2)


def test_preflight_lists_what_is_missing() -> None:
    (graph,) = (DynamoCompiler().importer_by_export(program, x)[0],)
    (missing,) = graph.preflight()
    assert missing.operator == "test_extending.scaled_square.default"
    assert missing.takes == ("3x4xf32",) and missing.gives == ("3x4xf32",)
    assert missing.source == f"tests/frontend/test_extending.py:{_line('return scaled_square(a + 1')}"
    assert DynamoCompiler(primary_registry=mine).importer_by_export(program, x)[0].preflight() == []


def test_an_error_of_the_midend_points_at_the_line_of_python() -> None:
    """An operation that no pass can turn into loops."""

    def opaque(out: ir.Type, a: ir.Value, scale: float) -> ir.Value:
        text = [ir.StringAttr.get(word) for word in ("scaled_square", "mine", "")]
        return tosa.CustomOp([out], *text, [a]).results[0]

    compiler = DynamoCompiler(primary_registry={"test_extending.scaled_square.default": opaque})
    with pytest.raises(PipelineError) as error:
        compiler.compile(program, x)
    assert re.search(rf"midend: .*test_extending\.py\W+{_line('return scaled_square(a + 1')}", str(error.value), re.S)
    assert "tosa.custom" in str(error.value)


def test_decompositions_of_the_users_own() -> None:
    """The caller's table comes first; what it leaves and no registry lowers is decomposed as without it."""

    def gelu(a: Tensor, approximate: str = "none") -> Tensor:
        return a.relu()

    compiler = DynamoCompiler(aot_autograd_decomposition={torch.ops.aten.gelu.default: gelu})
    run = compiler.compile(lambda a: torch.softmax(torch.nn.functional.gelu(a), -1), x)
    torch.testing.assert_close(run(x), torch.softmax(x.relu(), -1))


def _line(text: str) -> int:
    lines = Path(__file__).read_text().splitlines()
    (number,) = [i for i, line in enumerate(lines, 1) if line.strip().startswith(text)]
    return number
