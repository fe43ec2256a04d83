"""Products out of sight while elementwise operations are fused: nothing is then pulled into their inner loops.

The pass that fuses knows no exceptions, and it rewrites every linalg operation that it meets, named ones as well. So a product
waits as a cast of its operands to its result, which nothing looks into.
"""

from __future__ import annotations

from passes.generalize import generalize
from passes.mlir import builtin, ir
from passes.products import product_of
from passes.schedule import find_all, functions
from passes.targets import Target

HIDDEN = "sluice.product"  # on the cast: the product's indexing maps
NAMED = ("linalg.matmul", "linalg.batch_matmul", "linalg.contract")


def protect_products(module: ir.Operation, target: Target) -> None:
    """Hide every linalg operation that is a product in a cast, so that nothing fuses with it."""
    for function in functions(module):
        generalize(function, *NAMED)
    for op in find_all(module, "linalg.generic"):
        if product_of(op) is None:
            continue
        with ir.InsertionPoint(op), op.location:
            cast = builtin.UnrealizedConversionCastOp([op.results[0].type], list(op.operands))
        cast.operation.attributes[HIDDEN] = op.attributes["indexing_maps"]
        op.results[0].replace_all_uses_with(cast.results[0])
        op.erase()


def restore_products(module: ir.Operation, target: Target) -> None:
    """Turn the casts into linalg.generic again."""
    from passes.mlir import linalg  # slow to import, and most stages do without

    for op in find_all(module, "builtin.unrealized_conversion_cast"):
        if HIDDEN not in op.attributes:
            continue
        left, right, start = op.operands
        with ir.InsertionPoint(op), op.location:
            product = linalg.contract(left, right, outs=[start], indexing_maps=op.attributes[HIDDEN])
        op.results[0].replace_all_uses_with(product)
        op.erase()
    for function in functions(module):
        generalize(function, "linalg.contract")
