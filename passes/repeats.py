"""Products of a batch that repeats an operand, as heads of queries share keys and values, without the repetition in memory."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from passes.generalize import elementwise
from passes.loops import dimensions, loops_of, moves, subscripts
from passes.mlir import builtin, ir, tensor
from passes.products import LEFT, RESULT, RIGHT
from passes.protect_products import HIDDEN
from passes.schedule import find_all
from passes.targets import Target


@dataclass(frozen=True)
class _Repeat:
    """A right operand that `move` writes several times, because its source has not the dimensions in `missing`.

    groups: for each dimension of the operand, which of the move's are that one.
    """

    move: ir.Operation
    groups: list[list[int]]
    missing: set[int]

    def sizes(self, group: list[int]) -> list[int]:
        return [self.move.results[0].type.shape[d] for d in group]


def share_operands(module: ir.Operation, target: Target) -> None:
    """Give hidden products loops for which the right operand is the same throughout, where it is repeated along the batch.

    What is computed around products gets the same loops by the fusion that follows.
    """
    for op in find_all(module, "builtin.unrealized_conversion_cast"):
        if HIDDEN in op.attributes and (repeat := _repeat_of(op)):
            with ir.InsertionPoint(op), op.location:
                op.results[0].replace_all_uses_with(_shared(op, repeat))
            op.erase()


def _repeat_of(op: ir.Operation) -> _Repeat | None:
    """How a hidden product's right operand repeats another one along its batch; None if it does not."""
    right = op.operands[RIGHT]
    groups, move = [[d] for d in range(right.type.rank)], right.owner
    if not isinstance(move, ir.Block) and move.name == "tensor.collapse_shape":
        groups = [[ir.IntegerAttr(d).value for d in group] for group in move.attributes["reassociation"]]
        move = move.operands[0].owner
    if isinstance(move, ir.Block) or not moves(move) or not all(map(_is_static, (*op.operands, *move.operands))):
        return None
    taken, left_at = loops_of(move).reads
    missing = set(left_at) - set(taken)
    if not missing or None in taken or len(set(taken)) < len(taken) or left_at != tuple(range(len(left_at))):
        return None
    left, loops, result = (dimensions(m) for m in op.attributes[HIDDEN])
    parted = {loop for loop, group in zip(loops, groups, strict=True) if len(group) > 1 or missing & set(group)}
    return _Repeat(move, groups, {d for d in missing if d is not None}) if parted <= set(left) & set(result) else None


def _is_static(value: ir.Value) -> bool:
    return isinstance(value.type, ir.RankedTensorType) and value.type.has_static_shape


def _shared(op: ir.Operation, repeat: _Repeat) -> ir.Value:
    """The result of the product with a loop for each of the move's dimensions, in the shape that it had."""
    left, right, result = (dimensions(m) for m in op.attributes[HIDDEN])
    groups = dict(zip(right, repeat.groups, strict=True))
    new: dict[int, list[int]] = {}
    count = 0
    for loop in range(ir.AffineMapAttr(op.attributes[HIDDEN][0]).value.n_dims):
        new[loop] = list(range(count, count + len(groups.get(loop, [0]))))
        count += len(new[loop])
    kept = [n for loop, group in groups.items() for n, d in zip(new[loop], group, strict=True) if d not in repeat.missing]
    maps = [
        subscripts(count, loops) for loops in ([n for d in left for n in new[d]], kept, [n for d in result for n in new[d]])
    ]
    parts = [[repeat.sizes(groups[d]) if d in groups else [0] for d in loops] for loops in (left, result)]
    given = [_cut(op.operands[i], sizes) for i, sizes in zip((LEFT, RESULT), parts, strict=True)]
    cast = builtin.UnrealizedConversionCastOp([given[1].type], [given[0], _once(repeat), given[1]])
    cast.operation.attributes[HIDDEN] = ir.ArrayAttr.get([ir.AffineMapAttr.get(m) for m in maps])
    if cast.results[0].type == op.results[0].type:
        return cast.results[0]
    return tensor.CollapseShapeOp(op.results[0].type, cast.results[0], _places(parts[1])).result


def _once(repeat: _Repeat) -> ir.Value:
    """What the move makes, without its repetition: its source, if nothing else is left to move."""
    source = repeat.move.operands[0]
    kept = [d for d in range(repeat.move.results[0].type.rank) if d not in repeat.missing]
    reads = [kept.index(d) for d in loops_of(repeat.move).reads[0] if d is not None]
    if reads == sorted(reads):
        return source
    maps = [subscripts(len(kept), loops) for loops in (reads, range(len(kept)))]
    with repeat.move.location:
        type_ = ir.RankedTensorType.get(repeat.sizes(kept), source.type.element_type)
        return elementwise(type_, [source], maps, lambda element: element)


def _cut(value: ir.Value, parts: list[list[int]]) -> ir.Value:
    """A tensor with its dimensions in parts of these sizes; those of one part stay as they are."""
    shape = [
        size for whole, sizes in zip(value.type.shape, parts, strict=True) for size in (sizes if len(sizes) > 1 else [whole])
    ]
    type_ = ir.RankedTensorType.get(shape, value.type.element_type)
    return value if type_ == value.type else tensor.ExpandShapeOp(type_, value, _places(parts), [], shape).result


def _places(parts: list[list[int]]) -> list[list[int]]:
    """Where the parts of each dimension are among all."""
    ends = list(itertools.accumulate(len(sizes) for sizes in parts))
    return [list(range(end - len(sizes), end)) for end, sizes in zip(ends, parts, strict=True)]
