"""Linear algebra in terms of the few factorisations that have kernels: LU, Cholesky, QR, SVD, eigenvalues, triangular systems.

A rule that is only for some arguments leaves the others alone by NotImplemented.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

aten = torch.ops.aten

TABLE: dict[Any, Callable[..., Any]] = {}

_Rule = Callable[..., Any]


def _decomposes(*operators: Any) -> Callable[[_Rule], _Rule]:
    def keep(rule: _Rule) -> _Rule:
        TABLE.update(dict.fromkeys(operators, rule))
        return rule

    return keep


def _identity(like: Tensor, rows: int, columns: int) -> Tensor:
    """The identity for each matrix of a batch."""
    eye = torch.eye(rows, columns, dtype=like.dtype, device=like.device)
    return eye.expand(*like.shape[:-2], rows, columns)


def _adjoint(a: Tensor) -> Tensor:
    """The conjugate transpose, as memory."""
    return a.mT.conj_physical() if a.is_complex() else a.mT


# Triangular systems


@_decomposes(aten.linalg_solve_triangular.default)
def solve_triangular(a: Tensor, b: Tensor, *, upper: bool, left: bool = True, unitriangular: bool = False) -> Any:
    if left:
        return NotImplemented
    return torch.linalg.solve_triangular(a.mT, b.mT, upper=not upper, unitriangular=unitriangular).mT


@_decomposes(aten.triangular_solve.default)
def triangular_solve(
    b: Tensor, a: Tensor, upper: bool = True, transpose: bool = False, unitriangular: bool = False
) -> tuple[Tensor, Tensor]:
    batch = torch.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    solved = torch.linalg.solve_triangular(
        a.mT if transpose else a, b, upper=upper is not transpose, unitriangular=unitriangular
    )
    return solved, a.expand(*batch, *a.shape[-2:]).clone()


@_decomposes(aten.linalg_cholesky_ex.default)
def cholesky_ex(a: Tensor, *, upper: bool = False, check_errors: bool = False) -> Any:
    if not upper:
        return NotImplemented
    factor, info = torch.linalg.cholesky_ex(_adjoint(a))
    return _adjoint(factor), info


@_decomposes(aten.cholesky.default)
def cholesky(a: Tensor, upper: bool = False) -> Tensor:
    return torch.linalg.cholesky_ex(a, upper=upper).L


@_decomposes(aten.cholesky_solve.default)
def cholesky_solve(b: Tensor, factor: Tensor, upper: bool = False) -> Tensor:
    lower = _adjoint(factor) if upper else factor
    half = torch.linalg.solve_triangular(lower, b, upper=False)
    return torch.linalg.solve_triangular(_adjoint(lower), half, upper=True)


@_decomposes(aten.cholesky_inverse.default)
def cholesky_inverse(factor: Tensor, upper: bool = False) -> Tensor:
    return torch.cholesky_solve(_identity(factor, *factor.shape[-2:]), factor, upper)


# LU


def _factored(a: Tensor) -> tuple[Tensor, Tensor, Tensor, bool]:
    """LU, pivots and info, and whether they are those of the transpose: eager saves itself the copy to column-major order."""
    transposed = a.is_contiguous() and not a.is_complex()
    return *torch.linalg.lu_factor_ex(a.mT if transposed else a), transposed


@_decomposes(aten.lu_unpack.default)
def lu_unpack(lu: Tensor, pivots: Tensor, unpack_data: bool = True, unpack_pivots: bool = True) -> Any:
    if not unpack_data:
        return NotImplemented if unpack_pivots else (lu.new_empty([0]), lu.new_empty([0]), lu.new_empty([0]))
    m, n = lu.shape[-2:]
    k = min(m, n)
    permutation, *_ = torch.lu_unpack(lu, pivots, unpack_data=False, unpack_pivots=unpack_pivots)
    return permutation, lu[..., :k].tril(-1) + _identity(lu, m, k), lu[..., :k, :].triu()


@_decomposes(aten.linalg_lu.default)
def lu(a: Tensor, *, pivot: bool = True) -> Any:
    packed, pivots, _ = torch.linalg.lu_factor_ex(a, pivot=pivot)
    return torch.lu_unpack(packed, pivots, unpack_pivots=pivot)


@_decomposes(aten.linalg_lu_solve.default)
def lu_solve(packed: Tensor, pivots: Tensor, b: Tensor, *, left: bool = True, adjoint: bool = False) -> Tensor:
    if not left:
        return _adjoint(torch.linalg.lu_solve(packed, pivots, _adjoint(b), adjoint=not adjoint))
    permutation, *_ = torch.lu_unpack(packed, pivots, unpack_data=False)
    solve = torch.linalg.solve_triangular
    if adjoint:
        half = solve(_adjoint(packed), b, upper=False)
        return permutation @ solve(_adjoint(packed), half, upper=True, unitriangular=True)
    return solve(packed, solve(packed, permutation.mT @ b, upper=False, unitriangular=True), upper=True)


@_decomposes(aten._linalg_solve_ex.default)
def solve_ex(a: Tensor, b: Tensor, *, left: bool = True, check_errors: bool = False) -> tuple[Tensor, ...]:
    packed, pivots, info, transposed = _factored(a)
    vector = b.dim() == 1 or b.shape == a.shape[:-1]
    columns = b.unsqueeze(-1) if vector else b
    solved = torch.linalg.lu_solve(packed, pivots, columns, left=left, adjoint=transposed)
    return solved.squeeze(-1) if vector else solved, packed, pivots, info


@_decomposes(aten.linalg_inv_ex.default)
def inv_ex(a: Tensor, *, check_errors: bool = False) -> tuple[Tensor, Tensor]:
    inverse, info = torch.linalg.solve_ex(a, _identity(a, *a.shape[-2:]))
    return inverse, info


def _parity(pivots: Tensor) -> Tensor:
    """1 or -1: the determinant of the permutation."""
    moved = pivots != torch.arange(1, pivots.shape[-1] + 1, dtype=pivots.dtype)
    return 1 - 2 * (moved.sum(-1) % 2)


@_decomposes(aten._linalg_det.default)
def det(a: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    packed, pivots, _, _ = _factored(a)
    return packed.diagonal(0, -2, -1).prod(-1) * _parity(pivots), packed, pivots


@_decomposes(aten._linalg_slogdet.default)
def slogdet(a: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    packed, pivots, _, _ = _factored(a)
    diagonal = packed.diagonal(0, -2, -1)
    return diagonal.sgn().prod(-1) * _parity(pivots), diagonal.abs().log().sum(-1), packed, pivots


# QR


@_decomposes(aten.ormqr.default)
def ormqr(a: Tensor, tau: Tensor, b: Tensor, left: bool = True, transpose: bool = False) -> Any:
    if left:
        return NotImplemented
    return _adjoint(torch.ormqr(a, tau, _adjoint(b), transpose=not transpose))


@_decomposes(aten.linalg_householder_product.default)
def householder_product(a: Tensor, tau: Tensor) -> Tensor:
    return torch.ormqr(a, tau, _identity(a, *a.shape[-2:]).contiguous())


@_decomposes(aten.linalg_qr.default)
def qr(a: Tensor, mode: str = "reduced") -> tuple[Tensor, Tensor]:
    m, n = a.shape[-2:]
    k = m if mode == "complete" else min(m, n)
    packed, tau = torch.geqrf(a)
    r = packed[..., :k, :].triu()
    if mode == "r":
        return a.new_empty([0]), r
    return torch.ormqr(packed, tau, _identity(a, m, k).contiguous()), r


# Singular values


@_decomposes(aten._linalg_svd.default)
def svd(a: Tensor, full_matrices: bool = False, compute_uv: bool = True, *, driver: str | None = None) -> Any:
    m, n = a.shape[-2:]
    if m >= n:
        return NotImplemented
    v, s, uh = aten._linalg_svd(_adjoint(a), full_matrices, compute_uv)
    return (_adjoint(uh), s, _adjoint(v)) if compute_uv else (v, s, uh)


@_decomposes(aten.linalg_pinv.atol_rtol_tensor)
def pinv(a: Tensor, *, atol: Tensor | None = None, rtol: Tensor | None = None, hermitian: bool = False) -> Tensor:
    if not a.numel():
        return a.new_empty(*a.shape[:-2], a.shape[-1], a.shape[-2])
    if hermitian:
        values, u = torch.linalg.eigh(a)
        vh = _adjoint(u)
    else:
        u, values, vh = torch.linalg.svd(a, full_matrices=False)
    sizes = values.abs()
    least = _tolerance(a, sizes.amax(-1, keepdim=True), atol, rtol)
    inverse = torch.where(sizes > least, values.reciprocal(), 0)
    return (_adjoint(vh) * inverse.unsqueeze(-2).to(a.dtype)) @ _adjoint(u)


def _tolerance(a: Tensor, largest: Tensor, atol: Tensor | None, rtol: Tensor | None) -> Tensor:
    """Below which a singular value counts as zero: an absolute bound, and one relative to the largest."""
    default = torch.finfo(a.dtype).eps * max(a.shape[-2:])
    if atol is None:
        return largest * (default if rtol is None else rtol.unsqueeze(-1))
    rtol = torch.where(atol > 0, 0.0, default) if rtol is None else rtol
    return torch.maximum(atol.unsqueeze(-1), rtol.unsqueeze(-1) * largest)
