"""Products with packed weights, against eager PyTorch: every edge of the panels and of the tiles."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from frontend import parameters
from frontend.capture import by_export
from frontend.graph import Graph, Parameter, TensorType
from frontend.prepare import prepare
from frontend.transforms.pack_linears import PANEL
from tests.compiled import array, run_graph


def run_subgraph(module: nn.Module, *inputs: Tensor) -> Graph:
    """`subgraph0` of `module`, run on the packed weights, equals `module`."""
    captured = by_export(module, inputs, {}, "forward")
    (subgraph,) = prepare(captured.graph).subgraphs
    given = dict(zip([p.name for p in captured.graph.parameters], captured.tensors, strict=True))
    given |= dict(zip([i.name for i in captured.graph.inputs], inputs, strict=True))
    weights = [torch.from_numpy(parameters.pack(array(given[p.name]), p)) for p in subgraph.parameters]
    with torch.no_grad():
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
    assert weight.panels == PANEL and weight.type.shape == (-(-n // PANEL), k, PANEL)


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
    assert (
        operators(subgraph) == ["sluice.linear"] and matrix.transposed and matrix.type.shape == (-(-columns // PANEL), 7, PANEL)
    )


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


def test_packing_is_exact() -> None:
    matrix = torch.randn(33, 3).numpy()
    for transposed, given in ((False, matrix), (True, matrix.T)):
        parameter = Parameter("w", TensorType((2, 3, PANEL), "f32"), "w", PANEL, transposed)
        packed = parameters.pack(given, parameter)
        assert packed.shape == (2, 3, PANEL)
        assert (packed.transpose(0, 2, 1).reshape(-1, 3)[:33] == matrix).all()
        assert not packed[1, :, 1:].any()
