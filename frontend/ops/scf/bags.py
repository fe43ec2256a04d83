"""Bags of embeddings: sums, means and maxima of the rows of a table."""

from __future__ import annotations

from typing import Any

from frontend.ops.elements import element_type
from frontend.ops.indices import clamped, wrapped
from frontend.ops.kernel import Index, array, cell, loop, reader, when
from frontend.ops.scalars import Scalar, where
from frontend.ops.scf.registry import ops_registry
from frontend.ops.values import cast, ranked
from passes.mlir import ir

_SUM, _MEAN, _MAX = range(3)


@ops_registry.lowers("aten._embedding_bag_forward_only.default", "aten._embedding_bag.default")
def embedding_bag(
    out: Any,
    weight: ir.Value,
    indices: ir.Value,
    offsets: ir.Value,
    scale_grad_by_freq: bool = False,
    mode: int = _SUM,
    sparse: bool = False,
    per_sample_weights: ir.Value | None = None,
    include_last_offset: bool = False,
    padding_idx: int = -1,
) -> list[ir.Value]:
    """The bags; then of which bag each index is, how many indices count in each bag, and which of them gave each maximum."""
    bags, of_bag, counts, best = (ranked(t) for t in out)
    wide = element_type("f64" if bags.element_type == element_type("f64") else "f32")
    table, chosen, starts = reader(weight), reader(indices), reader(offsets)
    scale = None if per_sample_weights is None else reader(per_sample_weights)
    number, row_count = ranked(indices).shape[0], ranked(weight).shape[0]
    made, places = array(bags.shape, wide, 0), array(of_bag.shape, of_bag.element_type, 0)
    sizes, winners = array(counts.shape, counts.element_type, 0), array(best.shape, best.element_type, 0)

    for bag in loop(bags.shape[0]):
        count = cell("index", 0)
        begin = clamped(starts[bag], number)
        for i in loop(begin, _end(starts, bag, number)):
            if 0 not in of_bag.shape:
                places[i] = bag
            with when(chosen[i] != padding_idx):
                for d in loop(bags.shape[1]):
                    x = table[wrapped(chosen[i], row_count), d].to(wide)
                    x = x if scale is None else x * scale[i]
                    if mode == _MAX:
                        better = (count.value == 0) | (x > made[bag, d])
                        winners[bag, d] = where(better, chosen[i].to(best.element_type), winners[bag, d])
                        made[bag, d] = where(better, x, made[bag, d])
                    else:
                        made[bag, d] = made[bag, d] + x
                count.value = count.value + 1
        if mode != _SUM:
            sizes[bag] = count.value
        if mode == _MEAN:
            winners[bag] = count.value
            for d in loop(bags.shape[1]):
                made[bag, d] = made[bag, d] / count.value.maximum(1).to(wide)
    return [cast(made.tensor(), bags.element_type), places.tensor(), sizes.tensor(), winners.tensor()]


def _end(starts: Any, bag: Scalar, number: int) -> Index:
    """Where a bag ends: where the next one begins, the last at the end of all."""
    last = ranked(starts.tensor).shape[0] - 1
    following = clamped(starts[(bag + 1).minimum(last)], number)
    return where(bag == last, number, following)
