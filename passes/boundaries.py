"""What a function promises its callers: it reads its arguments, and writes its results where the caller says."""

from __future__ import annotations

from passes.mlir import bufferization, func, ir, memref
from passes.schedule import find_all
from passes.targets import Target


def read_only_arguments(module: ir.Operation, target: Target) -> None:
    """Before bufferization: no function writes into a tensor argument, so no caller has to copy one.

    Functions with a body get a C interface, `_mlir_ciface_<name>`, by which the runner calls them.
    """
    for op in find_all(module, "func.func"):
        function = op.opview
        promise = (
            {"bufferization.access": ir.StringAttr.get("read")}
            if function.is_external
            else {"bufferization.writable": ir.BoolAttr.get(False)}
        )
        types = function.type.inputs
        function.attributes["arg_attrs"] = ir.ArrayAttr.get(
            [ir.DictAttr.get(promise if isinstance(t, ir.RankedTensorType) else {}) for t in types]
        )
        if not function.is_external:
            function.attributes["llvm.emit_c_interface"] = ir.UnitAttr.get()


def distinct_results(module: ir.Operation, target: Target) -> None:
    """A value that a function returns twice gets memory of its own each time: a caller's results are never one memory."""
    for op in find_all(module, "func.return"):
        seen = set()
        for index, value in enumerate(op.operands):
            if value in seen and isinstance(value.type, ir.RankedTensorType):
                with ir.InsertionPoint(op), op.location:
                    op.operands[index] = bufferization.AllocTensorOp(value.type, [], copy=value).result
            seen.add(value)


def results_as_allocated(module: ir.Operation, target: Target) -> None:
    """After bufferization: what is returned in another shape is allocated in that one, and the caller's memory can serve."""
    for op in find_all(module, "func.return"):
        for value in op.operands:
            shapes = _reshapes(value)
            if not shapes or shapes[-1].operands[0] in list(op.operands):
                continue
            old = shapes[-1].operands[0]
            with ir.InsertionPoint(old.owner), op.location:
                new = reshaped = memref.AllocOp(value.type, [], [], alignment=64).result
                for shape in shapes:
                    reshaped = _undone(shape, reshaped)
            old.replace_all_uses_with(reshaped)
            value.replace_all_uses_with(new)


def _reshapes(value: ir.Value) -> list[ir.Operation]:
    """The operations, the last one first, that make a value of static shape from memory allocated in the same block."""
    found: list[ir.Operation] = []
    while not isinstance(value.owner, ir.Block) and value.owner.name in ("memref.collapse_shape", "memref.expand_shape"):
        found.append(value.owner)
        value = value.owner.operands[0]
    shapes = [value.type, *(op.results[0].type for op in found)]
    allocated = not isinstance(value.owner, ir.Block) and value.owner.name == "memref.alloc"
    return found if found and allocated and all(t.has_static_shape for t in shapes) else []


def _undone(shape: ir.Operation, value: ir.Value) -> ir.Value:
    """A value of the shape that `shape` made, in the shape that it was made from."""
    before, groups = shape.operands[0].type, shape.attributes["reassociation"]
    if shape.name == "memref.expand_shape":
        return memref.CollapseShapeOp(before, value, groups).result
    return memref.ExpandShapeOp(before, value, groups, [], before.shape).result


def results_of_callees(module: ir.Operation, target: Target) -> None:
    """After bufferization: a function of another module takes memory for its results as last arguments.

    The functions of this module get theirs from upstream's buffer-results-to-out-params, which leaves declarations alone.
    """
    declared = [op.opview for op in find_all(module, "func.func") if op.opview.is_external]
    externals = {f.name.value: f for f in declared if any(isinstance(t, ir.MemRefType) for t in f.type.results)}
    for call in find_all(module, "func.call"):
        if ir.FlatSymbolRefAttr(call.attributes["callee"]).value in externals:
            with ir.InsertionPoint(call), call.location:
                results = [memref.AllocOp(r.type, [], [], alignment=64).result for r in call.results]
                func.CallOp([], call.attributes["callee"], [*call.operands, *results])
            for old, new in zip(call.results, results, strict=True):
                old.replace_all_uses_with(new)
            call.erase()
    for function in externals.values():
        type_ = function.type
        function.attributes["function_type"] = ir.TypeAttr.get(ir.FunctionType.get([*type_.inputs, *type_.results], []))
        if "arg_attrs" in function.attributes:
            del function.attributes["arg_attrs"]
