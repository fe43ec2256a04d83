"""Complex numbers and their parts."""

from __future__ import annotations

from typing import Any

from frontend.ops.elements import component, element_type, is_complex
from frontend.ops.linalg.registry import ops_registry
from frontend.ops.scalars import Scalar, where
from frontend.ops.values import cast, elementwise, empty, generic, operand, ranked
from frontend.registry import DECLINED
from passes.mlir import arith, ir, linalg, math
from passes.mlir import complex as complex_


@ops_registry.lowers("aten.complex.default", dynamic=True)
def complex_of(out: ir.Type, real: ir.Value, imag: ir.Value) -> ir.Value:
    element = ranked(out).element_type
    parts = [cast(v, component(element)) for v in (real, imag)]
    return elementwise(ranked(out), parts, lambda x, y: complex_.create_(element, x, y))


@ops_registry.lowers("aten.polar.default", dynamic=True)
def polar(out: ir.Type, abs: ir.Value, angle: ir.Value) -> ir.Value:
    element = ranked(out).element_type

    def body(size: ir.Value, angle: ir.Value) -> ir.Value:
        return complex_.create_(element, arith.mulf(size, math.cos(angle)), arith.mulf(size, math.sin(angle)))

    return elementwise(ranked(out), [cast(v, component(element)) for v in (abs, angle)], body)


@ops_registry.lowers("aten.view_as_real.default", dynamic=True)
def view_as_real(out: ir.Type, self: ir.Value) -> ir.Value:
    type_ = ranked(out)
    last = type_.rank - 1
    maps = [
        ir.AffineMap.get(type_.rank, 0, [ir.AffineDimExpr.get(d) for d in range(last)]),
        ir.AffineMap.get_identity(last + 1),
    ]

    def body(x: ir.Value, _: ir.Value) -> ir.Value:
        return where(Scalar(linalg.IndexOp(last).result) == 0, Scalar(x).real, Scalar(x).imag).value

    return generic(type_, [self], empty(type_), maps, ["parallel"] * type_.rank, body)


@ops_registry.lowers("aten.view_as_complex.default", dynamic=True)
def view_as_complex(out: ir.Type, self: ir.Value) -> ir.Value:
    type_ = ranked(out)
    place = [ir.AffineDimExpr.get(d) for d in range(type_.rank)]
    parts = [ir.AffineMap.get(type_.rank, 0, [*place, ir.AffineConstantExpr.get(part)]) for part in (0, 1)]
    maps = [*parts, ir.AffineMap.get_identity(type_.rank)]

    def body(real: ir.Value, imaginary: ir.Value, _: ir.Value) -> ir.Value:
        return complex_.create_(type_.element_type, real, imaginary)

    return generic(type_, [self, self], empty(type_), maps, ["parallel"] * type_.rank, body)


@ops_registry.lowers("aten._conj.default", "aten._conj_physical.default", "aten.conj_physical.default", dynamic=True)
def conj(out: ir.Type, self: ir.Value) -> ir.Value:
    if not is_complex(ranked(self).element_type):
        return self
    return elementwise(ranked(out), [self], complex_.conj)


@ops_registry.lowers("aten.resolve_conj.default", "aten.resolve_neg.default", dynamic=True)
def resolve(out: ir.Type, self: ir.Value) -> ir.Value:
    """Nothing: what PyTorch leaves to do later, conjugating and negating, was done at once."""
    return self


@ops_registry.lowers("aten._neg_view.default", dynamic=True)
def neg_view(out: ir.Type, self: ir.Value) -> ir.Value:
    return elementwise(ranked(out), [self], lambda x: (-Scalar(x)).value)


@ops_registry.lowers("aten.angle.default", dynamic=True)
def angle(out: ir.Type, self: ir.Value) -> Any:
    """Of real numbers: 0, pi where negative, NaN where NaN."""
    if is_complex(ranked(self).element_type):
        return DECLINED

    def body(x: ir.Value) -> ir.Value:
        number = Scalar(x)
        turned = where(number < 0, 3.141592653589793, number.like(0))
        return where(number == number, turned, number).value

    return elementwise(ranked(out), [cast(self, ranked(out).element_type)], body)


@ops_registry.lowers("aten.where.self", dynamic=True)
def where_self(out: ir.Type, condition: ir.Value, self: Any, other: Any) -> ir.Value:
    type_ = ranked(out)
    operands = [operand(v, type_.element_type, type_.rank) for v in (self, other)]
    return elementwise(type_, [cast(condition, element_type("i1")), *operands], arith.select)
