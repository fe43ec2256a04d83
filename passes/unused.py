"""Results that nobody uses any more, where upstream keeps them: it cannot tell that a C function has no effect."""

from __future__ import annotations

from passes.mlir import ir
from passes.schedule import find_all
from passes.targets import Target


def drop_unused_calls(module: ir.Operation, target: Target) -> None:
    """Before bufferization: erase each linalg.generic whose results are not used. One that writes memory has none."""
    for op in reversed(find_all(module, "linalg.generic")):
        if list(op.results) and not any(list(result.uses) for result in op.results):
            op.erase()
