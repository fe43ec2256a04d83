"""What formulas on Scalars are made of, and how one becomes the lowering of an operator."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from frontend.ops.elements import element_type, is_float, wide
from frontend.ops.math.registry import ops_registry
from frontend.ops.scalars import Scalar, apply, where
from frontend.ops.values import elementwise, operand, ranked
from frontend.registry import DECLINED
from passes.mlir import ir, math

Formula = Callable[..., Scalar]

absolute, acos, copysign, cos, erf, erfc, exp, floor, fma, log, nearest, power, sin, sqrt, tan, trunc = (
    partial(apply, operation)
    for operation in (
        math.absf, math.acos, math.copysign, math.cos, math.erf, math.erfc, math.exp, math.floor, math.fma, math.log,
        math.roundeven, math.powf, math.sin, math.sqrt, math.tan, math.trunc,
    )
)  # fmt: skip

INF, NAN = float("inf"), float("nan")


def by_formula(out: ir.Type, formula: Formula, *operands: Any, precise: bool = False) -> Any:
    """A formula on each element of the operands, computed in f32 or f64 (in f64 if `precise`) and rounded once."""
    type_ = ranked(out)
    element = type_.element_type
    if not is_float(element):
        return DECLINED
    inside = element_type("f64") if precise else wide(element)

    def body(*values: ir.Value) -> ir.Value:
        return formula(*(Scalar(v).to(inside) for v in values)).to(element).value

    return elementwise(type_, [operand(v, element, type_.rank) for v in operands], body)


def lower_to(formula: Formula, *operators: str, precise: bool = False) -> None:
    """Lower `aten.<operator>` to a formula of its operands."""

    @ops_registry.lowers(*(f"aten.{name}" for name in operators), dynamic=True)
    def lowering(out: ir.Type, **args: Any) -> Any:
        return by_formula(out, formula, *args.values(), precise=precise)


def polynomial(x: Scalar, coefficients: Sequence[float]) -> Scalar:
    """Horner's scheme, from the highest power."""
    result = x.like(coefficients[0])
    for coefficient in coefficients[1:]:
        result = result * x + coefficient
    return result


def ratio(x: Scalar, of: tuple[Sequence[float], Sequence[float]]) -> Scalar:
    """A rational function: numerator and denominator."""
    return polynomial(x, of[0]) / polynomial(x, of[1])


def chebyshev(x: Scalar, coefficients: Sequence[float]) -> Scalar:
    """A Chebyshev series in x / 2 by Clenshaw's recurrence, from the highest degree; the last coefficient counts half."""
    before, last, result = x.like(0), x.like(0), x.like(coefficients[0])
    for coefficient in coefficients[1:]:
        before, last = last, result
        result = x * last - before + coefficient
    return (result - before) * 0.5


def either(*cases: tuple[Scalar, Any], otherwise: Scalar) -> Scalar:
    """The value of the first case whose condition holds."""
    result = otherwise
    for condition, value in reversed(cases):
        result = where(condition, value, result)
    return result
