"""Arithmetic, comparisons, logic and conversions on each element."""

from __future__ import annotations

from typing import Any

from frontend.ops.linalg.registry import ops_registry
from frontend.ops.values import (
    cast,
    convert,
    element_type,
    elementwise,
    is_float,
    number,
    operand,
    ranked,
)  # fmt: skip
from passes.mlir import arith, ir, linalg

_FLOAT = arith.CmpFPredicate
_INTEGER = arith.CmpIPredicate


@ops_registry.lowers("aten.expand.default")
def expand(out: ir.Type, self: ir.Value, **_: Any) -> ir.Value:
    return elementwise(ranked(out), [self], lambda x: x)


@ops_registry.lowers("aten.clone.default", "aten._to_copy.default")
def to_copy(out: ir.Type, self: ir.Value, **_: Any) -> ir.Value:
    return cast(self, ranked(out).element_type)


@ops_registry.lowers("aten.arange.start_step")
def arange(out: ir.Type, start: Any, end: Any, step: Any = 1, **_: Any) -> ir.Value:
    element = ranked(out).element_type
    wide = element if is_float(element) else element_type("i64")

    def body() -> ir.Value:
        index = convert(arith.index_cast(element_type("i64"), linalg.IndexOp(0).result), wide)
        first, stride = (arith.constant(wide, number(wide, n)) for n in (start, step))
        if is_float(wide):
            return arith.addf(first, arith.mulf(index, stride))
        return convert(arith.addi(first, arith.muli(index, stride)), element)

    return elementwise(ranked(out), [], body)


# Comparisons: the predicate for floats (NaN is unequal to all), for signed and for unsigned integers.
_COMPARISONS = {
    "eq": (_FLOAT.OEQ, _INTEGER.eq, _INTEGER.eq),
    "ne": (_FLOAT.UNE, _INTEGER.ne, _INTEGER.ne),
    "ge": (_FLOAT.OGE, _INTEGER.sge, _INTEGER.uge),
    "gt": (_FLOAT.OGT, _INTEGER.sgt, _INTEGER.ugt),
    "le": (_FLOAT.OLE, _INTEGER.sle, _INTEGER.ule),
    "lt": (_FLOAT.OLT, _INTEGER.slt, _INTEGER.ult),
}

for _name, _predicates in _COMPARISONS.items():

    @ops_registry.lowers(f"aten.{_name}.Tensor", f"aten.{_name}.Scalar")
    def _compare(out: ir.Type, self: ir.Value, other: Any, _predicates: Any = _predicates) -> ir.Value:
        element = _common(self, other)
        on_float, on_signed, on_unsigned = _predicates
        flag = element == element_type("i1")

        def body(*scalars: ir.Value) -> ir.Value:
            x, y = scalars if len(scalars) == 2 else (scalars[0], arith.constant(element, number(element, other)))
            if is_float(element):
                return arith.cmpf(on_float, x, y)
            return arith.cmpi(on_unsigned if flag else on_signed, x, y)

        tensors = [self, other] if isinstance(other, ir.Value) else [self]
        return elementwise(ranked(out), [cast(t, element) for t in tensors], body)


_NUMBERS = {bool: "i1", int: "i64", float: "f32"}  # what PyTorch makes of a Python number


def _common(self: ir.Value, other: Any) -> ir.Type:
    """The element type in which PyTorch compares two operands.

    Floats go before integers and integers before bool, then tensors before tensors without dimensions and these before
    numbers, then the wider.
    """

    def priority(value: Any) -> tuple[bool, bool, int, int]:
        known = isinstance(value, ir.Value)
        element = ranked(value).element_type if known else element_type(_NUMBERS[type(value)])
        elements.append(element)
        rank = min(ranked(value).rank, 1) if known else -1
        return is_float(element), element != element_type("i1"), rank, element.width

    elements: list[Any] = []
    mine, yours = priority(self), priority(other)
    if mine == yours and elements[0] != elements[1]:  # f16 and bf16
        return element_type("f32")
    return elements[mine < yours]


# What works on two scalars, for floats, for integers and for bool.
_SCALARS = {
    "add": (arith.addf, arith.addi, arith.ori),
    "sub": (arith.subf, arith.subi, arith.subi),
    "mul": (arith.mulf, arith.muli, arith.andi),
    "maximum": (arith.maximumf, arith.maxsi, arith.ori),
    "minimum": (arith.minimumf, arith.minsi, arith.andi),
}


def scalar(name: str, x: ir.Value, y: ir.Value) -> ir.Value:
    on_float, on_integer, on_bool = _SCALARS[name]
    return (on_float if is_float(x.type) else on_bool if x.type == element_type("i1") else on_integer)(x, y)


for _name in _SCALARS:

    @ops_registry.lowers(f"aten.{_name}.default" if _name.endswith("imum") else f"aten.{_name}.Tensor")
    def _arithmetic(out: ir.Type, self: Any, other: Any, alpha: Any = 1, _name: str = _name) -> ir.Value:
        type_ = ranked(out)
        element = type_.element_type

        def body(x: ir.Value, y: ir.Value) -> ir.Value:
            if alpha != 1:
                y = scalar("mul", y, arith.constant(element, number(element, alpha)))
            return scalar(_name, x, y)

        return elementwise(type_, [operand(v, element, type_.rank) for v in (self, other)], body)


@ops_registry.lowers("aten.neg.default")
def neg(out: ir.Type, self: ir.Value) -> ir.Value:
    if is_float(ranked(out).element_type):
        return elementwise(ranked(out), [self], arith.negf)
    return _arithmetic(out, 0, self, _name="sub")


@ops_registry.lowers("aten.div.Tensor")
def div(out: ir.Type, self: Any, other: Any) -> Any:
    type_ = ranked(out)
    operands = [operand(v, type_.element_type, type_.rank) for v in (self, other)]
    return elementwise(type_, operands, arith.divf)


for _name, _op in {"and": arith.andi, "or": arith.ori, "xor": arith.xori}.items():

    @ops_registry.lowers(f"aten.bitwise_{_name}.Tensor", f"aten.bitwise_{_name}.Scalar")
    def _bitwise(out: ir.Type, self: Any, other: Any, _op: Any = _op) -> ir.Value:
        type_ = ranked(out)
        return elementwise(type_, [operand(v, type_.element_type, type_.rank) for v in (self, other)], _op)

    @ops_registry.lowers(f"aten.logical_{_name}.default")
    def _logical(out: ir.Type, self: Any, other: Any, _op: Any = _op) -> ir.Value:
        return elementwise(ranked(out), [cast(v, element_type("i1")) for v in (self, other)], _op)


@ops_registry.lowers("aten.bitwise_not.default")
def bitwise_not(out: ir.Type, self: ir.Value) -> ir.Value:
    element = ranked(out).element_type
    return elementwise(ranked(out), [self], lambda x: arith.xori(x, arith.constant(element, number(element, -1))))


@ops_registry.lowers("aten.logical_not.default")
def logical_not(out: ir.Type, self: ir.Value) -> ir.Value:
    return bitwise_not(out, cast(self, element_type("i1")))
