"""Let a function return values from its inside, so that they can be looked at."""

from __future__ import annotations

from collections.abc import Sequence

from passes.mlir import bufferization, ir
from passes.schedule import find_all

Place = tuple[str, int, int]  # an operation at the top of the function: its location's name, which of that name; the result


def name_of(location: ir.Location) -> str:
    """The name of a location that has one: of the model's node."""
    return location.name_str if isinstance(location, ir.NameLoc) else ""


def expose(module: ir.Module, function: str, places: Sequence[Place]) -> list[bool]:
    """Let the function return the values at these places behind its own results, each a copy made as soon as it is computed.

    Says for each place whether there is a tensor; where there is none, nothing is returned.
    """
    (op,) = [f for f in find_all(module.operation, "func.func") if f.opview.name.value == function]
    block = op.regions[0].blocks[0]
    values = _values(block)
    found = [values.get((name, ordinal, index)) for name, ordinal, index in places]
    kept = [value for value in found if value is not None]
    with module.context:
        copies = [_copied(value) for value in kept]
        last = block.operations[len(block.operations) - 1]
        with ir.InsertionPoint(last), last.location:
            ir.Operation.create("func.return", operands=[*last.operands, *copies])
        last.operation.erase()
        type_ = op.opview.type
        results = [*type_.results, *(copy.type for copy in copies)]
        op.attributes["function_type"] = ir.TypeAttr.get(ir.FunctionType.get(type_.inputs, results))
        if "res_attrs" in op.attributes:
            del op.attributes["res_attrs"]
    return [value is not None for value in found]


def _values(block: ir.Block) -> dict[Place, ir.Value]:
    counts: dict[str, int] = {}
    values = {}
    for op in block.operations:
        name = name_of(op.location)
        for index, result in enumerate(op.operation.results):
            if isinstance(result.type, ir.RankedTensorType):
                values[name, counts.get(name, 0), index] = result
        counts[name] = counts.get(name, 0) + 1
    return values


def _copied(value: ir.Value) -> ir.Value:
    """Later operations may write over the value's memory, if they find that nobody reads it: this one reads it now."""
    with ir.InsertionPoint.after(value.owner), value.owner.location:
        return bufferization.AllocTensorOp(value.type, [], copy=value).result
