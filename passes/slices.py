"""Cut operations out of a function: each cut is a function of its own that takes what the operations use."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from passes.expose import name_of
from passes.mlir import func, ir
from passes.schedule import find_all

# What is cheap to compute wherever it is used, and what no caller could pass: every cut has its own.
FREE = {"arith.constant", "tosa.const", "tosa.const_shape", "tensor.empty", "memref.get_global", "tensor.dim", "memref.dim"}
SHAPED = (ir.RankedTensorType, ir.MemRefType)


class NoSlices(Exception):
    """A module that cannot be cut: which function, and why."""


@dataclass(frozen=True)
class Described:
    """An operation at the top of a function: its name, its node's name and line, whose results it uses, whether it is FREE."""

    op: str
    node: str
    source: str
    uses: tuple[int, ...]
    free: bool


def function_of(module: ir.Module, name: str = "") -> ir.Operation:
    """The function of a name; without one the first that has a body and is public."""
    bodies = [op for op in find_all(module.operation, "func.func") if not op.opview.is_external]
    found = [
        op
        for op in bodies
        if (op.opview.name.value == name if name else str(op.attributes.get("sym_visibility", "")) != '"private"')
    ]
    if not found:
        raise NoSlices(f"no function {name!r} with a body" if name else "no public func.func with a body")
    return found[0]


def signature(function: ir.Operation) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """What a function takes and returns: of each its kind (tensor or memory), element type and shape."""
    type_ = function.opview.type
    where = f"{function.opview.name.value!r}"
    return [_plain(t, where) for t in type_.inputs], [_plain(t, where) for t in type_.results]


def describe(function: ir.Operation) -> list[Described]:
    """The operations of a function's only block, without the last one."""
    operations = _operations(function)
    numbers = {result: i for i, op in enumerate(operations) for result in op.results}
    return [
        Described(op.name, name_of(op.location), source_of(op.location), tuple(dict.fromkeys(_used(op, numbers))), _is_free(op))
        for op in operations
    ]


def cut(module: ir.Module, function: ir.Operation, picks: Sequence[Sequence[int]]) -> tuple[ir.Module, list[bool]]:
    """A module with a function `slice<i>` for the operations of each pick, and which picks can be functions."""
    operations = _operations(function)
    with module.context, function.location:
        made = ir.Module.create()
        with ir.InsertionPoint(made.body):
            for op in module.body.operations:
                if op.operation.name != "func.func" or op.opview.is_external:
                    op.operation.clone()
            possible = [_cut(f"slice{i}", operations, set(pick)) for i, pick in enumerate(picks)]
    return made, possible


def source_of(location: ir.Location) -> str:
    """The line of the model that a location tells of: `model/mlp.py:31`; empty if it tells of none."""
    while isinstance(location, ir.NameLoc):
        location = location.child_loc
    return f"{location.filename}:{location.start_line}" if isinstance(location, ir.FileLineColLoc) else ""


def _cut(name: str, operations: Sequence[ir.Operation], pick: set[int]) -> bool:
    numbers = {result: i for i, op in enumerate(operations) for result in op.results}
    pick = _with_free(operations, numbers, pick)
    chosen = [operations[i] for i in sorted(pick)]
    inside = {result for op in chosen for result in op.results}
    outside = list(dict.fromkeys(v for op in chosen for v in _outer(op) if v not in inside))
    results = [v for op in chosen for v in op.results if isinstance(v.type, ir.RankedTensorType) and _leaves(v, chosen)]
    results = [v for v in results if not _is_free(v.owner.operation)]
    written = any(isinstance(v.type, ir.MemRefType) for v in outside)
    if not all(_passable(v.type) for v in (*outside, *results)) or not (results or written):
        return False
    function = func.FuncOp(name, ([v.type for v in outside], [v.type for v in results]))
    block = function.add_entry_block()
    values: dict[ir.Value, ir.Value] = dict(zip(outside, block.arguments, strict=True))
    with ir.InsertionPoint(block):
        for op in chosen:
            copy = op.clone()
            _rename(copy, values)
            values.update(zip(op.results, copy.results, strict=True))
        func.ReturnOp([values[v] for v in results])
    return True


def _operations(function: ir.Operation) -> list[ir.Operation]:
    blocks = list(function.regions[0].blocks)
    if len(blocks) != 1:
        raise NoSlices(f"{function.opview.name.value!r} has branches between blocks")
    return [op.operation for op in blocks[0].operations][:-1]


def _with_free(operations: Sequence[ir.Operation], numbers: dict[ir.Value, int], pick: set[int]) -> set[int]:
    pending, found = list(pick), set(pick)
    while pending:
        for number in _used(operations[pending.pop()], numbers):
            if number not in found and _is_free(operations[number]):
                found.add(number)
                pending.append(number)
    return found


def _is_free(op: ir.Operation) -> bool:
    scalar = bool(len(op.results)) and not any(isinstance(r.type, ir.ShapedType) for r in op.results)
    return op.name in FREE or (scalar and not len(op.regions))


def _used(op: ir.Operation, numbers: dict[ir.Value, int]) -> Iterator[int]:
    return (numbers[value] for value in _outer(op) if value in numbers)


def _outer(op: ir.Operation) -> list[ir.Value]:
    """What an operation uses, with what is in it, of values from outside."""
    inner: set[ir.Value] = set()
    used: list[ir.Value] = []
    _walk(op, inner, used)
    return [value for value in dict.fromkeys(used) if value not in inner]


def _walk(op: ir.Operation, inner: set[ir.Value], used: list[ir.Value]) -> None:
    used.extend(op.operands)
    for region in op.regions:
        for block in region.blocks:
            inner.update(block.arguments)
            for child in block.operations:
                _walk(child.operation, inner, used)
                inner.update(child.operation.results)


def _rename(op: ir.Operation, values: dict[ir.Value, ir.Value]) -> None:
    for i, operand in enumerate(op.operands):
        if operand in values:
            op.operands[i] = values[operand]
    for region in op.regions:
        for block in region.blocks:
            for child in block.operations:
                _rename(child.operation, values)


def _leaves(value: ir.Value, chosen: Iterable[ir.Operation]) -> bool:
    """Whether somebody outside uses a value; if nobody at all does, it is looked at as well."""
    users = [_top(use.owner.operation, value.owner.operation) for use in value.uses]
    return not users or any(user not in chosen for user in users)


def _top(op: ir.Operation, beside: ir.Operation) -> ir.Operation:
    while op.block != beside.block:
        op = op.parent.operation
    return op


def _passable(type_: ir.Type) -> bool:
    return isinstance(type_, SHAPED) and type_.has_static_shape


def _plain(type_: ir.Type, where: str) -> dict[str, Any]:
    if not _passable(type_):
        raise NoSlices(f"{where} takes or returns {type_}; expected tensors and memory of fixed sizes")
    element = str(type_.element_type)
    names = {"complex<f32>": "c64", "complex<f64>": "c128"}
    dtype = names.get(element, element.removeprefix("s") if element.startswith("si") else element.replace("ui", "u"))
    return {"memory": isinstance(type_, ir.MemRefType), "dtype": dtype, "shape": list(type_.shape)}
