"""Products out of sight while elementwise operations are fused: nothing is then pulled into their inner loops.

The pass that fuses knows no exceptions, and it rewrites every linalg operation that it meets, named ones as well. So a product
waits as a cast of its operands to its result, which nothing looks into. And what a product reads again and again, as the keys
that several heads of queries share, is computed before it is repeated: a cast stands between the two.
"""

from __future__ import annotations

from passes.generalize import generalize
from passes.loops import loops_of, moves
from passes.mlir import builtin, ir
from passes.products import LEFT, RIGHT, product_of
from passes.schedule import find_all, functions
from passes.targets import Target

HIDDEN = "sluice.product"  # on the cast: the product's indexing maps
COMPUTED = "sluice.computed"  # on a cast between what computes a value and what repeats it
RESHAPES = ("tensor.collapse_shape", "tensor.expand_shape")
NAMED = ("linalg.matmul", "linalg.batch_matmul", "linalg.contract")


def protect_products(module: ir.Operation, target: Target) -> None:
    """Hide every linalg operation that is a product in a cast, so that nothing fuses with it."""
    for function in functions(module):
        generalize(function, *NAMED)
    for op in find_all(module, "linalg.generic"):
        if product_of(op) is None:
            continue
        for number in (LEFT, RIGHT):
            _compute_once(op, number)
        with ir.InsertionPoint(op), op.location:
            cast = builtin.UnrealizedConversionCastOp([op.results[0].type], list(op.operands))
        cast.operation.attributes[HIDDEN] = op.attributes["indexing_maps"]
        op.results[0].replace_all_uses_with(cast.results[0])
        op.erase()


def _compute_once(reader: ir.Operation, number: int) -> None:
    """Put a cast before the moves that an operand comes by, if they repeat what is computed."""
    repeats = False
    source = reader.operands[number].owner
    while not isinstance(source, ir.Block) and (source.name in RESHAPES or moves(source)):
        repeats = repeats or (moves(source) and _repeats(source))
        reader, source = source, source.operands[0].owner
    if not repeats or isinstance(source, ir.Block) or source.name != "linalg.generic":
        return
    value = reader.operands[0]
    with ir.InsertionPoint(reader), source.location:
        cast = builtin.UnrealizedConversionCastOp([value.type], [value, value])  # of one value it would be folded
    cast.operation.attributes[COMPUTED] = ir.UnitAttr.get(reader.context)
    reader.operands[0] = cast.results[0]


def _repeats(op: ir.Operation) -> bool:
    """Whether it writes an element that it reads in several places."""
    loops = loops_of(op)
    return any(size != 1 for d, size in enumerate(loops.sizes) if d not in loops.reads[0])


def restore_products(module: ir.Operation, target: Target) -> None:
    """Turn the casts into linalg.generic again."""
    from passes.mlir import linalg  # slow to import, and most stages do without

    for op in find_all(module, "builtin.unrealized_conversion_cast"):
        if COMPUTED in op.attributes:
            op.results[0].replace_all_uses_with(op.operands[0])
            op.erase()
            continue
        if HIDDEN not in op.attributes:
            continue
        left, right, start = op.operands
        with ir.InsertionPoint(op), op.location:
            product = linalg.contract(left, right, outs=[start], indexing_maps=op.attributes[HIDDEN])
        op.results[0].replace_all_uses_with(product)
        op.erase()
    for function in functions(module):
        generalize(function, "linalg.contract")
