"""Arithmetic, comparisons, logic and conversions on each element."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from frontend.ops.elements import component, element_type, is_bool, is_complex, is_float, wide
from frontend.ops.linalg.registry import ops_registry
from frontend.ops.scalars import COMPARISONS, Scalar, compare
from frontend.ops.values import cast, elementwise, is_tensor, operand, ranked, scalar
from passes.mlir import ir, linalg


@ops_registry.lowers("aten.expand.default", dynamic=True)
def expand(out: ir.Type, self: ir.Value, **_: Any) -> ir.Value:
    return elementwise(ranked(out), [self], lambda x: x)


@ops_registry.lowers("aten.clone.default", "aten._to_copy.default", dynamic=True)
def to_copy(out: ir.Type, self: ir.Value, **_: Any) -> ir.Value:
    return cast(self, ranked(out).element_type)


@ops_registry.lowers("prims.convert_element_type.default", dynamic=True)
def convert_element_type(out: ir.Type, a: ir.Value, dtype: str) -> ir.Value:
    return cast(a, ranked(out).element_type)


@ops_registry.lowers("aten.arange.start_step", "prims.iota.default", dynamic=True)
def arange(out: ir.Type, start: Any, step: Any = 1, **_: Any) -> ir.Value:
    element = ranked(out).element_type
    wide = element if is_float(element) else element_type("i64")

    def body() -> ir.Value:
        at = Scalar(linalg.IndexOp(0).result).to(wide)
        first, stride = (Scalar(n).to(wide) if isinstance(n, ir.Value) else at.like(n) for n in (start, step))
        return (first + at * stride).to(element).value

    return elementwise(ranked(out), [], body)


for _name in COMPARISONS:

    @ops_registry.lowers(f"aten.{_name}.Tensor", f"aten.{_name}.Scalar", dynamic=True)
    def _compare(out: ir.Type, self: ir.Value, other: Any, _name: str = _name) -> ir.Value:
        element = common(self, other)

        def body(*scalars: ir.Value) -> ir.Value:
            x, y = scalars if len(scalars) == 2 else (scalars[0], scalar(element, other))
            return compare(_name, x, y)

        tensors = [self, other] if is_tensor(other) else [self]
        return elementwise(ranked(out), [cast(t, element) for t in tensors], body)


_NUMBERS = {bool: "i1", int: "i64", float: "f32", complex: "c64"}  # what PyTorch makes of a Python number; i64 of a size


def common(self: ir.Value, other: Any) -> ir.Type:
    """The element type in which PyTorch compares two operands.

    Complex numbers go before floats, these before integers and these before bool, then tensors before tensors without
    dimensions and these before numbers, then the wider.
    """

    def priority(value: Any) -> tuple[int, int, int]:
        known = is_tensor(value)
        element = ranked(value).element_type if known else element_type(_NUMBERS.get(type(value), "i64"))
        elements.append(element)
        rank = min(ranked(value).rank, 1) if known else -1
        kind = 3 if is_complex(element) else 2 if is_float(element) else 0 if is_bool(element) else 1
        return kind, rank, component(element).width

    elements: list[Any] = []
    mine, yours = priority(self), priority(other)
    if mine == yours and elements[0] != elements[1]:  # f16 and bf16, i8 and u8
        return element_type("f32" if is_float(elements[0]) else "i16")
    return elements[mine < yours]


def pointwise(
    out: ir.Type, operands: Sequence[Any], function: Callable[..., Scalar], element: ir.Type | None = None
) -> ir.Value:
    """`function` on the Scalars of tensors and numbers, broadcast to `out`'s shape, its result as `out`'s element type.

    The operands are of `element`, `out`'s if it is not given; floats of 16 bits are computed in f32, as in PyTorch.
    """
    type_ = ranked(out)
    element = element or type_.element_type

    def body(*tensors: ir.Value) -> ir.Value:
        left = iter(tensors)
        scalars = [
            Scalar(next(left)).to(element).to(wide(element)) if is_tensor(v) else Scalar(scalar(wide(element), v))
            for v in operands
        ]
        return function(*scalars).to(type_.element_type).value

    return elementwise(type_, [v for v in operands if is_tensor(v)], body)


for _name in ("add", "sub", "mul", "div"):

    @ops_registry.lowers(f"aten.{_name}.Tensor", f"aten.{_name}.Scalar", dynamic=True)
    def arithmetic(out: ir.Type, self: Any, other: Any, alpha: Any = 1, _name: str = _name) -> ir.Value:
        if _name in ("add", "sub"):  # numbers are rounded to the element type first, factors and divisors are not
            self, other = (operand(v, ranked(out).element_type, 0) for v in (self, other))
        return pointwise(out, [self, other], lambda x, y: x.do(_name, y if alpha == 1 else y * alpha))


@ops_registry.lowers("aten.neg.default", dynamic=True)
def neg(out: ir.Type, self: ir.Value) -> ir.Value:
    return elementwise(ranked(out), [self], lambda x: (-Scalar(x)).value)


for _name in ("and", "or", "xor"):

    @ops_registry.lowers(f"aten.bitwise_{_name}.Tensor", f"aten.bitwise_{_name}.Scalar", dynamic=True)
    def _bitwise(out: ir.Type, self: Any, other: Any, _name: str = _name) -> ir.Value:
        return pointwise(out, [self, other], lambda x, y: x.do(_name, y))

    @ops_registry.lowers(f"aten.logical_{_name}.default", dynamic=True)
    def _logical(out: ir.Type, self: Any, other: Any, _name: str = _name) -> ir.Value:
        return pointwise(out, [self, other], lambda x, y: x.do(_name, y))


@ops_registry.lowers("aten.bitwise_not.default", dynamic=True)
def bitwise_not(out: ir.Type, self: ir.Value) -> ir.Value:
    return elementwise(ranked(out), [self], lambda x: (~Scalar(x)).value)


@ops_registry.lowers("aten.logical_not.default", dynamic=True)
def logical_not(out: ir.Type, self: ir.Value) -> ir.Value:
    return bitwise_not(out, cast(self, element_type("i1")))
