"""Products with packed weights, against eager PyTorch: every edge of the panels and of the tiles."""

from __future__ import annotations

import copy
import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from frontend import DynamoCompiler, parameters
from frontend.capture import by_export
from frontend.graph import Graph, Panels, Parameter, TensorType
from frontend.prepare import prepare
from frontend.transforms.pack_linears import FORMATS
from tests.compiled import array, run_graph


def run_subgraph(module: nn.Module, *inputs: Tensor, dtype: str = "f32") -> Graph:
    """`subgraph0` of `module`, run on the packed weights, equals `module`, whose own weights are then those of the dtype."""
    captured = by_export(module, inputs, {}, "forward")
    (subgraph,) = prepare(replace(captured.graph), dtype).subgraphs
    given = dict(zip([p.name for p in captured.graph.parameters], captured.tensors, strict=True))
    given |= dict(zip([i.name for i in captured.graph.inputs], inputs, strict=True))
    arrays = {name: array(tensor) for name, tensor in given.items()}
    weights = [torch.from_numpy(parameters.stored(p, arrays)) for p in subgraph.parameters]
    with torch.no_grad():
        for p in (part for whole in subgraph.parameters for part in whole.whole()):
            if p.panels and p.type.dtype == "i8":
                given[p.name].copy_(torch.from_numpy(parameters.dequantized(array(given[p.name]), p.panels)))
        expected = module(*inputs)
    expected = list(expected) if isinstance(expected, tuple) else [expected]
    expected = [e for e, ref in zip(expected, captured.graph.outputs, strict=True) if ref in subgraph.outputs]
    actual = run_graph(subgraph, [*weights, *[given[i.name] for i in subgraph.inputs]], expected)
    for a, e in zip(actual, expected, strict=True):
        torch.testing.assert_close(a, e, rtol=1e-5, atol=1e-5 if inputs[0].shape[-1] < 100 else 1e-4)
    return subgraph


def operators(graph: Graph) -> list[str]:
    return [node.op for node in graph.nodes]


# Each n with each m at a middling k, each k at the sizes that split into the most edges, and k blocked.
SIZES = [
    *itertools.product((1, 5, 32, 33, 64, 70), (1, 3, 13, 40), (7,)),
    *itertools.product((1, 33, 64), (1, 13), (1, 2)),
    *itertools.product((5, 32, 70), (1, 40), (2560,)),
]


