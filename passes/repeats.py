"""Products of a batch that repeats an operand, as heads of queries share keys and values, without the repetition in memory."""

from __future__ import annotations

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
    """A right operand that `move` writes several times: its dimension `place` is two loops of the move in one.

    `repeated` is which of the two the move's source does not have.
    """

    move: ir.Operation
    place: int
    repeated: int

    @property
    def sizes(self) -> tuple[int, int]:
        shape = self.move.results[0].type.shape
        return shape[self.place], shape[self.place + 1]


def share_operands(module: ir.Operation, target: Target) -> None:
    """Cut a hidden product's batch into two loops, of which one has the same right operand throughout.

    What is computed around products is cut alike by the fusion that follows.
    """
    for op in find_all(module, "builtin.unrealized_conversion_cast"):
        if HIDDEN in op.attributes and (repeat := _repeat_of(op)):
            with ir.InsertionPoint(op), op.location:
                op.results[0].replace_all_uses_with(_shared(op, repeat))
            op.erase()


def _repeat_of(op: ir.Operation) -> _Repeat | None:
    """How a hidden product's right operand repeats another one along its batch; None if it does not."""
    collapse = op.operands[RIGHT].owner
    if isinstance(collapse, ir.Block) or collapse.name != "tensor.collapse_shape":
        return None
    groups = [[ir.IntegerAttr(d).value for d in group] for group in collapse.attributes["reassociation"]]
    together = [place for place, group in enumerate(groups) if len(group) > 1]
    move = collapse.operands[0].owner
    if len(together) != 1 or len(groups[together[0]]) != 2 or isinstance(move, ir.Block) or not moves(move):
        return None
    (place,) = together
    loops = loops_of(move)
    missing = [d for d in range(len(loops.kinds)) if d not in loops.reads[0]]
    if None in loops.reads[0] or loops.reads[1] != tuple(range(len(loops.kinds))) or loops.extents is None:
        return None
    left, right, result = (dimensions(m) for m in op.attributes[HIDDEN])
    batch = right[place]
    if len(missing) != 1 or missing[0] not in groups[place] or batch not in left or batch not in result:
        return None
    return _Repeat(move, place, missing[0])


def _shared(op: ir.Operation, repeat: _Repeat) -> ir.Value:
    """The result of the product with two loops for its batch, in the shape that it had."""
    operands = [dimensions(m) for m in op.attributes[HIDDEN]]
    batch = operands[RIGHT][repeat.place]
    count = 1 + ir.AffineMapAttr(op.attributes[HIDDEN][0]).value.n_dims

    def two(dimensions: list[int]) -> list[int]:
        later = [d + (d > batch) for d in dimensions]
        return [e for d in later for e in ((batch, batch + 1) if d == batch else (d,))]

    left, right, result = (two(dimensions) for dimensions in operands)
    right.remove(batch + repeat.repeated - repeat.place)
    maps = [ir.AffineMapAttr.get(subscripts(count, loops)) for loops in (left, right, result)]
    given = [_cut(op.operands[i], operands[i].index(batch), repeat.sizes) for i in (LEFT, RESULT)]
    cast = builtin.UnrealizedConversionCastOp([given[1].type], [given[0], _once(repeat), given[1]])
    cast.operation.attributes[HIDDEN] = ir.ArrayAttr.get(maps)
    place = operands[RESULT].index(batch)
    return tensor.CollapseShapeOp(op.results[0].type, cast.results[0], _groups(len(operands[RESULT]), place)).result


def _once(repeat: _Repeat) -> ir.Value:
    """What the move makes, without its repetition: its source, if nothing else is left to move."""
    source, gone = repeat.move.operands[0], repeat.repeated
    reads = [d - (d > gone) for d in loops_of(repeat.move).reads[0] if d is not None]
    if reads == sorted(reads):
        return source
    shape = [size for d, size in enumerate(repeat.move.results[0].type.shape) if d != gone]
    maps = [subscripts(len(shape), loops) for loops in (reads, range(len(shape)))]
    with repeat.move.location:
        return elementwise(ir.RankedTensorType.get(shape, source.type.element_type), [source], maps, lambda element: element)


def _cut(value: ir.Value, place: int, sizes: tuple[int, int]) -> ir.Value:
    """One dimension as two."""
    shape = list(value.type.shape)
    shape[place : place + 1] = sizes
    type_ = ir.RankedTensorType.get(shape, value.type.element_type)
    return tensor.ExpandShapeOp(type_, value, _groups(len(value.type.shape), place), [], shape).result


def _groups(rank: int, place: int) -> list[list[int]]:
    """Which dimensions belong to each of `rank` when the one at `place` is two."""
    return [[d + (d > place)] if d != place else [d, d + 1] for d in range(rank)]
