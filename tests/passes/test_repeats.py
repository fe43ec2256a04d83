"""Heads of queries that share keys and values: the numbers, and that nothing is repeated in memory."""

import math

import pytest
import torch
from torch import Tensor

from passes.products import RIGHT, product_of
from passes.schedule import find_all
from tests.compiled import same
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
def test_no_operand_of_a_product_is_repeated(function) -> None:
    module = after("restore-products", function, *heads(1, 6, 2, 40, 16))
    products = [product for op in find_all(module.operation, "linalg.generic") if (product := product_of(op))]
    assert [math.prod(product.shape(RIGHT)) for product in products] == [2 * 40 * 16] * 2
    assert all(len(product.outer) == 2 for product in products)


def test_scores_stay_within_the_loop_over_heads() -> None:
    """Products, and the softmax between them, share a loop: no tensor of all scores."""
    module = after("parallelize", grouped, *heads(1, 6, 2, 40, 64))
    inside = [op for loop in find_all(module.operation, "scf.forall") for op in find_all(loop, "linalg.generic")]
    assert sum(product_of(op) is not None for op in inside) == 2
    at_top = [op for op in find_all(module.operation, "linalg.generic") if op not in inside]
    assert [1, 6, 40, 40] not in [list(op.results[0].type.shape) for op in at_top]
    assert [2, 6, 40, 40] not in [list(op.results[0].type.shape) for op in at_top]
