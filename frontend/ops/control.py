"""Branches and loops whose results are scalars, for the body of a linalg.generic."""

from __future__ import annotations

from collections.abc import Callable

from frontend.ops.scalars import Scalar
from passes.mlir import ir, scf

State = tuple[Scalar, ...]


def branch(type_: ir.Type, condition: Scalar, yes: Callable[[], Scalar], no: Callable[[], Scalar]) -> Scalar:
    """`yes()` or `no()`, each of this type; unlike with `where`, only the one is computed."""
    op = scf.IfOp(condition.value, [type_], has_else=True)
    for block, result in ((op.then_block, yes), (op.else_block, no)):
        with ir.InsertionPoint(block):
            scf.YieldOp([result().value])
    return Scalar(op.results[0])


def iterate(condition: Callable[..., Scalar], step: Callable[..., State], *start: Scalar) -> State:
    """`state = step(*state)` from `start` on, as long as `condition(*state)` holds."""
    types = [s.type for s in start]
    op = scf.WhileOp(types, [s.value for s in start])
    before, after = (region.blocks.append(*types) for region in op.regions)
    with ir.InsertionPoint(before):
        scf.ConditionOp(condition(*map(Scalar, before.arguments)).value, before.arguments)
    with ir.InsertionPoint(after):
        scf.YieldOp([s.value for s in step(*map(Scalar, after.arguments))])
    return tuple(map(Scalar, op.results))
