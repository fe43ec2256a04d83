"""Floats as the bits they are made of, and tensors read as another type."""

from __future__ import annotations

from typing import Any

from frontend.ops.elements import constant, convert, is_bool, is_complex, is_float, recast, signless
from frontend.ops.linalg.elementwise import pointwise
from frontend.ops.linalg.registry import ops_registry
from frontend.ops.scalars import Scalar, apply, where
from frontend.ops.values import elementwise, empty, generic, ranked, reshape
from frontend.registry import DECLINED
from passes.mlir import arith, ir, linalg, math

# Of a float: the bits of its mantissa.
_MANTISSA = {"f16": 10, "bf16": 7, "f32": 23, "f64": 52}


def _bits(x: Scalar) -> Scalar:
    return Scalar(arith.bitcast(ir.IntegerType.get_signless(x.type.width), x.value))


def _float(bits: Scalar, element: ir.Type) -> Scalar:
    return Scalar(arith.bitcast(element, bits.value))


def _nextafter(x: Scalar, y: Scalar) -> Scalar:
    """One step of the bits: they are in the order of the magnitudes."""
    bits = _bits(x)
    away = (y > x).to(bits.type) == (x > 0).to(bits.type)
    least = apply(math.copysign, _float(bits.like(1), x.type), y)
    step = _float(where(away, bits + 1, bits - 1), x.type)
    return where(x != x, x, where((x == y) | (y != y), y, where(x == 0, least, step)))


@ops_registry.lowers("aten.nextafter.default", dynamic=True)
def nextafter(out: ir.Type, self: ir.Value, other: ir.Value) -> ir.Value:
    return elementwise(ranked(out), [self, other], lambda x, y: _nextafter(Scalar(x), Scalar(y)).value)


def _frexp(x: Scalar) -> tuple[Scalar, Scalar]:
    """The mantissa, from 0.5 to 1, and the exponent, which is 0 of 0, inf and NaN."""
    digits = _MANTISSA[str(x.type)]
    bias = (1 << (x.type.width - digits - 2)) - 1
    bits = _bits(x)
    tiny = (bits >> digits & (2 * bias + 1)) == 0  # with fewer digits
    bits = where(tiny, _bits(x * 2.0 ** (digits + 1)), bits)
    field = bits >> digits & (2 * bias + 1)
    plain = (x == 0) | (field == 2 * bias + 1)
    mantissa = _float((bits & ~((2 * bias + 1) << digits)) | ((bias - 1) << digits), x.type)
    exponent = field - (bias - 1) - where(tiny, bits.like(digits + 1), 0)
    return where(plain, x, mantissa), where(plain, 0, exponent)


@ops_registry.lowers("aten.frexp.Tensor", dynamic=True)
def frexp(out: tuple[ir.Type, ir.Type], self: ir.Value) -> list[ir.Value]:
    mantissa, exponent = out
    element = ranked(self).element_type
    return [
        pointwise(mantissa, [self], lambda x: _frexp(x)[0], element),
        pointwise(exponent, [self], lambda x: _frexp(x)[1], element),
    ]


def _to_bits(x: ir.Value) -> ir.Value:
    """A scalar as the integer that lies in memory; a bool is one byte there."""
    byte = ir.IntegerType.get_signless(8)
    if is_bool(x.type):
        return convert(x, byte)
    return _bits(Scalar(x)).value if is_float(x.type) else recast(x, signless(x.type))


def _from_bits(x: ir.Value, element: ir.Type) -> ir.Value:
    if is_bool(element):
        return convert(x, element)
    return _float(Scalar(x), element).value if is_float(element) else recast(x, element)


@ops_registry.lowers("aten.view.dtype")
def view_dtype(out: ir.Type, self: ir.Value, dtype: str) -> Any:
    """The same bytes: an element of the one type is as many of the other as its width has room for."""
    result, given = ranked(out), ranked(self)
    if is_complex(result.element_type) or is_complex(given.element_type):
        return DECLINED
    new, old = (max(t.element_type.width, 8) for t in (result, given))
    whole = ir.IntegerType.get_signless(max(new, old))
    if new < old:  # the parts of each element, the lowest first
        parts = ir.RankedTensorType.get([*given.shape, old // new], result.element_type)

        def part(x: ir.Value) -> ir.Value:
            start = Scalar(linalg.IndexOp(given.rank).result).to(whole) * new
            bits = (Scalar(_to_bits(x)) >> start).to(ir.IntegerType.get_signless(new))
            return _from_bits(bits.value, result.element_type)

        return reshape(elementwise(parts, [reshape(self, [*given.shape, 1])], part), result.shape)
    plain = ir.RankedTensorType.get(result.shape, whole)
    parts = reshape(self, [*result.shape, new // old])

    def joined(x: ir.Value, so_far: ir.Value) -> ir.Value:
        start = Scalar(linalg.IndexOp(result.rank).result).to(whole) * old
        bits = Scalar(arith.extui(whole, _to_bits(x)) if new > old else _to_bits(x))
        return (Scalar(so_far) | bits << start).value

    identity = ir.AffineMap.get_identity(result.rank + 1)
    kept = ir.AffineMap.get(result.rank + 1, 0, [ir.AffineDimExpr.get(d) for d in range(result.rank)])
    start = linalg.fill(constant(whole, 0), outs=[empty(plain)])
    bits = generic(plain, [parts], start, [identity, kept], ["parallel"] * result.rank + ["reduction"], joined)
    return elementwise(result, [bits], lambda x: _from_bits(x, result.element_type))
