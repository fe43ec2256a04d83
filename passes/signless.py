"""Unsigned integer types to the signless ones that every operation works on; what they mean is in the operations by now."""

from __future__ import annotations

from passes.mlir import ir
from passes.schedule import find_all
from passes.targets import Target


def signless_integers(module: ir.Operation, target: Target) -> None:
    """Retype every value and function, and drop the casts between a type and its signless form."""
    if "ui" not in str(module):
        return
    for function in find_all(module, "func.func"):
        type_ = function.opview.type
        plain = ir.FunctionType.get([_signless(t) for t in type_.inputs], [_signless(t) for t in type_.results])
        function.attributes["function_type"] = ir.TypeAttr.get(plain)
        _retype(function)
    for op in find_all(module, "builtin.unrealized_conversion_cast"):
        if op.results[0].type == op.operands[0].type:
            op.results[0].replace_all_uses_with(op.operands[0])
            op.erase()


def _retype(op: ir.Operation) -> None:
    for result in op.results:
        result.set_type(_signless(result.type))
    for region in op.regions:
        for block in region.blocks:
            for argument in block.arguments:
                argument.set_type(_signless(argument.type))
            for inner in block.operations:
                _retype(inner.operation)


def _signless(type_: ir.Type) -> ir.Type:
    if isinstance(type_, ir.IntegerType) and type_.is_unsigned:
        return ir.IntegerType.get_signless(type_.width)
    if isinstance(type_, ir.RankedTensorType):
        return ir.RankedTensorType.get(type_.shape, _signless(type_.element_type))
    if isinstance(type_, ir.MemRefType):
        return ir.MemRefType.get(type_.shape, _signless(type_.element_type), type_.layout, type_.memory_space)
    return type_
