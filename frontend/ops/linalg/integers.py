"""Arithmetic of whole numbers: powers, divisors and shifts."""

from __future__ import annotations

from typing import Any

from frontend.ops.control import iterate
from frontend.ops.elements import is_unsigned
from frontend.ops.linalg.arithmetic import magnitude
from frontend.ops.linalg.elementwise import pointwise
from frontend.ops.linalg.registry import ops_registry
from frontend.ops.scalars import Scalar, where
from frontend.ops.values import ranked
from frontend.registry import DECLINED
from passes.mlir import ir


def power(x: Scalar, n: int) -> Scalar:
    """x to a whole power that is not negative, by squaring."""
    if n < 2:
        return x if n else x.like(1)
    half = power(x, n // 2)
    return half * half * x if n % 2 else half * half


def _power(x: Scalar, y: Scalar) -> Scalar:
    """The same for a power known at run time; of negative ones only those of 1 and -1 are not 0."""
    one = x.like(1)
    left = y if is_unsigned(y.type) else y.maximum(0)

    def step(result: Scalar, base: Scalar, left: Scalar) -> tuple[Scalar, Scalar, Scalar]:
        return where((left & 1) != 0, result * base, result), base * base, left >> 1

    result, _, _ = iterate(lambda result, base, left: left != 0, step, one, x, left)
    if is_unsigned(y.type):
        return result
    sign = where((y & 1) != 0, x, one)
    return where(y < 0, where((x == 1) | (x == -1), sign, 0), result)


@ops_registry.lowers("aten.pow.Tensor_Tensor", "aten.pow.Tensor_Scalar", "aten.pow.Scalar", dynamic=True)
def pow_(out: ir.Type, self: Any, exponent: Any) -> Any:
    if not isinstance(ranked(out).element_type, ir.IntegerType):
        return DECLINED
    if isinstance(exponent, ir.Value):
        return pointwise(out, [self, exponent], _power)
    return pointwise(out, [self], lambda x: power(x, int(exponent))) if exponent >= 0 else DECLINED


def _gcd(x: Scalar, y: Scalar) -> Scalar:
    _, greatest = iterate(lambda x, y: x != 0, lambda x, y: (y.do("rem", x), x), magnitude(x), magnitude(y))
    return greatest


def _lcm(x: Scalar, y: Scalar) -> Scalar:
    shortened = x.do("div", _gcd(x, y))
    return magnitude(shortened.to("i32") * y.to("i32") if x.type.width < 32 else shortened * y)


def _shift(x: Scalar, y: Scalar, left: bool) -> Scalar:
    """By a negative number, or by all bits and more, everything is shifted out: 0, or -1 to the right of a negative number."""
    width = x.type.width
    inside = y < width if is_unsigned(y.type) else (y >= 0) & (y < width)
    if left:
        return where(inside, x << where(inside, y, 0), 0)
    if is_unsigned(x.type):
        return where(inside, x >> where(inside, y, 0), 0)
    return x >> where(inside, y, width - 1)


for _names, _function in {
    ("aten.gcd.default",): _gcd,
    ("aten.lcm.default",): _lcm,
    ("aten.bitwise_left_shift.Tensor", "aten.__lshift__.Tensor", "aten.__lshift__.Scalar"): lambda x, y: _shift(x, y, True),
    ("aten.bitwise_right_shift.Tensor", "aten.__rshift__.Tensor", "aten.__rshift__.Scalar"): lambda x, y: _shift(x, y, False),
}.items():

    @ops_registry.lowers(*_names, dynamic=True)
    def _integers(out: ir.Type, self: Any, other: Any, _function: Any = _function) -> Any:
        return pointwise(out, [self, other], _function) if isinstance(ranked(out).element_type, ir.IntegerType) else DECLINED
