"""linalg.generic: made of named operations, and written from scratch."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from passes.mlir import ir
from passes.schedule import Schedule, find_all, functions
from passes.targets import Target

MOVING = ("linalg.transpose", "linalg.broadcast")


def generalize_moves(module: ir.Operation, target: Target) -> None:
    """Write what only moves elements as linalg.generic, so that it fuses with what reads it."""
    for function in functions(module):
        generalize(function, *MOVING)


def generalize(function: ir.Operation, *names: str) -> None:
    """The operations of these names in a function."""
    schedule = Schedule()
    for name in names:
        if find_all(function, name):
            found = schedule.match("%root", name)
            schedule.op(f"structured.generalize {found}", found, results=1)
    if schedule.lines:
        schedule.apply(function)


def elementwise(
    type_: ir.RankedTensorType, inputs: Sequence[ir.Value], maps: Sequence[ir.AffineMap], body: Callable[..., ir.Value]
) -> ir.Value:
    """A linalg.generic of parallel loops: `maps` are of the inputs and of the result, `body` makes an element of elements."""
    from passes.mlir import linalg, tensor  # slow to import, and most stages do without

    parallel = ir.Attribute.parse("#linalg.iterator_type<parallel>")
    op = linalg.GenericOp(
        [type_],
        inputs,
        [tensor.empty(type_.shape, type_.element_type)],
        ir.ArrayAttr.get([ir.AffineMapAttr.get(m) for m in maps]),
        ir.ArrayAttr.get([parallel] * maps[0].n_dims),
    )
    elements = [value.type.element_type for value in (*inputs, op.results[0])]
    block = op.regions[0].blocks.append(*elements, arg_locs=[op.location] * len(elements))
    with ir.InsertionPoint(block):
        linalg.YieldOp([body(*list(block.arguments)[:-1])])
    return op.results[0]
