"""The exponential of a matrix: a polynomial of a fraction of it, squared as often as that was halved.

The polynomial is Taylor's of degree 18 in five products: P. Bader, S. Blanes, F. Casas, "Computing the matrix exponential with
an optimized Taylor polynomial approximation", Mathematics 7 (2019) 1174. It is PyTorch's too: small matrices round as its do.
"""

from __future__ import annotations

from frontend.ops.elements import component, wide
from frontend.ops.kernel import array, cell, fold, loop, positions, reader, while_
from frontend.ops.scalars import where
from frontend.ops.scf.matrices import Matrix, each, scratch, size
from frontend.ops.scf.registry import ops_registry
from frontend.ops.values import ranked
from passes.mlir import ir

# Five sums of the powers 0, 1, 2, 3 and 6 of a matrix: a row each.
SUMS = (
    (0.0, -1.00365581030144618291e-01, -8.02924648241156932449e-03, -8.92138498045729985177e-04, 0.0),
    (0.0, 3.97849749499645077844e-01, 1.36783778460411720168, 4.98289622525382669416e-01, -6.37898194594723280150e-04),
    (-1.09676396052962061844e01, 1.68015813878906206114, 5.71779846478865511061e-02,
     -6.98210122488052056106e-03, 3.34975017086070470649e-05),
    (-9.04316832390810593223e-02, -6.76404519071381882256e-02, 6.75961301770459654925e-02,
     2.95552570429315521194e-02, -1.39180257516060693404e-05),
    (0.0, 0.0, -9.23364619367118555360e-02, -1.69364939002081722752e-02, -1.40086798182036094347e-05),
)  # fmt: skip
REACH = {"f32": 3.010066362817634, "f64": 1.090863719290036}  # the norm up to which the polynomial is as good as the type
MOST = 1100  # halvings, enough for the largest number


@ops_registry.lowers("aten.linalg_matrix_exp.default")
def matrix_exp(out: ir.Type, self: ir.Value) -> ir.Value:
    type_ = ranked(out)
    *batch, n, _ = type_.shape
    result, element = array(type_.shape, type_.element_type), wide(type_.element_type)
    part = component(element)
    powers = [scratch([n, n], element) for _ in range(4)]
    sums = [scratch([n, n], element) for _ in SUMS]
    product = scratch([n, n], element)
    norm, scale, halved = cell("f64", 0), cell("f64", 1), cell("index", 0)
    for a, result_ in each(batch, reader(self), result):
        norm.value, scale.value, halved.value = 0, 1, 0
        for j in loop(n):
            norm.value = norm.value.maximum(fold(0, n, norm.value.like(0), lambda i, so_far: so_far + size(a[i, j])))
        for _ in while_(lambda: (norm.value * scale.value > REACH[str(part)]) & (halved.value < MOST)):
            scale.value, halved.value = scale.value / 2, halved.value + 1
        for i, j in positions([n, n]):
            powers[0][i, j] = a[i, j].to(element) * scale.value.to(part)
        _polynomial(powers, sums, product, n)
        for _ in loop(halved.value):
            _multiply(product, sums[1], sums[1], n)
            for i, j in positions([n, n]):
                sums[1][i, j] = product[i, j]
        for i, j in positions([n, n]):
            result_[i, j] = sums[1][i, j].to(type_.element_type)
    return result.tensor()


def _polynomial(powers: list[Matrix], sums: list[Matrix], product: Matrix, n: int) -> None:
    """Into the second of the sums; of the powers, the first is given."""
    x, x2, x3, x6 = powers
    for into, left, right in ((x2, x, x), (x3, x, x2), (x6, x3, x3)):
        _multiply(into, left, right, n)
    for i, j in positions([n, n]):
        terms = [where(i == j, x[i, j].like(1), 0), *(power[i, j] for power in powers)]
        for sum_, factors in zip(sums, SUMS, strict=True):
            total = terms[0] * factors[0]
            for term, factor in zip(terms[1:], factors[1:], strict=True):
                total = total + term * factor
            sum_[i, j] = total
    b0, b1, b2, b3, b4 = sums
    _multiply(product, b0, b4, n)
    for i, j in positions([n, n]):
        b3[i, j] = b3[i, j] + product[i, j]
        b2[i, j] = b2[i, j] + b3[i, j]
    _multiply(product, b2, b3, n)
    for i, j in positions([n, n]):
        b1[i, j] = b1[i, j] + product[i, j]


def _multiply(product: Matrix, a: Matrix, b: Matrix, n: int) -> None:
    for i in loop(n):
        for j in loop(n):
            product[i, j] = 0
        for k in loop(n):
            factor = a[i, k]
            for j in loop(n):
                product[i, j] = product[i, j] + factor * b[k, j]
