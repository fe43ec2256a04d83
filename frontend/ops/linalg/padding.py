"""Constants around a tensor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from frontend.ops.linalg.registry import ops_registry
from frontend.ops.values import Length, Size, length, padded, ranked
from passes.mlir import ir, tensor


@ops_registry.lowers("aten.constant_pad_nd.default", dynamic=True)
def constant_pad_nd(out: ir.Type, self: ir.Value, pad: Sequence[Size], value: Any = 0) -> ir.Value:
    """`pad` has two numbers a dimension, the last dimension's first; negative ones cut off."""
    rest: list[Length] = [0] * (ranked(self).rank - len(pad) // 2)
    low, high = ([*rest, *(length(n) for n in pad[side::2][::-1])] for side in (0, 1))
    result = padded(self, low, high, value)
    return result if result.type == out else tensor.cast(out, result)
