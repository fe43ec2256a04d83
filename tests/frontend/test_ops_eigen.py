"""Eigenvalues, singular values and what is made of them, against PyTorch's own or by what defines them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from frontend.capture import by_export
from frontend.transforms.drop_no_ops import drop_no_ops
from tests.compiled import Wrapped, check, run_graph

linalg = torch.linalg
NUMBERS = [torch.float32, torch.float64, torch.complex64, torch.complex128]


def matrix(*shape: int, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.randn(*shape, dtype=dtype, generator=torch.Generator().manual_seed(sum(shape)))


def compiled(function: Callable[..., Any], *args: torch.Tensor) -> list[torch.Tensor]:
    expected = function(*args)
    graph = by_export(Wrapped(function), args, {}, "forward").graph.perform([drop_no_ops])
    return run_graph(graph, list(args), list(expected) if isinstance(expected, tuple) else [expected])


def close(actual: torch.Tensor, expected: torch.Tensor) -> None:
    single = actual.dtype in (torch.float32, torch.complex64)
    tolerance = 1e-4 if single else 1e-10
    torch.testing.assert_close(actual, expected.to(actual.dtype), rtol=tolerance, atol=tolerance)


def orthonormal(columns: torch.Tensor) -> None:
    close(columns.mH @ columns, torch.eye(columns.shape[-1]).expand(*columns.shape[:-2], -1, -1))


@pytest.mark.parametrize(("dtype", "uplo"), list(zip(NUMBERS, "LULU", strict=True)))
def test_hermitian_eigenvalues(dtype: torch.dtype, uplo: str) -> None:
    a = matrix(2, 6, 6, dtype=dtype)  # one triangle counts
    values, vectors = compiled(lambda a: linalg.eigh(a, uplo), a)
    close(values, linalg.eigvalsh(a, uplo))
    orthonormal(vectors)
    whole = a.tril() + a.tril(-1).mH if uplo == "L" else a.triu() + a.triu(1).mH
    if dtype.is_complex:
        whole.diagonal(0, -2, -1).imag.zero_()
    close(vectors * values.unsqueeze(-2), whole @ vectors)


@pytest.mark.parametrize("dtype", NUMBERS)
def test_eigenvalues(dtype: torch.dtype) -> None:
    a = matrix(2, 6, 6, dtype=dtype)
    values, vectors = compiled(linalg.eig, a)
    close(vectors * values.unsqueeze(-2), a.to(values.dtype) @ vectors)
    close(linalg.vector_norm(vectors, dim=-2), torch.ones(2, 6))
    close(values.prod(-1), linalg.det(a))
    gaps = (values.unsqueeze(-1) - linalg.eigvals(a).unsqueeze(-2)).abs()  # in any order
    close(gaps.amin(-1) + gaps.amin(-2), torch.zeros(2, 6))


@pytest.mark.parametrize(
    "rows",
    [
        [[0, 1, 0], [0, 0, 1], [1, 0, 0]],
        [[2, 0, 0], [1, 2, 0], [0, 1, 2]],
        [[0, 0], [0, 0]],
        [[1e200, 1e200], [-1e200, 1e200]],
        [[1e-200, 3e-200], [0, 5e-200]],
    ],
)
def test_eigenvalues_of_special_matrices(rows: list[list[float]]) -> None:
    a = torch.tensor(rows, dtype=torch.float64)
    values, vectors = compiled(linalg.eig, a)
    scale = max(a.abs().max().item(), 1e-300)
    close(vectors * (values / scale), (a / scale).to(values.dtype) @ vectors)
    symmetric = a / 2 + a.mT / 2
    close(compiled(linalg.eigvalsh, symmetric)[0] / scale, linalg.eigvalsh(symmetric) / scale)


def test_what_is_not_a_number_has_no_eigenvalues() -> None:
    assert compiled(linalg.eigvalsh, torch.eye(3))[0].tolist() == [1, 1, 1]
    graph = by_export(Wrapped(linalg.eigvalsh), (torch.eye(3),), {}, "forward").graph
    (values,) = run_graph(graph, [torch.full((3, 3), float("nan"))], [torch.zeros(3)])
    assert values.isnan().all()


@pytest.mark.parametrize(("dtype", "full"), list(zip(NUMBERS, [False, True, False, True], strict=True)))
@pytest.mark.parametrize("shape", [(2, 5, 3), (3, 5)])
def test_singular_values(dtype: torch.dtype, full: bool, shape: tuple[int, ...]) -> None:
    a = matrix(*shape, dtype=dtype)
    a[..., 2] = a[..., 0] * 2 - a[..., 1]  # zero is a singular value if a is high
    u, s, vh = compiled(lambda a: linalg.svd(a, full_matrices=full), a)
    close(s, linalg.svdvals(a))
    orthonormal(u)
    orthonormal(vh.mH)
    k = s.shape[-1]
    close((u[..., :k] * s.unsqueeze(-2)) @ vh[..., :k, :], a)


def test_singular_values_of_special_matrices() -> None:
    for a in (
        torch.zeros(3, 2),
        torch.diag(torch.tensor([1.0, -2, 0])),
        torch.ones(4, 4),
        torch.empty(0, 3),
        torch.eye(1) * -1,
    ):
        u, s, vh = compiled(lambda a: linalg.svd(a, full_matrices=False), a)
        close(s, linalg.svdvals(a))
        orthonormal(u)
        close((u * s) @ vh, a)


@pytest.mark.parametrize("hermitian", [False, True])
def test_pseudo_inverses(hermitian: bool) -> None:
    a = matrix(2, 4, 4)
    a = a + a.mT
    a[0, :, 0] = a[0, 0, :] = 0
    check(lambda a: linalg.pinv(a, hermitian=hermitian), a, rtol=1e-8, atol=1e-8)
    check(lambda a: linalg.pinv(a, atol=2.0, rtol=0.1, hermitian=hermitian), a, rtol=1e-8, atol=1e-8)
    check(lambda a: linalg.matrix_rank(a, hermitian=hermitian), a)


@pytest.mark.parametrize(("driver", "m"), [("gels", 2), ("gels", 5), ("gelsy", 3), ("gelsy", 5), ("gelsd", 5), ("gelss", 2)])
def test_least_squares(driver: str, m: int) -> None:
    check(lambda a, b: tuple(linalg.lstsq(a, b, driver=driver)), matrix(2, m, 3), matrix(2, m, 2), rtol=1e-8, atol=1e-8)


def test_least_squares_of_lower_rank() -> None:
    a, b = torch.ones(4, 3, dtype=torch.float64), matrix(4)
    check(lambda a, b: tuple(linalg.lstsq(a, b)[:3:2]), a, b, rtol=1e-8, atol=1e-8)
    wide = matrix(3, 2) @ matrix(2, 4)
    check(lambda a, b: linalg.lstsq(a, b.reshape(3, 1)).solution, wide, matrix(3), rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize(("dtype", "hermitian"), list(zip(NUMBERS, [False, True, False, True], strict=True)))
def test_symmetric_factors(dtype: torch.dtype, hermitian: bool) -> None:
    a = matrix(3, 6, 6, dtype=dtype)
    a = a + (a.mH if hermitian else a.mT)
    a[1].diagonal().zero_()
    a[2, :, 0] = a[2, 0, :] = 0
    tolerance = 1e-4 if dtype in NUMBERS[::2] else 1e-10
    check(lambda a: linalg.ldl_factor_ex(a, hermitian=hermitian), a, rtol=tolerance, atol=tolerance)
    factor, pivots, _ = linalg.ldl_factor_ex(a[:2], hermitian=hermitian)
    b = matrix(6, 2, dtype=dtype)
    check(lambda *args: linalg.ldl_solve(*args, hermitian=hermitian), factor, pivots, b, rtol=tolerance, atol=tolerance)


def test_exponentials() -> None:
    a = matrix(3, 5, 5) * torch.tensor([0.0, 1, 6]).reshape(3, 1, 1)
    check(torch.matrix_exp, a, rtol=1e-8, atol=1e-8)
    check(torch.matrix_exp, matrix(2, 2, dtype=torch.complex64), rtol=1e-4, atol=1e-4)
    single = matrix(6, 5, 5, dtype=torch.float32) * torch.tensor([0, 1e-5, 1, 9, 40, 1]).reshape(6, 1, 1)
    single[5, 1, 2] = float("inf")
    check(torch.matrix_exp, single, rtol=1.3e-6, atol=1e-5)  # rounded as PyTorch rounds it


def test_covariances() -> None:
    weights = torch.tensor([1, 0, 2, 3, 1])
    check(
        lambda x, w: (torch.cov(x, fweights=w, aweights=w.double() / 2, correction=2), torch.cov(x[0])), matrix(3, 5), weights
    )
    check(torch.corrcoef, matrix(3, 5, dtype=torch.complex128))
    check(torch.cov, torch.randint(9, (2, 4)))


def test_a_builtin_that_tells_no_signature_is_captured() -> None:
    a = matrix(3, 3)
    graph = by_export(linalg.eigvalsh, (a,), {}, "forward").graph
    close(run_graph(graph, [a], [a[0]])[0], linalg.eigvalsh(a))
