"""Elements chosen by tensors of indices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from frontend.ops.indices import Indices, at_least_1d, wrapped
from frontend.ops.kernel import reader
from frontend.ops.linalg.registry import ops_registry
from frontend.ops.scalars import Scalar
from frontend.ops.values import elementwise, empty, generic, loop_indices, ranked, reshape, size, with_element
from frontend.registry import DECLINED
from passes.mlir import ir


@ops_registry.lowers("aten.index.Tensor", "aten._unsafe_index.Tensor", dynamic=True)
def index_(out: ir.Type, self: ir.Value, indices: Sequence[ir.Value | None]) -> Any:
    type_, chosen = ranked(out), Indices(self, indices)
    if chosen.masked or 0 in ranked(self).shape:  # of nothing, PyTorch takes nothing
        return DECLINED
    source = reader(self)

    def body(*at: ir.Value) -> ir.Value:
        return source[chosen.place(loop_indices(type_.rank), [Scalar(i) for i in at[:-1]])].value

    maps = [*chosen.maps(), ir.AffineMap.get_identity(type_.rank)]
    room = empty(type_, dict(enumerate(chosen.shape)))
    return generic(type_, list(chosen.tensors.values()), room, maps, ["parallel"] * type_.rank, body)


@ops_registry.lowers("aten.index_select.default", dynamic=True)
def index_select(out: ir.Type, self: ir.Value, dim: int, index: ir.Value) -> Any:
    rank = ranked(self).rank
    return index_(out, self, [*[None] * (dim % rank), at_least_1d(index)]) if rank else self


@ops_registry.lowers("aten.embedding.default", dynamic=True)
def embedding(out: ir.Type, weight: ir.Value, indices: ir.Value, **_: Any) -> Any:
    return index_(out, weight, [indices])


@ops_registry.lowers("aten.gather.default", dynamic=True)
def gather(out: ir.Type, self: ir.Value, dim: int, index: ir.Value, **_: Any) -> Any:
    if 0 in ranked(self).shape:
        return DECLINED
    self, chosen = at_least_1d(self), at_least_1d(index)
    source, rank = reader(self), ranked(self).rank
    length = size(self, dim)

    def body(at: ir.Value) -> ir.Value:
        place = loop_indices(rank)
        place[dim % rank] = wrapped(Scalar(at), length)
        return source[place].value

    value = elementwise(with_element(ranked(chosen), ranked(out).element_type), [chosen], body)
    return value if ranked(index).rank else reshape(value, [])
