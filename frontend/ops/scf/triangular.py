"""Triangular systems, and what is triangular times itself: Cholesky's factorisation."""

from __future__ import annotations

from typing import Any

from frontend.ops.kernel import array, copy_of, loop, reader, when
from frontend.ops.scf.matrices import broadcast, dot, each, sqrt
from frontend.ops.scf.registry import ops_registry
from frontend.ops.values import ranked
from frontend.registry import DECLINED
from passes.mlir import ir


@ops_registry.lowers("aten.linalg_solve_triangular.default")
def solve_triangular(
    out: ir.Type, self: ir.Value, B: ir.Value, upper: bool, left: bool = True, unitriangular: bool = False
) -> Any:
    if not left:
        return DECLINED  # `frontend.capture.decompositions.matrices` transposes it
    *batch, n, columns = ranked(out).shape
    x = copy_of(broadcast(B, [*batch, n, columns]))
    for a_, x_ in each(batch, reader(broadcast(self, [*batch, n, n])), x):
        for turn in loop(n):
            row = n - 1 - turn if upper else turn
            for known in loop(row + 1, n) if upper else loop(row):
                factor = a_[row, known]
                for c in loop(columns):
                    x_[row, c] = x_[row, c] - factor * x_[known, c]
            if not unitriangular:
                pivot = a_[row, row]
                for c in loop(columns):
                    x_[row, c] = x_[row, c] / pivot
    return x.tensor()


@ops_registry.lowers("aten.linalg_cholesky_ex.default")
def cholesky(out: tuple[ir.Type, ir.Type], self: ir.Value, upper: bool = False, check_errors: bool = False) -> Any:
    """L with L Lᴴ = self, row after row; `info` is the first row whose pivot is not positive, counted from 1."""
    if upper:
        return DECLINED  # `frontend.capture.decompositions.matrices` transposes it
    type_ = ranked(out[0])
    *batch, n, _ = type_.shape
    factor, info = array(type_.shape, type_.element_type, 0), array(batch, "i32", 0)
    for a_, l_, info_ in each(batch, reader(self), factor, info):
        for i in loop(n):
            with when(info_[()] == 0):
                for j in loop(i):
                    l_[i, j] = (a_[i, j] - dot(l_, i, l_, j, j)) / l_[j, j]
                pivot = (a_[i, i] - dot(l_, i, l_, i, i)).real
                positive = pivot > 0
                with when(positive):
                    l_[i, i] = sqrt(pivot)
                with when(positive ^ True):
                    info_[()] = i + 1
    return factor.tensor(), info.tensor()
