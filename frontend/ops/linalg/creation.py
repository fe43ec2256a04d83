"""New tensors: filled with a number, with what is not set yet, or with another's elements."""

from __future__ import annotations

from typing import Any

from frontend.ops.linalg.registry import ops_registry
from frontend.ops.values import cast, elementwise, empty, ranked, reshape, splat
from passes.mlir import ir


@ops_registry.lowers("aten.full.default", "aten.full_like.default", "aten.new_full.default", "aten.fill.Scalar", dynamic=True)
def full(out: ir.Type, self: ir.Value | None = None, fill_value: Any = None, value: Any = None, **_: Any) -> ir.Value:
    return splat(ranked(out), value if fill_value is None else fill_value)


@ops_registry.lowers("aten.scalar_tensor.default", dynamic=True)
def scalar_tensor(out: ir.Type, s: Any, **_: Any) -> ir.Value:
    return splat(ranked(out), s)


@ops_registry.lowers("aten.empty.memory_format", "aten.empty_permuted.default", "aten.empty_strided.default", dynamic=True)
def empty_(out: ir.Type, **_: Any) -> ir.Value:
    return empty(ranked(out))


@ops_registry.lowers("aten.copy.default", dynamic=True)
def copy(out: ir.Type, self: ir.Value, src: ir.Value, **_: Any) -> ir.Value:
    return elementwise(ranked(out), [cast(src, ranked(out).element_type)], lambda x: x)


@ops_registry.lowers("sluice.item", dynamic=True)
def item(out: ir.Type, self: ir.Value, symbol: str) -> ir.Value:
    """The number that a tensor holds, which the graph's sizes call `symbol`."""
    return cast(reshape(self, []), ranked(out).element_type)
