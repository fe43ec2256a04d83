"""Cumulative operators: each element of a line from all before it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from frontend.ops.kernel import Reader, array, cell, lengths, lines, loop
from frontend.ops.scalars import Scalar, apply, is_float, where
from frontend.ops.scf.registry import ops_registry
from frontend.ops.values import ranked, splat
from passes.mlir import ir, math

Step = Callable[[Scalar, Scalar], Scalar]  # what was so far, and the next element


def _log_add_exp(so_far: Scalar, x: Scalar) -> Scalar:
    """log(exp(a) + exp(b)), where neither overflows; two equal infinities are their own sum."""
    low, high = so_far.minimum(x), so_far.maximum(x)
    apart = apply(math.log1p, apply(math.exp, low - high)) + high
    return where((low == high) & (apply(math.absf, low) == float("inf")), x, apart)


for _name, _start, _step in (
    ("cumsum", 0, lambda so_far, x: so_far + x),
    ("cumprod", 1, lambda so_far, x: so_far * x),
    ("logcumsumexp", float("-inf"), _log_add_exp),
):

    @ops_registry.lowers(f"aten.{_name}.default", dynamic=True)
    def _cumulate(out: ir.Type, self: ir.Value, dim: int, dtype: Any = None, _start: Any = _start, _step: Step = _step) -> Any:
        """Floats are carried as f64, as PyTorch does on a CPU."""
        result = ranked(out).element_type
        carried: ir.Type | str = "f64" if is_float(result) else result
        shape, rank = lengths(self), ranked(self).rank
        source, made = Reader(self), array(shape, result)
        for at in lines(shape, dim % rank) if rank else [lambda _: ()]:
            so_far = cell(carried, _start)
            for k in loop(shape[dim] if rank else 1):
                so_far.value = _step(so_far.value, source[at(k)].to(result).to(so_far.element))
                made[at(k)] = so_far.value
        return made.tensor()


for _name in ("cummax", "cummin"):

    @ops_registry.lowers(f"aten.{_name}.default", dynamic=True)
    def _extremes(out: Any, self: ir.Value, dim: int, _greatest: bool = _name == "cummax") -> Any:
        """The extreme so far and its latest place; NaN stays once it comes."""
        rank = ranked(self).rank
        if rank == 0:
            return [self, splat(ranked(out[1]), 0)]
        shape, dim, element = lengths(self), dim % rank, ranked(self).element_type
        source, values, places = Reader(self), array(shape, element), array(shape, "i64")
        for at in lines(shape, dim):
            best, place = cell(element, source[at(0)]), cell("i64", 0)
            for k in loop(shape[dim]):
                x, so_far = source[at(k)], best.value
                better = x >= so_far if _greatest else x <= so_far
                if is_float(element):
                    better = (x != x) | ((so_far == so_far) & better)
                best.value = where(better, x, so_far)
                place.value = where(better, k.to("i64"), place.value)
                values[at(k)] = best.value
                places[at(k)] = place.value
        return [values.tensor(), places.tensor()]
