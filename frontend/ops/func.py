"""Calls: how the main graph reaches its subgraphs."""

from __future__ import annotations

from collections.abc import Sequence

from frontend.registry import Registry
from passes.mlir import func, ir

ops_registry = Registry("func")


@ops_registry.lowers("sluice.call")
def call(out: Sequence[ir.Type] | ir.Type, callee: str, arguments: Sequence[ir.Value]) -> Sequence[ir.Value]:
    results = [out] if isinstance(out, ir.Type) else list(out)
    return list(func.CallOp(results, ir.FlatSymbolRefAttr.get(callee), list(arguments)).results)
