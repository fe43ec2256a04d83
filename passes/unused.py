"""Results that nobody uses any more, where upstream keeps them: it cannot tell that a C function has no effect."""

from __future__ import annotations

from passes.mlir import ir
from passes.schedule import find_all
from passes.targets import Target


def drop_unused_calls(module: ir.Operation, target: Target) -> None:
    """Before bufferization: erase each linalg.generic that writes no memory and whose results are not used."""
    for op in reversed(find_all(module, "linalg.generic")):
        writes = any(isinstance(operand.type, ir.MemRefType) for operand in op.operands)
        if not writes and not any(list(result.uses) for result in op.results):
            op.erase()
