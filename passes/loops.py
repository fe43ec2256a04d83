"""What the loops of a linalg.generic look like: their kinds, their extents, and which operand each one walks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from passes.mlir import ir


@dataclass(frozen=True)
class Loops:
    """`kinds[d]` is parallel or reduction; `reads[i]` are the dimensions that operand i's subscripts use, in order.

    `sizes[d]` is None when it is dynamic or no operand tells it; `extents` are all sizes, or None when one is missing.
    """

    kinds: tuple[str, ...]
    reads: tuple[tuple[int | None, ...], ...]
    sizes: tuple[int | None, ...]

    @property
    def extents(self) -> tuple[int, ...] | None:
        known = tuple(size for size in self.sizes if size is not None)
        return known if len(known) == len(self.sizes) else None

    @property
    def count(self) -> int:
        return math.prod(self.extents or ())


def loops_of(op: ir.Operation) -> Loops:
    """The loops of a linalg.generic; a subscript that is not a plain dimension reads None."""
    kinds = tuple("reduction" if "reduction" in str(k) else "parallel" for k in op.attributes["iterator_types"])
    reads: list[tuple[int | None, ...]] = []
    known: dict[int, int] = {}
    for attribute, operand in zip(op.attributes["indexing_maps"], op.operands, strict=True):
        subscripts = [_dimension(e) for e in ir.AffineMapAttr(attribute).value.results]
        reads.append(tuple(subscripts))
        if isinstance(operand.type, ir.ShapedType):
            shape = ir.ShapedType(operand.type).shape
            known.update({d: max(size, known.get(d, -1)) for d, size in zip(subscripts, shape, strict=True) if d is not None})
    sizes = (known.get(d, -1) for d in range(len(kinds)))
    return Loops(kinds, tuple(reads), tuple(size if size >= 0 else None for size in sizes))


def body_of(op: ir.Operation) -> list[str]:
    return [inner.operation.name for inner in op.regions[0].blocks[0].operations]


def moves(op: ir.Operation) -> bool:
    """Whether an operation is a linalg.generic that does no more than move the elements of one operand."""
    if op.name != "linalg.generic" or len(op.operands) != 2 or body_of(op) != ["linalg.yield"]:
        return False
    (block,) = op.regions[0].blocks
    return bool(block.operations[0].operands[0] == block.arguments[0]) and set(loops_of(op).kinds) == {"parallel"}


def dimensions(attribute: ir.Attribute) -> list[int]:
    """The loops that the subscripts of a map name, of which each is one loop."""
    return [ir.AffineDimExpr(e).position for e in ir.AffineMapAttr(attribute).value.results]


def subscripts(count: int, loops: Sequence[int]) -> ir.AffineMap:
    """The map of so many loops whose subscripts name these."""
    return ir.AffineMap.get(count, 0, [ir.AffineDimExpr.get(d) for d in loops])


def _dimension(expression: ir.AffineExpr) -> int | None:
    return expression.position if isinstance(expression, ir.AffineDimExpr) else None
