"""memref.copy as loops: for strided memory its own lowering calls a C++ library that we do not ship."""

from __future__ import annotations

from passes.mlir import ir
from passes.schedule import find_all
from passes.targets import Target


def copies_to_linalg(module: ir.Operation, target: Target) -> None:
    """Replace memref.copy by linalg.copy."""
    from passes.mlir import linalg  # slow to import, and most stages do without

    for op in find_all(module, "memref.copy"):
        with ir.InsertionPoint(op), op.location:
            linalg.copy(op.operands[0], outs=[op.operands[1]])
        op.erase()