@pytest.mark.parametrize(("n", "m", "k"), SIZES)
def test_linear(n: int, m: int, k: int) -> None:
    linear = nn.Linear(k, n)
    subgraph = run_subgraph(linear, torch.randn(m, k))
    assert operators(subgraph) == ["sluice.linear"]
    (weight,) = [p for p in subgraph.parameters if p.source == "weight"]
    assert weight.panels == Panels(32) and weight.type.shape == (-(-n // 32), k, 32)


@pytest.mark.parametrize(("n", "m", "k"), [(1, 1, 1), (5, 3, 7), (33, 40, 2), (64, 13, 7), (70, 1, 2560)])
def test_linear_without_bias(n: int, m: int, k: int) -> None:
    subgraph = run_subgraph(nn.Linear(k, n, bias=False), torch.randn(m, k))
    assert operators(subgraph) == ["sluice.linear"] and subgraph.nodes[0].args["bias"] is None


class Matrix(nn.Module):
    """A matrix that a subclass uses."""

    def __init__(self, rows: int = 7, columns: int = 40) -> None:
        super().__init__()
        self.matrix = nn.Parameter(torch.randn(rows, columns))


class FromTheRight(Matrix):
    def forward(self, x: Tensor) -> Any:
        return x @ self.matrix


@pytest.mark.parametrize("columns", [1, 32, 40])
def test_matrix_that_is_not_transposed(columns: int) -> None:
    subgraph = run_subgraph(FromTheRight(7, columns), torch.randn(5, 7))
    (matrix,) = subgraph.parameters
    assert operators(subgraph) == ["sluice.linear"]
    assert matrix.panels == Panels(32, transposed=True) and matrix.type.shape == (-(-columns // 32), 7, 32)


class Batched(Matrix):
    def forward(self, x: Tensor) -> Any:
        return nn.functional.linear(x, self.matrix)


def test_batches_are_rows() -> None:
    assert "sluice.linear" in operators(run_subgraph(Batched(), torch.randn(2, 3, 40)))


class Twice(Matrix):
    def forward(self, x: Tensor) -> Any:
        return x @ self.matrix, (x + 1) @ self.matrix


class AlsoAdded(Matrix):
    def forward(self, x: Tensor) -> Any:
        return x @ self.matrix, self.matrix + 1


class FromTheLeft(Matrix):
    def forward(self, x: Tensor) -> Any:
        return self.matrix @ x.T


class BothSides(Matrix):
    def forward(self, x: Tensor) -> Any:
        return x @ (self.matrix @ self.matrix.T)


class Returned(Matrix):
    def forward(self, x: Tensor) -> Any:
        return x @ self.matrix, self.matrix


class TransposedTwice(Matrix):
    def forward(self, x: Tensor) -> Any:
        return x @ self.matrix.T.T, self.matrix.T


@pytest.mark.parametrize(
    ("module", "x"),
    [
        (Twice(), torch.randn(3, 7)),
        (AlsoAdded(), torch.randn(3, 7)),
        (FromTheLeft(7, 40), torch.randn(3, 40)),
        (BothSides(), torch.randn(3, 7)),
        (Returned(), torch.randn(3, 7)),
        (TransposedTwice(), torch.randn(3, 7)),
        (FromTheRight().double(), torch.randn(3, 7, dtype=torch.float64)),
        (FromTheRight().half(), torch.randn(3, 7, dtype=torch.float16)),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else "",
)
def test_what_is_not_packed(module: nn.Module, x: Tensor) -> None:
    subgraph = run_subgraph(module, x)
    assert "sluice.linear" not in operators(subgraph)
    assert all(not p.panels for p in subgraph.parameters)


class OneBias(Matrix):
    def forward(self, x: Tensor, bias: Tensor) -> Any:
        return torch.addmm(bias, x, self.matrix)


@pytest.mark.parametrize("shape", [(5, 40), (5, 1), (1, 40), (1,)], ids=str)
def test_a_bias_that_is_not_a_vector_of_the_columns(shape: tuple[int, ...]) -> None:
    subgraph = run_subgraph(OneBias(), torch.randn(5, 7), torch.randn(shape))
    assert operators(subgraph) == ["aten.addmm.default"]


def test_one_column_has_a_bias_of_one() -> None:
    assert operators(run_subgraph(OneBias(7, 1), torch.randn(5, 7), torch.randn(1))) == ["sluice.linear"]


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize(("dtype", "shape"), [("f32", (2, 3, 32)), ("bf16", (2, 2, 32, 2))])
def test_packing_is_exact(dtype: str, shape: tuple[int, ...], transposed: bool) -> None:
    matrix = torch.randn(33, 3).numpy()
    panels = replace(FORMATS[dtype], transposed=transposed)
    packed = parameters.pack(matrix.T if transposed else matrix, Parameter("w", TensorType(shape, dtype), "w", panels))
    assert packed.shape == shape == panels.shape(33, 3)
    rows = packed.reshape(2, -1, 32, panels.steps).transpose(0, 2, 1, 3).reshape(64, -1)
    assert (rows[:33, :3] == matrix).all() and not rows[33:].any() and not rows[:, 3:].any()


# Every edge of the panels and of the pairs that the sum goes in.
PAIRS = [*itertools.product((1, 5, 32, 70), (1, 3, 13, 40), (1, 2, 7, 64)), (33, 40, 2561)]


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize(("n", "m", "k"), PAIRS)
def test_bf16_is_summed_in_f32_and_rounded_once(n: int, m: int, k: int, bias: bool) -> None:
    linear, x = nn.Linear(k, n, bias=bias).bfloat16(), torch.randn(m, k).bfloat16()
    with torch.no_grad():
        actual, exact = DynamoCompiler().compile(linear, x)(x), copy.deepcopy(linear).double()(x.double())
    assert actual.dtype is torch.bfloat16
    largest = exact.abs().max().item()
    torch.testing.assert_close(actual.double(), exact, rtol=2**-8, atol=1e-6 * largest)
    assert (actual.double() - exact).norm() < 1.1 * (exact.bfloat16().double() - exact).norm() + 1e-6 * largest


def test_bf16_rows_of_any_number() -> None:
    linear, shapes = nn.Linear(7, 40).bfloat16(), {"input": {0: torch.export.Dim("rows", min=2, max=99)}}
    run = DynamoCompiler().compile(linear, torch.randn(5, 7).bfloat16(), dynamic_shapes=shapes)
    for rows in (2, 13):
        x = torch.randn(rows, 7).bfloat16()
        torch.testing.assert_close(run(x).double(), copy.deepcopy(linear).double()(x.double()), rtol=2**-8, atol=1e-5)


def test_bf16_linears_are_packed_in_pairs() -> None:
    graph = by_export(nn.Linear(7, 40).bfloat16(), (torch.randn(3, 7).bfloat16(),), {}, "forward").graph
    (subgraph,) = prepare(graph).subgraphs
    weight = next(p for p in subgraph.parameters if p.source == "weight")
    assert weight.panels == Panels(32, steps=2) and str(weight.type) == "2x4x32x2xbf16"


def test_bf16_products_without_weights_are_summed_in_f32() -> None:
    x, y = torch.randn(3, 5, 300).bfloat16(), torch.randn(3, 300, 9).bfloat16()
    exact = x.double() @ y.double()
    actual = DynamoCompiler().compile(torch.bmm, x, y)(x, y)
    torch.testing.assert_close(actual.double(), exact, rtol=2**-8, atol=1e-5)


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize(("n", "m", "k"), [(1, 1, 1), (5, 3, 7), (33, 40, 2), (64, 13, 7), (70, 1, 2560), (70, 40, 64)])
def test_8_bit_weights(n: int, m: int, k: int, bias: bool) -> None:
    subgraph = run_subgraph(nn.Linear(k, n, bias=bias), torch.randn(m, k), dtype="w8")
    types = [str(p.type) for p in subgraph.parameters if p.panels]
    assert types == [f"{-(-n // 32)}x{k}x32xi8", f"{n}xf32"]
    assert subgraph.nodes[0].args["scale"] is not None


def test_8_bit_weights_that_are_not_transposed() -> None:
    subgraph = run_subgraph(FromTheRight(7, 40), torch.randn(5, 7), dtype="w8")
    assert [str(p.type) for p in subgraph.parameters] == ["2x7x32xi8", "40xf32"]


def test_quantization_takes_the_nearest_of_255_numbers_a_row() -> None:
    matrix = torch.randn(6, 50).numpy() * 10.0 ** np.arange(-3, 3, dtype=np.float32)[:, None]
    matrix[2], matrix[3, 5] = 0, -1e6
    numbers, scales = parameters.quantized(matrix)
    assert (
        numbers.dtype == np.int8
        and scales.dtype == np.float32
        and np.abs(numbers).max(axis=1).tolist() == [127, 127, 0, *[127] * 3]
    )
    assert numbers[3, 5] == -127 and scales[2] == 0
    assert (np.abs(matrix - numbers * scales[:, None]) <= 0.5001 * scales[:, None]).all()
    panels = Panels(32, transposed=True)
    assert (parameters.dequantized(matrix.T, panels) == (numbers * scales[:, None]).T).all()


def test_what_is_not_a_packed_weight_keeps_its_numbers() -> None:
    subgraph = run_subgraph(Twice(), torch.randn(3, 7), dtype="w8")
    assert [str(p.type) for p in subgraph.parameters] == ["7x40xf32"]
