"""The LU factorisation with partial pivoting, as LAPACK's getrf."""

from __future__ import annotations

from typing import Any

from frontend.ops.kernel import array, copy_of, fold, loop, reader, when
from frontend.ops.scalars import Scalar, where
from frontend.ops.scf.matrices import Matrix, each, size, swap
from frontend.ops.scf.registry import ops_registry
from frontend.ops.values import empty, ranked
from frontend.registry import DECLINED
from passes.mlir import ir


@ops_registry.lowers("aten.linalg_lu_factor_ex.default")
def lu_factor(out: tuple[ir.Type, ...], A: ir.Value, pivot: bool = True, check_errors: bool = False) -> Any:
    """L below the diagonal and U on and above it; pivots count from 1, `info` is the first pivot that is zero."""
    if not pivot:
        return DECLINED  # as PyTorch on a CPU
    *batch, m, n = ranked(A).shape
    steps = min(m, n)
    lu, pivots, info = copy_of(A), array([*batch, steps], "i32"), array(batch, "i32", 0)
    for a_, pivots_, info_ in each(batch, lu, pivots, info):
        for j in loop(steps):
            row = _largest(a_, j, m)
            pivots_[j] = row + 1
            with when(row != j):
                swap(a_, row, j, n)
            head = a_[j, j]
            with when((head == 0) & (info_[()] == 0)):
                info_[()] = j + 1
            with when(head != 0):
                for i in loop(j + 1, m):
                    factor = a_[i, j] / head
                    a_[i, j] = factor
                    for c in loop(j + 1, n):
                        a_[i, c] = a_[i, c] - factor * a_[j, c]
    return lu.tensor(), pivots.tensor(), info.tensor()


def _largest(a: Matrix, j: Scalar, m: int) -> Scalar:
    """The row of the pivot in column j: the first of the largest."""
    return fold(j + 1, m, j, lambda i, row: where(size(a[i, j]) > size(a[row, j]), i, row))


@ops_registry.lowers("aten.lu_unpack.default")
def permutation(
    out: tuple[ir.Type, ...], LU_data: ir.Value, LU_pivots: ir.Value, unpack_data: bool = True, unpack_pivots: bool = True
) -> Any:
    """The permutation that the pivots' exchanges, one after the other, make of the identity."""
    if unpack_data or not unpack_pivots:
        return DECLINED  # `frontend.capture.decompositions.matrices` takes L and U apart
    type_ = ranked(out[0])
    *batch, m, _ = type_.shape
    result, order = array(type_.shape, type_.element_type, 0), array([m], "index")
    for p_, pivots_ in each(batch, result, reader(LU_pivots)):
        for i in loop(m):
            order[i] = i
        for i in loop(ranked(LU_pivots).shape[-1]):
            j = pivots_[i].to("index") - 1
            order[i], order[j] = order[j], order[i]
        for i in loop(m):
            p_[order[i], i] = 1
    return result.tensor(), *[empty(ranked(t)) for t in out[1:]]
