"""Left operands in panels, as weights lie: [steps / WIDTH, rows, WIDTH] in place of [rows, steps].

A register tile then reads its rows from a few pages, side by side, and what computes the operand writes whole panels: rows that
lie all their steps apart compete for the same lines of a cache. What attention leaves, [heads, rows, head size], is in panels
as it lies.
"""

from __future__ import annotations

from passes.generalize import elementwise
from passes.loops import dimensions, loops_of, moves, subscripts
from passes.mlir import builtin, ir, tensor
from passes.products import LEFT, RESULT, RIGHT, WIDEST
from passes.protect_products import HIDDEN, RESHAPES
from passes.schedule import find_all
from passes.targets import Target

WIDTH = 32  # steps in a panel, as many as a weight's panels have columns: what such a weight gives is in panels at once
NARROWEST = 16  # steps of panels that are there already: a cache line
MOST = 64  # rows; of more the panels lie so far apart that whole rows are faster


def left_panels(module: ir.Operation, target: Target) -> None:
    """Give hidden products with packed weights panels to read, where what they read is computed for them alone."""
    hidden = [op for op in find_all(module, "builtin.unrealized_conversion_cast") if HIDDEN in op.attributes]
    for left in dict.fromkeys(op.operands[LEFT] for op in hidden if _with_packed_weight(op)):
        readers = [use.owner.operation for use in left.uses]
        ours = all(op in hidden and op.operands[LEFT] == left and _with_packed_weight(op) for op in readers)
        if not ours or not left.type.has_static_shape or not target.rows < left.type.shape[0] <= MOST:
            continue
        panels = _moved_from(left)
        if panels is None and _computed(left):
            with ir.InsertionPoint.after(left.owner), left.owner.location:
                panels = _panels(left)
        for reader in readers if panels is not None else ():
            with ir.InsertionPoint(reader), reader.location:
                reader.results[0].replace_all_uses_with(_product(reader, panels))
            reader.erase()


def _moved_from(left: ir.Value) -> ir.Value | None:
    """Panels, [.., rows, steps], whose elements an operand has in another order, as that of attention has its heads'."""
    collapse = left.owner
    if isinstance(collapse, ir.Block) or collapse.name != "tensor.collapse_shape":
        return None
    move = collapse.operands[0].owner
    rank = len(collapse.operands[0].type.shape)
    if isinstance(move, ir.Block) or not moves(move) or rank != 3 or left.type.shape[0] != move.results[0].type.shape[0]:
        return None
    taken, left_at = loops_of(move).reads
    panels = move.operands[0]
    wanted = (left_at[1], left_at[0], left_at[2])
    return panels if taken == wanted and NARROWEST <= panels.type.shape[2] <= WIDEST else None


def _computed(left: ir.Value) -> bool:
    """Whether an operand is computed element by element, in numbers that make whole panels, and nobody else reads it."""
    source = left.owner
    while not isinstance(source, ir.Block) and source.name in RESHAPES:
        value = source.operands[0]
        if len(list(value.uses)) > 1:
            return False
        source = value.owner
    if isinstance(source, ir.Block) or source.name != "linalg.generic" or moves(source):
        return False
    return left.type.shape[1] % WIDTH == 0 and set(loops_of(source).kinds) == {"parallel"}


def _with_packed_weight(op: ir.Operation) -> bool:
    """Whether a hidden product has the subscripts mk,okn->mon."""
    left, right, result = (dimensions(m) for m in op.attributes[HIDDEN])
    if (len(left), len(right), len(result)) != (2, 3, 3):
        return False
    (m, k), (o, _, n) = left, right
    return right == [o, k, n] and result == [m, o, n]


def _panels(left: ir.Value) -> ir.Value:
    """[rows, steps] as [panels, rows, WIDTH], written in the order in which it was."""
    rows, steps = left.type.shape
    shape = [rows, steps // WIDTH, WIDTH]
    element = left.type.element_type
    whole = tensor.ExpandShapeOp(ir.RankedTensorType.get(shape, element), left, [[0], [1, 2]], [], shape).result
    type_ = ir.RankedTensorType.get([shape[1], rows, WIDTH], element)
    return elementwise(type_, [whole], [subscripts(3, [0, 1, 2]), subscripts(3, [1, 0, 2])], lambda element: element)


def _product(op: ir.Operation, panels: ir.Value) -> ir.Value:
    """A hidden product with its left operand in panels, and with a loop over those."""
    right, start = op.operands[RIGHT], op.operands[RESULT]
    (m, k), (o, _, n), _ = (dimensions(m) for m in op.attributes[HIDDEN])
    q = 4
    outer, steps, columns = right.type.shape
    width = panels.type.shape[2]
    shape = [outer, steps // width, width, columns]
    cut = tensor.ExpandShapeOp(ir.RankedTensorType.get(shape, right.type.element_type), right, [[0], [1, 2], [3]], [], shape)
    cast = builtin.UnrealizedConversionCastOp([op.results[0].type], [panels, cut.result, start])
    maps = [subscripts(5, loops) for loops in ((q, m, k), (o, q, k, n), (m, o, n))]
    cast.operation.attributes[HIDDEN] = ir.ArrayAttr.get([ir.AffineMapAttr.get(m) for m in maps])
    return cast.results[0]
