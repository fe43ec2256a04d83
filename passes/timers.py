"""Timers between the operations of a function: the module that `doit profile` runs is the midend's, with these calls in it.

Regions follow each other without a gap, each up to where the next begins: an operation at the top of the function, or several
in a row that are named alike, with the views and the memory that it needs. In a parallel region every thread tells when it
enters, when it has nothing left to do, and when it may leave.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from passes.mlir import ir
from passes.schedule import find_all, functions
from passes.stages import read, write

TIMER = "sluice_timer"  # in runner/profile.h, and so are the kinds of what it is told
BEGIN, ENTER, WAIT, LEAVE = range(4)
FREEING = "memory given back"  # the name of the region at the end that no node is named like
END = -1  # the region that begins where the last one ends
WRITING = {"memref.copy", "memref.store", "vector.store", "vector.transfer_write", "func.call"}  # and all that has a body
READING = {"memref.copy", "memref.load", "vector.load", "vector.transfer_read", "func.call"}
NO_CODE = {
    "arith.constant", "memref.alloc", "memref.alloca", "memref.cast", "memref.collapse_shape", "memref.dealloc", "memref.dim",
    "memref.expand_shape", "memref.get_global", "memref.reinterpret_cast", "memref.subview", "memref.transpose", "memref.view",
    "ub.poison",
}  # fmt: skip


@dataclass
class Region:
    """`name` is the node of the graph that it is named after; empty if nothing tells.

    `nodes` counts the operations in it that come from each node, but for those that only fill memory with a value.
    """

    name: str
    nodes: Counter[str] = field(default_factory=Counter)


def instrument(inputs: list[Path], outputs: list[Path]) -> None:
    """The build stage: the midend's module to the same one with timers, and its regions as JSON."""
    module = read(inputs[0])
    with module.context, ir.Location.unknown():
        regions = add_timers(module.operation)
        module.operation.verify()
    write(module, outputs[0])
    outputs[1].write_text(json.dumps([{"name": r.name, "nodes": r.nodes} for r in regions], indent=1) + "\n")


def add_timers(module: ir.Operation) -> list[Region]:
    """Put timers into every public function; their regions, by number."""
    regions: list[Region] = []
    callees = {_text(f, "sym_name"): f for f in functions(module)}
    for function in callees.values():
        if _text(function, "sym_visibility") != "private":
            for block in function.regions[0].blocks:
                _time_block(block, regions, callees)
    with ir.InsertionPoint.at_block_begin(module.regions[0].blocks[0]):
        i32 = ir.IntegerType.get_signless(32)
        type_ = ir.TypeAttr.get(ir.FunctionType.get([i32, i32], []))
        attributes = {
            "sym_name": ir.StringAttr.get(TIMER),
            "function_type": type_,
            "sym_visibility": ir.StringAttr.get("private"),
        }
        ir.Operation.create("func.func", attributes=attributes, regions=1)
    return regions


def _time_block(block: ir.Block, regions: list[Region], callees: dict[str, ir.Operation]) -> None:
    pending: list[ir.Operation] = []  # since the last operation that takes time: they belong to the next
    current = None
    for op in [op.operation for op in block.operations]:
        pending.append(op)
        if not (op.regions or op.name in WRITING):
            continue
        name = next(names_of(op.location), "")
        if current is None or current.name != name:
            current = Region(name)
            _timer(BEGIN, len(regions), before=pending[0])
            regions.append(current)
        for done in pending:
            if not done.regions or any(inner.name in READING for inner in find_all(done)):
                current.nodes += _nodes(done, callees)
            _time_threads(done, len(regions) - 1)
        pending = []
    if any(op.name == "memref.dealloc" for op in pending):
        _timer(BEGIN, len(regions), before=pending[0])
        regions.append(Region(FREEING))
    if pending and pending[-1].name == "func.return":
        _timer(BEGIN, END, before=pending[-1])


def _time_threads(op: ir.Operation, region: int) -> None:
    """Events of every thread in the parallel regions of an operation, the outermost ones.

    Threads wait for each other once, behind the loop, as they do without timers: only that the barrier is written out.
    """
    for parallel in find_all(op, "omp.parallel"):
        if _inside(parallel, "omp.parallel", op):
            continue
        body = [inner.operation for inner in parallel.regions[0].blocks[0].operations]
        last, terminator = (body[-2] if len(body) > 1 else None), body[-1]
        _timer(ENTER, region, before=body[0])
        _timer(WAIT, region, before=terminator)
        if last is not None and last.name == "omp.wsloop" and not last.regions[0].blocks[0].arguments:
            last.attributes["nowait"] = ir.UnitAttr.get()
            with ir.InsertionPoint(terminator):
                ir.Operation.create("omp.barrier", loc=terminator.location)
        _timer(LEAVE, region, before=terminator)


def _inside(op: ir.Operation, name: str, root: ir.Operation) -> bool:
    while op != root:
        op = op.parent.operation
        if op.name == name:
            return True
    return False


def _timer(kind: int, region: int, before: ir.Operation) -> None:
    i32 = ir.IntegerType.get_signless(32)
    with ir.InsertionPoint(before), before.location:
        values = [
            ir.Operation.create("arith.constant", results=[i32], attributes={"value": ir.IntegerAttr.get(i32, number)}).result
            for number in (kind, region)
        ]
        ir.Operation.create("func.call", operands=values, attributes={"callee": ir.FlatSymbolRefAttr.get(TIMER)})


def _nodes(op: ir.Operation, callees: dict[str, ir.Operation]) -> Counter[str]:
    """How many operations under `op`, or in what it calls, come from each node."""
    found: Counter[str] = Counter()
    seen: set[str] = set()
    roots = [op]
    while roots:
        for inner in find_all(roots.pop()):
            if inner.name not in NO_CODE:
                found.update(set(names_of(inner.location)))
            callee = ir.FlatSymbolRefAttr(inner.attributes["callee"]).value if inner.name == "func.call" else ""
            if callee in callees and callee not in seen:
                seen.add(callee)
                roots.append(callees[callee])
    return found


def names_of(location: ir.Location) -> Iterator[str]:
    """The names in a location, of all operations that were fused to one."""
    if isinstance(location, ir.NameLoc):
        yield location.name_str
    elif isinstance(location, ir.FusedLoc):
        for part in location.locations:
            yield from names_of(part)
    elif isinstance(location, ir.CallSiteLoc):
        yield from names_of(location.callee)


def _text(op: ir.Operation, name: str) -> str:
    return ir.StringAttr(op.attributes[name]).value if name in op.attributes else ""
