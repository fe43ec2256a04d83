"""What only moves elements, written so that it becomes part of the elementwise operations around it."""

from __future__ import annotations

from collections.abc import Iterable

from passes.generalize import elementwise
from passes.loops import dimensions, loops_of, moves, subscripts
from passes.mlir import arith, builtin, ir, linalg, tensor, tosa
from passes.products import RESULT
from passes.protect_products import HIDDEN, RESHAPES
from passes.schedule import find_all
from passes.targets import Target

PIECES = 4  # at most, to choose from for each element


def slice_first(module: ir.Operation, target: Target) -> None:
    """Slice what a transposition reads instead of what it makes.

    Each slice then has a transposition of its own, to fuse with. Only where neighbours in memory stay neighbours: other
    transpositions are dear, and made once for all their readers.
    """
    for op in find_all(module, "tosa.slice"):
        source, starts = (operand.owner for operand in list(op.operands)[:2])
        made = op.results[0].type
        if isinstance(source, ir.Block) or source.name != "tosa.transpose" or not made.has_static_shape:
            continue
        order = [int(d) for d in source.attributes["perms"]]
        if not order or order[-1] != len(order) - 1 or isinstance(starts, ir.Block) or starts.name != "tosa.const_shape":
            continue
        begin, shape = (_before(order, values) for values in (ir.DenseIntElementsAttr(starts.attributes["values"]), made.shape))
        with ir.InsertionPoint(op), op.location:
            type_ = ir.RankedTensorType.get(shape, made.element_type)
            part = tosa.SliceOp(type_, source.operands[0], _shape_value(begin), _shape_value(shape)).result
            moved = tosa.TransposeOp(made, part, order).result
        op.results[0].replace_all_uses_with(moved)
        op.erase()


def choose_pieces(module: ir.Operation, target: Target) -> None:
    """Make a concatenation of a few equal slices an elementwise choice among them.

    Along the last dimension, where they are short. Rotary embeddings have one of two halves, one of them negated: as a choice
    it fuses with what it is multiplied by. What was computed for a piece would be computed for every element.
    """
    for op in find_all(module, "tosa.concat"):
        pieces, whole = list(op.operands), op.results[0].type
        equal = len({str(piece.type) for piece in pieces}) == 1
        if not equal or not 2 <= len(pieces) <= PIECES or not whole.has_static_shape or not all(map(_is_slice, pieces)):
            continue
        if ir.IntegerAttr(op.attributes["axis"]).value != whole.rank - 1:
            continue
        with ir.InsertionPoint(op), op.location:
            op.results[0].replace_all_uses_with(_choice(pieces, whole))
        op.erase()


def own_reshapes(module: ir.Operation, target: Target) -> None:
    """Give every reader of a reshape one of its own: what several read does not fuse."""
    for op in reversed(find_all(module, *RESHAPES)):
        for use in list(op.results[0].uses)[1:]:
            with ir.InsertionPoint(op):
                use.owner.operands[use.operand_number] = op.clone().results[0]


def write_moved(module: ir.Operation, target: Target) -> None:
    """Let a hidden product write its result where its only reader would move it."""
    for op in find_all(module, "builtin.unrealized_conversion_cast"):
        if HIDDEN not in op.attributes or (move := _mover(op)) is None:
            continue
        left, right, start = op.operands
        *maps, result = op.attributes[HIDDEN]
        taken, left_at = loops_of(move).reads
        loops = dimensions(result)
        count = ir.AffineMapAttr(result).value.n_dims
        maps.append(ir.AffineMapAttr.get(subscripts(count, [loops[taken.index(loop)] for loop in left_at])))
        type_ = move.results[0].type
        with ir.InsertionPoint(move), op.location:
            filled = linalg.fill(start.owner.operands[0], outs=[tensor.empty(type_.shape, type_.element_type)])
            cast = builtin.UnrealizedConversionCastOp([type_], [left, right, filled])
            cast.operation.attributes[HIDDEN] = ir.ArrayAttr.get(maps)
        move.results[0].replace_all_uses_with(cast.results[0])
        move.erase()
        op.erase()


def _mover(op: ir.Operation) -> ir.Operation | None:
    """The only reader of a hidden product, if it does no more than change the order of all dimensions but the last."""
    uses, start = list(op.results[0].uses), op.operands[RESULT].owner
    if len(uses) != 1 or isinstance(start, ir.Block) or start.name != "linalg.fill":
        return None
    reader = uses[0].owner.operation
    if not moves(reader) or reader.block != op.block or uses[0].operand_number != 0 or not op.results[0].type.has_static_shape:
        return None
    taken, left_at = loops_of(reader).reads
    reordered = None not in taken and len(taken) == len(left_at) and set(taken) == set(left_at)
    return reader if reordered and taken[-1] == left_at[-1] else None


def _choice(pieces: list[ir.Value], whole: ir.RankedTensorType) -> ir.Value:
    """[..., pieces, size], with the last two dimensions made one."""
    rank = whole.rank
    type_ = ir.RankedTensorType.get([*whole.shape[:-1], len(pieces), pieces[0].type.shape[-1]], whole.element_type)
    every = list(range(rank + 1))
    piece = subscripts(rank + 1, [d for d in every if d != rank - 1])

    def body(*elements: ir.Value) -> ir.Value:
        number = linalg.IndexOp(rank - 1).result
        *others, chosen = elements
        for place, value in reversed(list(enumerate(others))):
            is_it = arith.cmpi(arith.CmpIPredicate.eq, number, arith.constant(ir.IndexType.get(), place))
            chosen = arith.select(is_it, value, chosen)
        return chosen

    value = elementwise(type_, pieces, [*[piece] * len(pieces), subscripts(rank + 1, every)], body)
    groups = [[d] for d in range(rank - 1)] + [[rank - 1, rank]]
    return tensor.CollapseShapeOp(whole, value, groups).result


def _is_slice(piece: ir.Value) -> bool:
    """Whether a value is part of another one that is in memory, perhaps negated, or in another shape or order."""
    owner = piece.owner
    while not isinstance(owner, ir.Block) and owner.name in ("tosa.negate", "tosa.reshape", "tosa.transpose"):
        owner = owner.operands[0].owner
    return not isinstance(owner, ir.Block) and owner.name == "tosa.slice"


def _before(order: list[int], numbers: Iterable[int]) -> list[int]:
    """Numbers for the dimensions that a transposition makes, as those for the dimensions that it reads."""
    given = dict(zip(order, numbers, strict=True))
    return [int(given[d]) for d in range(len(order))]


def _shape_value(numbers: list[int]) -> ir.Value:
    type_ = ir.Type.parse(f"!tosa.shape<{len(numbers)}>")
    values = ir.DenseElementsAttr.get([ir.IntegerAttr.get(ir.IndexType.get(), n) for n in numbers])
    return tosa.ConstShapeOp(type_, values).result
