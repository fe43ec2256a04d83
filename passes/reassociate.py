"""Allow sums to be added up in another order, so that they can be vectorized; the order of a reduction is no one's promise."""

from __future__ import annotations

from passes.mlir import ir
from passes.schedule import find_all
from passes.targets import Target


def reassociate_sums(module: ir.Operation, target: Target) -> None:
    """Mark the final addition of every reducing linalg.generic as reassociable."""
    for op in find_all(module, "linalg.generic"):
        if not any("reduction" in str(kind) for kind in op.attributes["iterator_types"]):
            continue
        yielded = op.regions[0].blocks[0].operations[-1].operands[0].owner
        if isinstance(yielded, ir.OpView | ir.Operation) and yielded.name == "arith.addf":
            yielded.attributes["fastmath"] = ir.Attribute.parse("#arith.fastmath<reassoc>", op.context)
