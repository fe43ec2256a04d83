"""Functions that the math dialect has, or that are one line of it."""

from __future__ import annotations

from functools import partial
from typing import Any

from frontend.ops.elements import constant, is_complex, is_float
from frontend.ops.math.formulas import by_formula
from frontend.ops.math.registry import ops_registry
from frontend.ops.scalars import apply
from frontend.ops.values import ranked
from frontend.registry import DECLINED
from passes.mlir import arith, ir, math


def expm1(x: ir.Value) -> ir.Value:
    """exp(x) - 1 without its loss of digits near 0 (Kahan's); what comes after would compute math.expm1 as it is written."""
    one, inf = (constant(x.type, n) for n in (1, float("inf")))
    power = math.exp(x)
    less = arith.subf(power, one)
    exact = arith.mulf(less, arith.divf(x, math.log(power)))
    coarse = arith.ori(_same(less, arith.negf(one)), _same(power, inf))
    return arith.select(_same(power, one), x, arith.select(coarse, less, exact))


def log1p(x: ir.Value) -> ir.Value:
    """log(1 + x) without its loss of digits near 0, like `expm1`."""
    one = constant(x.type, 1)
    sum_ = arith.addf(x, one)
    less = arith.subf(sum_, one)
    exact = arith.mulf(math.log(sum_), arith.divf(x, less))
    return arith.select(_same(sum_, one), x, arith.select(_same(less, x), math.log(sum_), exact))


def _same(x: ir.Value, y: ir.Value) -> ir.Value:
    return arith.cmpf(arith.CmpFPredicate.OEQ, x, y)


for _name, _op in {
    "acos": math.acos, "acosh": math.acosh, "asin": math.asin, "asinh": math.asinh, "atan": math.atan,
    "atanh": math.atanh, "ceil": math.ceil, "cos": math.cos, "cosh": math.cosh, "erf": math.erf, "exp": math.exp,
    "exp2": math.exp2, "expm1": expm1, "floor": math.floor, "log": math.log, "log10": math.log10, "log1p": log1p,
    "log2": math.log2, "round": math.roundeven, "rsqrt": math.rsqrt, "sin": math.sin, "sinh": math.sinh, "sqrt": math.sqrt,
    "tan": math.tan, "tanh": math.tanh, "trunc": math.trunc,
}.items():  # fmt: skip

    @ops_registry.lowers(f"aten.{_name}.default", dynamic=True)
    def _unary(out: ir.Type, self: ir.Value, _op: Any = _op) -> Any:
        if is_complex(ranked(self).element_type):
            return DECLINED
        if not is_float(ranked(out).element_type):
            return self if _op in (math.ceil, math.floor, math.roundeven, math.trunc) else DECLINED
        return by_formula(out, partial(apply, _op), self)


_ROOTS = {0.5: math.sqrt, -0.5: math.rsqrt}

for _name, _op in {"pow": math.powf, "atan2": math.atan2}.items():
    _overloads = ("Tensor_Tensor", "Tensor_Scalar", "Scalar") if _name == "pow" else ("default",)

    @ops_registry.lowers(*(f"aten.{_name}.{overload}" for overload in _overloads), dynamic=True)
    def _binary(out: ir.Type, self: Any, other: Any = None, exponent: Any = None, _op: Any = _op) -> Any:
        if exponent in _ROOTS and ranked(out).element_type != ir.F16Type.get():  # as PyTorch does, but not in f16
            return by_formula(out, partial(apply, _ROOTS[exponent]), self)
        return by_formula(out, partial(apply, _op), self, exponent if other is None else other)
