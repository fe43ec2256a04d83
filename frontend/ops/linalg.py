"""ATen to Linalg: what TOSA has no operator for, or not for the element type; and products with packed weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from frontend.ops.values import (
    cast,
    convert,
    element_type,
    elementwise,
    empty,
    generic,
    is_float,
    number,
    operand,
    ranked,
    with_shape,
)  # fmt: skip
from frontend.registry import DECLINED, Registry
from passes.mlir import arith, ir, linalg, tensor

ops_registry = Registry("linalg")

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


def _common(self: ir.Value, other: Any) -> ir.Type:
    """The element type in which two operands are compared: the wider, floats before integers."""
    mine = ranked(self).element_type
    if not isinstance(other, ir.Value):
        return mine if is_float(mine) or not isinstance(other, float) else element_type("f32")
    yours = ranked(other).element_type
    return max((mine, yours), key=lambda t: (is_float(t), (ir.FloatType(t) if is_float(t) else ir.IntegerType(t)).width))


def _arithmetic(on_float: Callable[..., ir.Value], on_integer: Callable[..., ir.Value]) -> Callable[..., Any]:
    def lower(out: ir.Type, self: Any, other: Any, alpha: Any = 1) -> ir.Value:
        type_ = ranked(out)
        element = type_.element_type

        def body(x: ir.Value, y: ir.Value) -> ir.Value:
            if alpha != 1:
                scale = arith.constant(element, number(element, alpha))
                y = arith.mulf(y, scale) if is_float(element) else arith.muli(y, scale)
            return (on_float if is_float(element) else on_integer)(x, y)

        return elementwise(type_, [operand(v, element, type_.rank) for v in (self, other)], body)

    return lower


ops_registry.lowers("aten.add.Tensor")(_arithmetic(arith.addf, arith.addi))
ops_registry.lowers("aten.sub.Tensor")(_arithmetic(arith.subf, arith.subi))
ops_registry.lowers("aten.mul.Tensor")(_arithmetic(arith.mulf, arith.muli))


@ops_registry.lowers("aten.div.Tensor")
def div(out: ir.Type, self: Any, other: Any) -> Any:
    type_ = ranked(out)
    operands = [operand(v, type_.element_type, type_.rank) for v in (self, other)]
    return elementwise(type_, operands, arith.divf)


for _name, _op in {"and": arith.andi, "or": arith.ori, "xor": arith.xori}.items():

    @ops_registry.lowers(f"aten.bitwise_{_name}.Tensor")
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


@ops_registry.lowers("sluice.linear")
def linear(out: ir.Type, input: ir.Value, weight: ir.Value, bias: ir.Value | None) -> Any:
    """input [m, k] times weight [panels, k, width] (see `frontend.parameters`) plus bias [n]: [m, n].

    The product is [m, panels, width]; panels and width are columns, so it is [m, n] as it lies, up to the padding.
    """
    type_ = ranked(out)
    if not is_float(type_.element_type):
        return DECLINED
    m, n = type_.shape
    panels, _, width = ranked(weight).shape
    product = with_shape(type_, [m, panels, width])
    maps = [ir.AffineMap.get(4, 0, [ir.AffineDimExpr.get(d) for d in dims]) for dims in ((1, 3), (0, 3, 2), (1, 0, 2))]
    value = generic(
        product,
        [input, weight],
        _start(product, bias),
        maps,
        ["parallel", "parallel", "parallel", "reduction"],
        lambda x, w, sum_: arith.addf(sum_, arith.mulf(x, w)),
    )
    padded = with_shape(type_, [m, panels * width])
    value = tensor.CollapseShapeOp(padded, value, [[0], [1, 2]]).result
    if padded == type_:
        return value
    return tensor.ExtractSliceOp(type_, value, [], [], [], [0, 0], [m, n], [1, 1]).result


def _start(product: ir.RankedTensorType, bias: ir.Value | None) -> ir.Value:
    """What the sums of a linear start from: zero, or the bias."""
    element = product.element_type
    if bias is None:
        zero = arith.constant(element, number(element, 0))
        return linalg.fill(zero, outs=[empty(product)])
    _, panels, width = product.shape
    missing = panels * width - ranked(bias).shape[0]
    if missing:
        bias = _padded(bias, missing)
    rows = tensor.ExpandShapeOp(with_shape(product, [panels, width]), bias, [[0, 1]], [], [panels, width]).result
    return elementwise(product, [rows], lambda x: x)


def _padded(vector: ir.Value, missing: int) -> ir.Value:
    """A vector with `missing` zeros behind it."""
    type_ = ranked(vector)
    op = tensor.PadOp(with_shape(type_, [type_.shape[0] + missing]), vector, [], [], [0], [missing])
    block = op.regions[0].blocks.append(ir.IndexType.get())
    with ir.InsertionPoint(block):
        tensor.YieldOp(arith.constant(type_.element_type, number(type_.element_type, 0)))
    return op.result
