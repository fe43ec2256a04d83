"""Arithmetic of bf16 in f32, which is how every processor computes it: vectorized like any other, and without calls.

Each result is rounded to bf16 by bits: AVX-512's instruction makes zeros of the smallest numbers, and where a target has none
LLVM would call a function of the C compiler's run-time library that older ones do not have.
"""

from __future__ import annotations

from passes.mlir import arith, ir
from passes.schedule import find_all
from passes.targets import Target

AS_THEY_ARE = {"arith.constant", "arith.select", "arith.bitcast", "arith.extf", "arith.truncf"}


def widen_bf16(module: ir.Operation, target: Target) -> None:
    """Compute what has operands or results of bf16 in f32, and round each result."""
    for op in find_all(module):
        types = [value.type for value in (*op.operands, *op.results)]
        if op.name.startswith(("arith.", "math.")) and op.name not in AS_THEY_ARE and any(map(_is_bf16, types)):
            with ir.InsertionPoint(op), op.location:
                _replace_in_f32(op)
            op.erase()
    for op in find_all(module, "arith.truncf"):
        if _is_bf16(op.results[0].type):
            with ir.InsertionPoint(op), op.location:
                op.results[0].replace_all_uses_with(_rounded(op.operands[0]))
            op.erase()


def _replace_in_f32(op: ir.Operation) -> None:
    f32 = ir.F32Type.get()
    operands = [arith.extf(_of(f32, v.type), v) if _is_bf16(v.type) else v for v in op.operands]
    results = [_of(f32, v.type) if _is_bf16(v.type) else v.type for v in op.results]
    attributes = {name: op.attributes[name] for name in op.attributes}
    wide = ir.Operation.create(op.name, results=results, operands=operands, attributes=attributes)
    for old, new in zip(op.results, wide.results, strict=True):
        old.replace_all_uses_with(arith.truncf(old.type, new) if _is_bf16(old.type) else new)


def _rounded(value: ir.Value) -> ir.Value:
    """To the nearest bf16, the upper half of an f32, to an even one from the middle between two; NaN stays NaN."""
    type_ = value.type
    f32, i32, i16 = (_of(t, type_) for t in (ir.F32Type.get(), *map(ir.IntegerType.get_signless, (32, 16))))
    if type_ != f32:
        value = arith.truncf(f32, value)

    def whole(number: int) -> ir.Value:
        one = ir.IntegerAttr.get(ir.IntegerType.get_signless(32), number)
        return arith.constant(i32, ir.DenseElementsAttr.get_splat(i32, one) if isinstance(i32, ir.ShapedType) else one)

    bits = arith.bitcast(i32, value)
    upper = arith.shrui(bits, whole(16))
    up = arith.addi(arith.andi(upper, whole(1)), whole(0x7FFF))
    nearest = arith.shrui(arith.addi(bits, up), whole(16))
    quiet = arith.ori(upper, whole(0x40))
    nan = arith.cmpf(arith.CmpFPredicate.UNO, value, value)
    return arith.bitcast(_of(ir.BF16Type.get(), type_), arith.trunci(i16, arith.select(nan, quiet, nearest)))


def _is_bf16(type_: ir.Type) -> bool:
    element = ir.VectorType(type_).element_type if isinstance(type_, ir.VectorType) else type_
    return isinstance(element, ir.BF16Type)


def _of(element: ir.Type, like: ir.Type) -> ir.Type:
    """`element`, or a vector of it as long as `like`."""
    return ir.VectorType.get(ir.VectorType(like).shape, element) if isinstance(like, ir.VectorType) else element
