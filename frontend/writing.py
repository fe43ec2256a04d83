"""Functions that write into their arguments: which are passed as memory, and how their new values get there."""

from __future__ import annotations

import math

from frontend.graph import Graph, Ref
from frontend.ops.values import memory_type, ranked
from passes.mlir import bufferization, ir


def argument_type(type_: ir.RankedTensorType, written: bool) -> ir.Type:
    """How a tensor is passed to a function: as memory if the function writes it."""
    return memory_type(type_) if written else type_


def write(graph: Graph, arguments: list[ir.Value], values: dict[Ref, ir.Value], results: list[ir.Value]) -> list[ir.Value]:
    """Put the new values of what the graph writes into memory; returns the results.

    Until then any of them may lie in this memory, so all are copied but those that belong there.
    """
    results = [_copied(value) for value in results]
    memory = dict(zip(graph.arguments()[::-1], arguments[::-1], strict=False))
    made = zip((values[ref] for ref in graph.outputs[len(graph.returned()) :]), graph.writes, strict=True)
    new = {name: value if _grown_from(value, values[Ref(name)]) else _copied(value) for value, name in made}
    for name, value in new.items():
        bufferization.MaterializeInDestinationOp(None, value, memory[name], restrict=True, writable=True)
    return results


def _copied(value: ir.Value) -> ir.Value:
    return bufferization.AllocTensorOp(value.type, [], copy=value).result


def _grown_from(value: ir.Value, old: ir.Value) -> bool:
    """Whether `value` is `old` with elements replaced, in place if bufferization finds that nobody needs those of before."""
    while value != old:
        before = _before(value)
        if before is None:
            return False
        value = before
    return True


def _before(value: ir.Value) -> ir.Value | None:
    """What `value` was before the operation that replaces elements of it, or memory that a callee writes; else None."""
    op = value.owner if isinstance(value, ir.OpResult) else None
    name = op.name if op else ""
    if op is None or (name == "tensor.insert_slice" and _count(op.operands[0]) >= _count(value)):
        return None  # no operation, or it replaces everything
    if name == "scf.for":
        return op.operands[3 + ir.OpResult(value).result_number]
    if name == "bufferization.to_tensor" and op.operands[0].owner.name == "bufferization.to_buffer":
        return op.operands[0].owner.operands[0]
    return op.operands[1] if name in ("tensor.insert", "tensor.insert_slice") else None


def _count(value: ir.Value) -> int:
    return math.prod(ranked(value).shape)
