"""Hand loop iterations to threads as they come free: a core that is busy otherwise delays one chunk, not half the loop."""

from __future__ import annotations

from passes.mlir import ir
from passes.schedule import find_all
from passes.targets import Target


def dynamic_chunks(module: ir.Operation, target: Target) -> None:
    """Give every OpenMP loop a dynamic schedule."""
    for op in find_all(module, "omp.wsloop"):
        op.attributes["schedule_kind"] = ir.Attribute.parse("#omp<schedulekind dynamic>", op.context)
