"""What only moves elements, written so that it becomes part of the elementwise operations around it."""

from __future__ import annotations

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
        source = op.operands[0].owner
        if isinstance(source, ir.Block) or source.name != "tosa.transpose":
            continue
        order = [int(d) for d in source.attributes["perms"]]
        if not order or order[-1] != len(order) - 1:
            continue
        with ir.InsertionPoint(op), op.location:
            starts, sizes = (_permuted(shape, order) for shape in op.operands[1:3])
            whole = source.operands[0]
            type_ = ir.RankedTensorType.get(list(ir.DenseIntElementsAttr(_values(sizes))), whole.type.element_type)
            part = tosa.SliceOp(type_, whole, starts, sizes).result
            moved = tosa.TransposeOp(op.results[0].type, part, order).result
        op.results[0].replace_all_uses_with(moved)
        op.erase()


def choose_pieces(module: ir.Operation, target: Target) -> None:
    """Make a concatenation of a few equal pieces an elementwise choice among them.

    Along the last dimension, where pieces are short. Rotary embeddings have one of two halves, one of them negated: as a choice
    it fuses with what it is multiplied by.
    """
    for op in find_all(module, "tosa.concat"):
        pieces, whole = list(op.operands), op.results[0].type
        equal = len({str(piece.type) for piece in pieces}) == 1
        if not equal or not 2 <= len(pieces) <= PIECES or not whole.has_static_shape:
            continue
        if ir.IntegerAttr(op.attributes["axis"]).value != whole.rank - 1:
            continue
        with ir.InsertionPoint(op), op.location:
            op.results[0].replace_all_uses_with(_choice(pieces, whole))
        op.erase()


def own_reshapes(module: ir.Operation, target: Target) -> None:
    """Give every reader of a reshape one of its own: what several read does not fuse."""
    for op in find_all(module, *RESHAPES):
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
            zeros = linalg.fill(start.owner.operands[0], outs=[tensor.empty(type_.shape, type_.element_type)])
            cast = builtin.UnrealizedConversionCastOp([type_], [left, right, zeros])
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
    if not moves(reader) or uses[0].operand_number != 0:
        return None
    taken, left_at = loops_of(reader).reads
    return reader if None not in taken and set(taken) == set(left_at) and taken[-1] == left_at[-1] else None


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


def _permuted(shape: ir.Value, order: list[int]) -> ir.Value:
    """Numbers for the dimensions that a transposition makes, as those for the dimensions that it reads."""
    given = dict(zip(order, ir.DenseIntElementsAttr(_values(shape)), strict=True))
    values = ir.DenseElementsAttr.get([ir.IntegerAttr.get(ir.IndexType.get(), int(given[d])) for d in range(len(order))])
    return tosa.ConstShapeOp(shape.type, values).result


def _values(shape: ir.Value) -> ir.Attribute:
    return shape.owner.attributes["values"]
