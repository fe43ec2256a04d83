"""ATen to the math dialect: elementwise functions that TOSA lacks, or lacks for the element type."""

from __future__ import annotations

from typing import Any

from frontend.ops.values import cast, elementwise, is_float, operand, ranked
from frontend.registry import DECLINED, Registry
from passes.mlir import ir, math

ops_registry = Registry("math")

for _name, _op in {
    "abs": math.absf, "acos": math.acos, "acosh": math.acosh, "asin": math.asin, "asinh": math.asinh, "atan": math.atan,
    "atanh": math.atanh, "ceil": math.ceil, "cos": math.cos, "cosh": math.cosh, "erf": math.erf, "exp": math.exp,
    "exp2": math.exp2, "expm1": math.expm1, "floor": math.floor, "log": math.log, "log10": math.log10, "log1p": math.log1p,
    "log2": math.log2, "round": math.roundeven, "rsqrt": math.rsqrt, "sin": math.sin, "sinh": math.sinh, "sqrt": math.sqrt,
    "tan": math.tan, "tanh": math.tanh, "trunc": math.trunc,
}.items():  # fmt: skip

    @ops_registry.lowers(f"aten.{_name}.default")
    def _unary(out: ir.Type, self: ir.Value, _op: Any = _op) -> Any:
        element = ranked(out).element_type
        if not is_float(element) or (not is_float(ranked(self).element_type) and _op in (math.ceil, math.floor, math.trunc)):
            return DECLINED
        return elementwise(ranked(out), [cast(self, element)], _op)


for _name, _op in {"pow.Tensor_Tensor": math.powf, "pow.Tensor_Scalar": math.powf, "atan2.default": math.atan2}.items():

    @ops_registry.lowers(f"aten.{_name}")
    def _binary(out: ir.Type, self: ir.Value, other: Any = None, exponent: Any = None, _op: Any = _op) -> Any:
        type_ = ranked(out)
        if not is_float(type_.element_type):
            return DECLINED
        second = exponent if other is None else other
        return elementwise(type_, [operand(v, type_.element_type, type_.rank) for v in (self, second)], _op)
