"""Results that are as long as the data say."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from frontend import DynamoCompiler
from frontend.results import UnboundedSize
from tests.compiled import same

x = torch.randn(3, 4)
FUNCTIONS: dict[str, Any] = {
    "nonzero": lambda a: torch.nonzero(a > 0),
    "argwhere": lambda a: torch.argwhere(a.long()),
    "masked_select": lambda a: torch.masked_select(a, a[0] > 0),
    "of complex": lambda a: torch.nonzero(torch.complex(a.floor(), a.ceil())),
    "broadcast": lambda a: torch.masked_select(a[0], a > 0),
    "of one": lambda a: torch.masked_select(a[0, 0], a[0, 1] > 0),
    "of nothing": lambda a: torch.nonzero(a[:0]),
    "mask": lambda a: a[a > 0] * 2 + 1,
    "masks of rows": lambda a: a[(a > 0).any(1), 1:3],
    "beside an index": lambda a: a[torch.tensor([0]), a[0] > 0],
    "two": lambda a: (a[a > 0], a.sum(0), a[a < 0], torch.nonzero(a > 0)),
}
INPUTS = {"some": x, "none": -x.abs(), "all": x.abs(), "other": torch.randn(3, 4) * 3}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_one_code_for_every_length(name: str) -> None:
    run = DynamoCompiler().compile(FUNCTIONS[name], x)
    for given in INPUTS.values():
        torch.testing.assert_close(run(given), FUNCTIONS[name](given))


def test_a_length_without_bound() -> None:
    def positive(a: Tensor) -> Tensor:
        return a[a > 0]

    with pytest.raises(
        UnboundedSize, match=r"'forward' returns a tensor of size u0, which only the data tell, and nothing bounds it"
    ):
        DynamoCompiler().compile(positive, x, dynamic_shapes={"a": {0: torch.export.Dim("n")}})


SEQUENCE = torch.tensor([3.0, 1, float("nan"), 1, 3, 3, float("nan"), 0])
ROWS = torch.tensor([[[1, 2], [0, 2], [1, 2], [0, 2]], [[0, 1], [0, 1], [0, 1], [0, 0]]])


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x.unique(return_inverse=True, return_counts=True),
        lambda x: x.unique_consecutive(return_inverse=True, return_counts=True),
        lambda x: x.unique() * 2,
    ],
)
def test_what_occurs(function: Callable[[Tensor], Any]) -> None:
    for x in (SEQUENCE, ROWS, ROWS > 0, torch.empty(0), torch.tensor(7)):
        same(function, x)


@pytest.mark.parametrize("dim", [0, 1, -1])
def test_slices_that_occur(dim: int) -> None:
    same(lambda x: x.unique(dim=dim, return_inverse=True, return_counts=True), ROWS)
    same(lambda x: x.unique_consecutive(dim=dim % 3, return_inverse=True, return_counts=True), ROWS)


def test_combinations_are_as_many_as_there_are() -> None:
    same(lambda x: (torch.combinations(x), torch.combinations(x, 3, True), torch.combinations(x, 9)), SEQUENCE)
