"""Left operands in panels, as weights lie: [steps / WIDTH, rows, WIDTH] in place of [rows, steps].

A register tile then reads its rows from a few pages, side by side, and what computes the operand writes whole panels: rows that
lie steps apart compete for the same places of a cache, often a power of two apart.
"""

from __future__ import annotations

from passes.generalize import elementwise
from passes.loops import dimensions, loops_of, moves, subscripts
from passes.mlir import builtin, ir, tensor
from passes.products import LEFT, RESULT, RIGHT
from passes.protect_products import HIDDEN, RESHAPES
from passes.schedule import find_all
from passes.targets import Target

WIDTH = 32  # steps in a panel
MOST = 64  # rows; of more the panels lie so far apart that whole rows are faster


def left_panels(module: ir.Operation, target: Target) -> None:
    """Compute in panels what is computed for hidden products with packed weights alone."""
    hidden = [op for op in find_all(module, "builtin.unrealized_conversion_cast") if HIDDEN in op.attributes]
    for left in dict.fromkeys(op.operands[LEFT] for op in hidden):
        readers = [use.owner.operation for use in left.uses]
        if all(reader in hidden and reader.operands[LEFT] == left for reader in readers) and _pays(left, readers, target):
            with ir.InsertionPoint.after(left.owner), left.owner.location:
                panels = _panels(left)
            for reader in readers:
                with ir.InsertionPoint(reader), reader.location:
                    reader.results[0].replace_all_uses_with(_product(reader, panels))
                reader.erase()


def _pays(left: ir.Value, readers: list[ir.Operation], target: Target) -> bool:
    """Whether the operand is computed element by element, and has more rows than a register tile but not too many."""
    rows, *steps = left.type.shape
    if not left.type.has_static_shape or len(steps) != 1 or not target.rows < rows <= MOST or steps[0] % WIDTH:
        return False
    source = left.owner
    while not isinstance(source, ir.Block) and source.name in RESHAPES:
        value = source.operands[0]
        if len(list(value.uses)) > 1:
            return False
        source = value.owner
    if isinstance(source, ir.Block) or source.name != "linalg.generic" or moves(source):
        return False
    return set(loops_of(source).kinds) == {"parallel"} and all(_with_packed_weight(reader) for reader in readers)


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
    shape = [outer, steps // WIDTH, WIDTH, columns]
    cut = tensor.ExpandShapeOp(ir.RankedTensorType.get(shape, right.type.element_type), right, [[0], [1, 2], [3]], [], shape)
    cast = builtin.UnrealizedConversionCastOp([op.results[0].type], [panels, cut.result, start])
    maps = [subscripts(5, loops) for loops in ((q, m, k), (o, q, k, n), (m, o, n))]
    cast.operation.attributes[HIDDEN] = ir.ArrayAttr.get([ir.AffineMapAttr.get(m) for m in maps])
    return cast.results[0]
