"""Running sums, products and extremes along a dimension."""

from __future__ import annotations

from typing import Any

from frontend.ops.elements import constant, exact, is_complex, is_float
from frontend.ops.indices import at_least_1d
from frontend.ops.kernel import Line, array, fold, index, lines, reader
from frontend.ops.math.elementary import log1p
from frontend.ops.scalars import Scalar, apply, where
from frontend.ops.scf.registry import ops_registry
from frontend.ops.values import lengths, ranked, reshape, sizes_of
from frontend.registry import DECLINED
from passes.mlir import ir, math


def _add_exponentials(x: Scalar, y: Scalar) -> Scalar:
    """log(eˣ + eʸ); of two infinities of one sign it is that."""
    greater, less = x.maximum(y), x.minimum(y)
    sum_ = greater + Scalar(log1p(apply(math.exp, less - greater).value))
    return where((x == y) & (x - x != 0), x, sum_)


for _name, _start, _step in (
    ("cumsum", 0, lambda sum_, x: sum_ + x),
    ("cumprod", 1, lambda product, x: product * x),
    ("logcumsumexp", float("-inf"), _add_exponentials),
):

    @ops_registry.lowers(f"aten.{_name}.default", dynamic=True)
    def _scan(out: ir.Type, self: ir.Value, dim: int, dtype: Any = None, _start: Any = _start, _step: Any = _step) -> Any:
        element = ranked(out).element_type
        if is_complex(element) and _step is _add_exponentials:
            return DECLINED
        values = at_least_1d(self)
        x, shape = reader(values), lengths(values)
        result = array(shape, element)
        for line in lines(shape, dim):

            def step(i: Scalar, so_far: Scalar, line: Line = line) -> Scalar:
                new = _step(so_far, x[line(i)].to(element).to(so_far.type))
                result[line(i)] = new
                return new

            fold(0, shape[dim], Scalar(constant(exact(element), _start)), step)
        return reshape(result.tensor(), sizes_of(ranked(out)))


for _name in ("cummax", "cummin"):

    @ops_registry.lowers(f"aten.{_name}.default", dynamic=True)
    def _extremes(out: Any, self: ir.Value, dim: int, _name: str = _name) -> Any:
        """The last of those that are equal; once there is a NaN, the last NaN."""
        values = at_least_1d(self)
        x, shape = reader(values), lengths(values)
        results = [array(shape, ranked(t).element_type) for t in out]
        for line in lines(shape, dim):

            def step(i: Scalar, best: Scalar, line: Line = line) -> Scalar:
                new, old = x[line(i)], x[line(best)]
                better = new >= old if _name == "cummax" else new <= old
                if is_float(new.type):
                    better = better | (new != new)
                place = where(better, i, best)
                for result, value in zip(results, (x[line(place)], place), strict=True):
                    result[line(i)] = value
                return place

            fold(0, shape[dim], Scalar(index(0)), step)
        return [reshape(r.tensor(), sizes_of(ranked(t))) for r, t in zip(results, out, strict=True)]
