"""Factorisations and what is made of them, against PyTorch's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from tests.compiled import check

linalg = torch.linalg
REAL = [torch.float32, torch.float64]
NUMBERS = [*REAL, torch.complex64, torch.complex128]


def matrix(*shape: int, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.randn(*shape, dtype=dtype, generator=torch.Generator().manual_seed(sum(shape)))


def positive(*shape: int, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    a = matrix(*shape, dtype=dtype)
    return a @ a.mH + torch.eye(shape[-1], dtype=dtype)


def agree(function: Callable[..., Any], *args: torch.Tensor) -> None:
    single = args[0].dtype in (torch.float32, torch.complex64)
    check(function, *args, rtol=1e-4 if single else 1e-10, atol=1e-4 if single else 1e-10)


@pytest.mark.parametrize("dtype", NUMBERS)
def test_element_types(dtype: torch.dtype) -> None:
    a, b = matrix(2, 5, 3, dtype=dtype), matrix(5, 4, dtype=dtype)
    agree(lambda a: (*linalg.lu_factor_ex(a), *torch.geqrf(a)), a)
    agree(linalg.cholesky_ex, positive(2, 4, 4, dtype=dtype))
    agree(lambda a, b: linalg.solve_triangular(a, b, upper=True), positive(2, 5, 5, dtype=dtype), b)


@pytest.mark.parametrize("shape", [(1, 1), (3, 7), (2, 2, 4, 3), (0, 3), (3, 0), (0, 2, 2)])
def test_shapes(shape: tuple[int, ...]) -> None:
    agree(lambda a: (*linalg.lu_factor_ex(a), *linalg.lu(a)), matrix(*shape))
    agree(lambda a: (*linalg.qr(a), *linalg.qr(a, mode="complete"), linalg.qr(a, mode="r").R), matrix(*shape))


def test_a_singular_matrix_names_its_first_zero_pivot() -> None:
    a = torch.tensor([[1.0, 2, 3], [2, 4, 6], [0, 0, 0]]).repeat(2, 1, 1)
    a[1] = torch.tensor([[0.0, 1, 2], [0, 3, 4], [0, 5, 6]])
    agree(linalg.lu_factor_ex, a)
    check(lambda a: linalg.cholesky_ex(a).info, torch.stack([torch.diag(torch.tensor([1.0, -1, 1])), torch.eye(3)]))
    check(lambda a: linalg.cholesky_ex(a).info, torch.full((2, 2), float("nan")))


def test_the_first_of_equal_pivots_is_taken() -> None:
    agree(linalg.lu_factor_ex, torch.tensor([[1.0, 2, 5], [-1, 3, 1], [1, -1, 4]]))


@pytest.mark.parametrize("upper", [False, True])
def test_only_one_triangle_is_read(upper: bool) -> None:
    a = positive(3, 3)
    rest = torch.full((3, 3), float("nan"), dtype=torch.float64)
    a = a + (rest.tril(-1) if upper else rest.triu(1)).nan_to_num(7.0)
    agree(lambda a: linalg.cholesky_ex(a, upper=upper), a)
    agree(lambda a: linalg.solve_triangular(a, a, upper=upper, unitriangular=True), a)


@pytest.mark.parametrize("left", [False, True])
def test_solutions(left: bool) -> None:
    a, b = matrix(2, 1, 3, 3), matrix(4, 3, 3)
    agree(lambda a, b: linalg.solve_ex(a, b, left=left)[0], a, b)
    agree(lambda a, b: linalg.solve_triangular(a, b, upper=False, left=left), a, b)
    agree(lambda a, b: torch.ormqr(*torch.geqrf(a), b, left=left, transpose=not left), matrix(3, 2), matrix(3, 3))
    agree(lambda a, b: linalg.lu_solve(*linalg.lu_factor_ex(a)[:2], b, left=left, adjoint=left), a, b)


def test_a_vector_is_solved_for() -> None:
    agree(lambda a, b: linalg.solve_ex(a, b)[0], matrix(2, 3, 3), matrix(2, 3))
    agree(linalg.inv, matrix(2, 3, 3))


def test_a_column_that_is_zero_already_is_not_reflected() -> None:
    agree(torch.geqrf, torch.tensor([[-2.0, 1], [0, 0], [0, 0]]))
    agree(torch.geqrf, torch.tensor([[1e200, 1], [1e200, 3]], dtype=torch.float64))


def test_positions_of_a_large_identity_are_counted_in_16_bits() -> None:
    check(lambda x: torch.eye(300, dtype=x.dtype) - x, matrix(300, 1))
