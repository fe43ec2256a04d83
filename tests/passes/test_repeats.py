"""Heads of queries that share keys and values: the numbers, and that nothing is repeated in memory."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.export import Dim

from frontend import DynamoCompiler
from passes.mlir import ir
from passes.products import RIGHT, product_of
from passes.schedule import find_all
from tests.compiled import run_module, same
from tests.passes.test_moves import after


def attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    scores = query @ key.transpose(-1, -2) * query.shape[-1] ** -0.5
    return (torch.softmax(scores, -1) @ value).transpose(1, 2).flatten(2)


def grouped(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    times = query.shape[1] // key.shape[1]
    return attend(query, key.repeat_interleave(times, dim=1), value.repeat_interleave(times, dim=1))


def in_turn(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Queries take the keys in turn: the repetition is the slower of the two loops."""
    times = query.shape[1] // key.shape[1]
    return attend(query, key.repeat(1, times, 1, 1), value.repeat(1, times, 1, 1))


def computed(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Keys and values that are computed before they are repeated."""
    return grouped(query, torch.tanh(key) * key, value.exp())


def heads(batch: int, queries: int, keys: int, tokens: int, size: int) -> list[Tensor]:
    counts = queries, keys, keys
    return [torch.randn(batch, tokens, count, size).transpose(1, 2) for count in counts]


@pytest.mark.parametrize("function", [grouped, in_turn, computed])
@pytest.mark.parametrize(
    "sizes", [(1, 6, 2, 40, 16), (1, 6, 2, 7, 5), (2, 4, 2, 9, 8), (1, 4, 1, 33, 32), (1, 2, 2, 5, 4), (1, 8, 2, 1, 8)]
)
def test_shared_keys_and_values(function, sizes: tuple[int, int, int, int, int]) -> None:
    torch.manual_seed(0)
    same(function, *heads(*sizes))


@pytest.mark.parametrize("function", [grouped, in_turn, computed])
@pytest.mark.parametrize(("batch", "queries", "keys"), [(1, 6, 2), (2, 6, 2), (1, 4, 1), (2, 4, 1)])
def test_no_operand_of_a_product_is_repeated(function, batch: int, queries: int, keys: int) -> None:
    module = after("restore-products", function, *heads(batch, queries, keys, 40, 16))
    products = [product for op in find_all(module.operation, "linalg.generic") if (product := product_of(op))]
    assert [math.prod(product.shape(RIGHT)) for product in products] == [batch * keys * 40 * 16] * 2
    assert all(math.prod(product.extent(loop) for loop in product.outer) == batch * queries for product in products)


def test_a_number_of_queries_that_is_known_when_it_runs() -> None:
    tokens = Dim("tokens", min=2, max=64)
    examples = heads(1, 6, 2, 5, 8)
    compiled = DynamoCompiler().compile(grouped, *examples, dynamic_shapes=({2: tokens}, None, None))
    for count in (5, 9):
        query = torch.randn(1, 6, count, 8)
        torch.testing.assert_close(compiled(query, *examples[1:]), grouped(query, *examples[1:]))


def test_a_broadcast_number_of_rows_that_is_known_when_it_runs() -> None:
    def function(x: Tensor, y: Tensor) -> Tensor:
        return x @ y

    examples = torch.randn(2, 6, 4, 5), torch.randn(2, 1, 5, 7)
    compiled = DynamoCompiler().compile(function, *examples, dynamic_shapes=({2: Dim("rows", min=2, max=64)}, None))
    for rows in (4, 3, 17):
        x = torch.randn(2, 6, rows, 5)
        torch.testing.assert_close(compiled(x, examples[1]), function(x, examples[1]))


DIAGONAL = """
#in = affine_map<(a, b, k, n) -> (a, a, k, n)>
#out = affine_map<(a, b, k, n) -> (a, b, k, n)>
func.func @f(%x: tensor<6x4x5xf32>, %y: tensor<2x2x5x7xf32>) -> tensor<6x4x7xf32> {
  %zero = arith.constant 0.0 : f32
  %empty = tensor.empty() : tensor<2x3x5x7xf32>
  %wide = linalg.generic {indexing_maps = [#in, #out], iterator_types = ["parallel", "parallel", "parallel", "parallel"]}
      ins(%y : tensor<2x2x5x7xf32>) outs(%empty : tensor<2x3x5x7xf32>) {
  ^bb0(%a: f32, %b: f32):
    linalg.yield %a : f32
  } -> tensor<2x3x5x7xf32>
  %right = tensor.collapse_shape %wide [[0, 1], [2], [3]] : tensor<2x3x5x7xf32> into tensor<6x5x7xf32>
  %none = tensor.empty() : tensor<6x4x7xf32>
  %start = linalg.fill ins(%zero : f32) outs(%none : tensor<6x4x7xf32>) -> tensor<6x4x7xf32>
  %z = linalg.batch_matmul ins(%x, %right : tensor<6x4x5xf32>, tensor<6x5x7xf32>)
      outs(%start : tensor<6x4x7xf32>) -> tensor<6x4x7xf32>
  return %z : tensor<6x4x7xf32>
}
"""


def test_a_diagonal_that_is_repeated() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((6, 4, 5), np.float32), rng.standard_normal((2, 2, 5, 7), np.float32)
    (z,) = run_module(ir.Module.parse(DIAGONAL, ir.Context()), "f", [x, y], [np.full((6, 4, 7), np.nan, np.float32)])
    np.testing.assert_allclose(z, x @ np.stack([y[i // 3, i // 3] for i in range(6)]), rtol=1e-5, atol=1e-6)


SCALAR = """
#in = affine_map<(b, k, n) -> ()>
#out = affine_map<(b, k, n) -> (b, k, n)>
func.func @f(%x: tensor<6x4x5xf32>) -> tensor<6x4x7xf32> {
  %zero = arith.constant 0.0 : f32
  %two = arith.constant 2.0 : f32
  %empty = tensor.empty() : tensor<6x5x7xf32>
  %right = linalg.generic {indexing_maps = [#in, #out], iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%two : f32) outs(%empty : tensor<6x5x7xf32>) {
  ^bb0(%a: f32, %b: f32):
    linalg.yield %a : f32
  } -> tensor<6x5x7xf32>
  %none = tensor.empty() : tensor<6x4x7xf32>
  %start = linalg.fill ins(%zero : f32) outs(%none : tensor<6x4x7xf32>) -> tensor<6x4x7xf32>
  %z = linalg.batch_matmul ins(%x, %right : tensor<6x4x5xf32>, tensor<6x5x7xf32>)
      outs(%start : tensor<6x4x7xf32>) -> tensor<6x4x7xf32>
  return %z : tensor<6x4x7xf32>
}
"""


def test_a_number_that_fills_an_operand() -> None:
    x = np.random.default_rng(0).standard_normal((6, 4, 5), np.float32)
    (z,) = run_module(ir.Module.parse(SCALAR, ir.Context()), "f", [x], [np.full((6, 4, 7), np.nan, np.float32)])
    np.testing.assert_allclose(z, np.repeat(2 * x.sum(-1, keepdims=True), 7, -1), rtol=1e-5, atol=1e-5)


def test_scores_stay_within_the_loop_over_heads() -> None:
    """Products, and the softmax between them, share a loop: no tensor of all scores."""
    module = after("parallelize", grouped, *heads(1, 6, 2, 40, 64))
    inside = [op for loop in find_all(module.operation, "scf.forall") for op in find_all(loop, "linalg.generic")]
    assert sum(product_of(op) is not None for op in inside) == 2
    at_top = [op for op in find_all(module.operation, "linalg.generic") if op not in inside]
    assert [1, 6, 40, 40] not in [list(op.results[0].type.shape) for op in at_top]
    assert [2, 6, 40, 40] not in [list(op.results[0].type.shape) for op in at_top]
