"""The exponential of a matrix: Taylor's series of a fraction of it, squared as often as that was halved."""

from __future__ import annotations

from frontend.ops.elements import exact
from frontend.ops.kernel import array, cell, fold, loop, positions, reader, while_
from frontend.ops.scalars import where
from frontend.ops.scf.matrices import Matrix, each, fill_identity, scratch, size
from frontend.ops.scf.registry import ops_registry
from frontend.ops.values import ranked
from passes.mlir import ir

TERMS = 18  # of a matrix whose norm is at most 1/2, to double precision
MOST = 1100  # halvings, enough for the largest number


@ops_registry.lowers("aten.linalg_matrix_exp.default")
def matrix_exp(out: ir.Type, self: ir.Value) -> ir.Value:
    type_ = ranked(out)
    *batch, n, _ = type_.shape
    element = exact(type_.element_type)
    result = array(type_.shape, type_.element_type)
    x, sum_, product = (scratch([n, n], element) for _ in range(3))
    length, scale, halved = cell("f64", 0), cell("f64", 1), cell("index", 0)
    for a, result_ in each(batch, reader(self), result):
        length.value, scale.value, halved.value = 0, 1, 0
        for i in loop(n):
            row = fold(0, n, length.value.like(0), lambda j, so_far: so_far + size(a[i, j]))
            length.value = length.value.maximum(row)
        for _ in while_(lambda: (length.value * scale.value > 0.5) & (halved.value < MOST)):
            scale.value, halved.value = scale.value / 2, halved.value + 1
        for i, j in positions([n, n]):
            x[i, j] = a[i, j].to(element) * scale.value
        fill_identity(sum_, n, n)
        for turn in loop(TERMS):
            _multiply(product, x, sum_, n)
            divisor = (TERMS - turn).to("f64")
            for i, j in positions([n, n]):
                sum_[i, j] = product[i, j] / divisor + where(i == j, x.zero() + 1, 0)
        for _ in loop(halved.value):
            _multiply(product, sum_, sum_, n)
            for i, j in positions([n, n]):
                sum_[i, j] = product[i, j]
        for i, j in positions([n, n]):
            result_[i, j] = sum_[i, j]
    return result.tensor()


def _multiply(product: Matrix, a: Matrix, b: Matrix, n: int) -> None:
    for i in loop(n):
        for j in loop(n):
            product[i, j] = 0
        for k in loop(n):
            factor = a[i, k]
            for j in loop(n):
                product[i, j] = product[i, j] + factor * b[k, j]
