"""What PyTorch computes from each element, or from two, beyond sums, products and comparisons."""

from __future__ import annotations

import math as numbers
from collections.abc import Callable
from typing import Any

from frontend.ops.elements import is_bool, is_complex, is_float, is_unsigned
from frontend.ops.linalg.elementwise import pointwise
from frontend.ops.linalg.registry import ops_registry
from frontend.ops.scalars import Scalar, apply, where
from frontend.ops.values import ranked
from frontend.registry import DECLINED
from passes.mlir import arith, ir, math


def _is_nan(x: Scalar) -> Scalar:
    return x != x


def _either(x: Scalar, y: Scalar, name: str) -> Scalar:
    """The greater or the smaller, and the other one where one is NaN."""
    operation = arith.maxnumf if name == "maximum" else arith.minnumf
    return apply(operation, x, y) if is_float(x.type) else x.do(name, y)


def _remainder(x: Scalar, y: Scalar) -> Scalar:
    """What is left of x, with the sign of y."""
    if not is_float(x.type):
        return x % y
    rest = x % y
    return where((rest != 0) & ((rest < 0) ^ (y < 0)), rest + y, rest)


def _hypot(x: Scalar, y: Scalar) -> Scalar:
    """sqrt(x * x + y * y) without overflow: infinite if either is, else NaN if either is."""
    x, y = apply(math.absf, x), apply(math.absf, y)
    inf = numbers.inf
    high, low = x.maximum(y), x.minimum(y)
    ratio = low / high
    length = where(high == 0, 0, high * apply(math.sqrt, ratio * ratio + 1))
    return where((x == inf) | (y == inf), inf, length)


def copysign(x: Scalar, y: Scalar) -> Scalar:
    return apply(math.copysign, x, y)


# Functions of two arguments, computed in the result's type.
_BINARY: dict[str, Callable[[Scalar, Scalar], Scalar]] = {
    "aten.copysign.Tensor": copysign,
    "aten.copysign.Scalar": copysign,
    "aten.fmax.default": lambda x, y: _either(x, y, "maximum"),
    "aten.fmin.default": lambda x, y: _either(x, y, "minimum"),
    "aten.fmod.Scalar": lambda x, y: x.do("rem", y),
    "aten.fmod.Tensor": lambda x, y: x.do("rem", y),
    "aten.hypot.default": _hypot,
    "aten.maximum.default": Scalar.maximum,
    "aten.minimum.default": Scalar.minimum,
    "aten.remainder.Scalar": _remainder,
    "aten.remainder.Scalar_Tensor": _remainder,
    "aten.remainder.Tensor": _remainder,
}

for _name, _function in _BINARY.items():

    @ops_registry.lowers(_name, dynamic=True)
    def _binary(out: ir.Type, self: Any, other: Any, _function: Any = _function) -> Any:
        return DECLINED if is_complex(ranked(out).element_type) else pointwise(out, [self, other], _function)


def _sign(x: Scalar) -> Scalar:
    """1, 0 or -1; NaN has none and gives 0."""
    if is_bool(x.type):
        return x
    return (x > 0).to(x.type) if is_unsigned(x.type) else (x > 0).to(x.type) - (x < 0).to(x.type)


def _signbit(x: Scalar) -> Scalar:
    """Whether the sign is negative, that of -0.0 and of NaN too."""
    return copysign(x.like(1), x) < 0 if is_float(x.type) else x < 0


def magnitude(x: Scalar) -> Scalar:
    if is_float(x.type):
        return apply(math.absf, x)
    return x if is_unsigned(x.type) else x.maximum(-x)


def _is_inf(x: Scalar) -> Scalar:
    if is_complex(x.type):
        return _is_inf(x.real) | _is_inf(x.imag)
    return magnitude(x) == numbers.inf if is_float(x.type) else _is_nan(x)


# Functions of one argument, computed in the result's type if that is a float, else in the argument's.
_UNARY: dict[str, Callable[[Scalar], Scalar]] = {
    "abs": magnitude,
    "isinf": _is_inf,
    "isnan": _is_nan,
    "reciprocal": lambda x: 1 / x,
    "relu": lambda x: where(x < 0, 0, x),
    "sigmoid": lambda x: 1 / (1 + apply(math.exp, -x)),
    "sign": _sign,
    "signbit": _signbit,
}

for _name, _of_one in _UNARY.items():

    @ops_registry.lowers(f"aten.{_name}.default", dynamic=True)
    def _unary(out: ir.Type, self: ir.Value, _function: Any = _of_one) -> Any:
        given, result = ranked(self).element_type, ranked(out).element_type
        if is_complex(given) and _function not in (_is_inf, _is_nan):
            return DECLINED
        return pointwise(out, [self], _function, result if is_float(result) else given)


@ops_registry.lowers("aten.clamp.default", "aten.clamp.Tensor", dynamic=True)
def clamp(out: ir.Type, self: ir.Value, min: Any = None, max: Any = None) -> ir.Value:
    """NaN where any of the three is, the greatest where the least is above it."""

    def body(x: Scalar, *bounds: Scalar) -> Scalar:
        left = iter(bounds)
        if min is not None:
            least = next(left)
            x = where((x < least) | _is_nan(least), least, x)
        if max is not None:
            greatest = next(left)
            x = where((x > greatest) | _is_nan(greatest), greatest, x)
        return x

    return pointwise(out, [v for v in (self, min, max) if v is not None], body)


def _floored(x: Scalar, y: Scalar) -> Scalar:
    """The quotient of floats rounded down, from the exact remainder."""
    rest = x % y
    quotient = (x - rest) / y
    quotient = where((rest != 0) & ((rest < 0) ^ (y < 0)), quotient - 1, quotient)
    down = apply(math.floor, quotient)
    nearest = where(quotient - down > 0.5, down + 1, down)
    signed_zero = copysign(x.like(0), x / y)
    return where(y == 0, x / y, where(quotient == 0, signed_zero, nearest))


@ops_registry.lowers("aten.div.Tensor_mode", "aten.div.Scalar_mode", dynamic=True)
def div_mode(out: ir.Type, self: Any, other: Any, rounding_mode: str | None = None) -> ir.Value:
    element = ranked(out).element_type

    def truncated(x: Scalar, y: Scalar) -> Scalar:
        """The quotient is rounded to 16 bits before it is cut."""
        return apply(math.trunc, (x / y).to(element).to(x.type))

    function = Scalar.__truediv__
    if rounding_mode == "floor":
        function = _floored if is_float(element) else Scalar.__floordiv__
    elif rounding_mode == "trunc" and is_float(element):
        function = truncated
    return pointwise(out, [self, other], function)


@ops_registry.lowers("aten.round.decimals", dynamic=True)
def round_decimals(out: ir.Type, self: ir.Value, decimals: int = 0) -> ir.Value:
    """Scaled, rounded half to even and scaled back."""
    scale = 10.0 ** abs(decimals)

    def body(x: Scalar) -> Scalar:
        if decimals < 0:
            return apply(math.roundeven, x / scale) * scale
        return apply(math.roundeven, x * scale) / scale

    return pointwise(out, [self], body) if is_float(ranked(out).element_type) else self
