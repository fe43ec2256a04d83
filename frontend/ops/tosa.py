"""ATen to TOSA: the primary registry. TOSA's elementwise operators want operands of one rank and one element type.

What TOSA does not define for a type (64-bit integers, say) is declined, and the next registry is asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from frontend.ops.elements import is_complex, is_float, number, wide
from frontend.ops.values import cast, empty, operand, ranked, reshape, shape_value, splat, with_element, with_shape
from frontend.registry import DECLINED, Registry
from passes.mlir import ir, tosa

ops_registry = Registry("tosa")


def _known(element: ir.Type) -> bool:
    return (is_float(element) and element != ir.F64Type.get()) or element == ir.IntegerType.get_signless(32)


def _zero(element: ir.Type) -> ir.Value:
    """A zero point, or a shift: these must be constants."""
    return tosa.const(ir.DenseElementsAttr.get_splat(ir.RankedTensorType.get([1], element), number(element, 0)))


# Floating-point operators of one argument.
for _name, _op in {
    "aten.abs.default": tosa.AbsOp,
    "aten.ceil.default": tosa.CeilOp,
    "aten.cos.default": tosa.CosOp,
    "aten.erf.default": tosa.ErfOp,
    "aten.exp.default": tosa.ExpOp,
    "aten.floor.default": tosa.FloorOp,
    "aten.log.default": tosa.LogOp,
    "aten.reciprocal.default": tosa.ReciprocalOp,
    "aten.rsqrt.default": tosa.RsqrtOp,
    "aten.sigmoid.default": tosa.SigmoidOp,
    "aten.sin.default": tosa.SinOp,
    "aten.tanh.default": tosa.TanhOp,
}.items():

    @ops_registry.lowers(_name)
    def _unary(out: ir.Type, self: ir.Value, _op: Any = _op) -> Any:
        element = ranked(out).element_type
        if not is_float(element) or not _known(element) or is_complex(ranked(self).element_type):
            return DECLINED
        type_ = with_element(ranked(out), wide(element))
        return cast(_op(type_, cast(self, type_.element_type)).result, element)


def _pair(out: ir.Type, self: Any, other: Any, element: ir.Type) -> tuple[ir.Value, ir.Value]:
    rank = ranked(out).rank
    return operand(self, element, rank), operand(other, element, rank)


for _name, _op in {
    "aten.add.Tensor": tosa.AddOp,
    "aten.maximum.default": tosa.MaximumOp,
    "aten.minimum.default": tosa.MinimumOp,
    "aten.sub.Tensor": tosa.SubOp,
}.items():

    @ops_registry.lowers(_name)
    def _binary(out: ir.Type, self: Any, other: Any, alpha: Any = 1, _op: Any = _op) -> Any:
        element = ranked(out).element_type
        if not _known(element) or alpha != 1:
            return DECLINED
        return _op(out, *_pair(out, self, other, element)).result


@ops_registry.lowers("aten.mul.Tensor")
def mul(out: ir.Type, self: Any, other: Any) -> Any:
    element = ranked(out).element_type
    by_number = not isinstance(self, ir.Value) or not isinstance(other, ir.Value)
    if not _known(element) or (by_number and wide(element) != element):  # the number is not rounded to 16 bits
        return DECLINED
    shift = _zero(ir.IntegerType.get_signless(8))
    return tosa.MulOp(out, *_pair(out, self, other, element), shift).result


@ops_registry.lowers("aten.neg.default")
def neg(out: ir.Type, self: ir.Value) -> Any:
    element = ranked(out).element_type
    if not is_float(element) or not _known(element):  # TOSA's saturates integers
        return DECLINED
    zero = _zero(element)
    return tosa.NegateOp(out, self, zero, zero).result


@ops_registry.lowers("aten.pow.Tensor_Scalar")
def pow_scalar(out: ir.Type, self: ir.Value, exponent: Any) -> Any:
    element = ranked(out).element_type
    if not is_float(element) or not _known(element) or exponent in (0.5, -0.5):  # PyTorch takes a root, of -inf and -0.0 too
        return DECLINED
    if exponent == 2:
        return mul(out, self, self)
    return tosa.PowOp(out, *_pair(out, self, exponent, element)).result


@ops_registry.lowers("aten.where.self")
def where(out: ir.Type, condition: ir.Value, self: Any, other: Any) -> Any:
    if is_complex(ranked(out).element_type):
        return DECLINED
    chosen = operand(condition, ir.IntegerType.get_signless(1), ranked(out).rank)
    return tosa.SelectOp(out, chosen, *_pair(out, self, other, ranked(out).element_type)).result


@ops_registry.lowers("aten.view.default", "aten._unsafe_view.default")
def view(out: ir.Type, self: ir.Value, **_: Any) -> ir.Value:
    return reshape(self, ranked(out).shape)


@ops_registry.lowers("aten.unsqueeze.default", "aten.squeeze.dim", "aten.squeeze.dims", "aten.squeeze.default")
def squeeze(out: ir.Type, self: ir.Value, **_: Any) -> ir.Value:
    return reshape(self, ranked(out).shape)


@ops_registry.lowers("aten.permute.default")
def permute(out: ir.Type, self: ir.Value, dims: Sequence[int]) -> Any:
    if is_complex(ranked(out).element_type):
        return DECLINED
    rank = ranked(out).rank
    return tosa.TransposeOp(out, self, [d % rank for d in dims]).result if rank else self


@ops_registry.lowers("aten.cat.default")
def cat(out: ir.Type, tensors: Sequence[ir.Value], dim: int = 0) -> Any:
    whole = ranked(out)
    if is_complex(whole.element_type):
        return DECLINED
    parts = [cast(t, whole.element_type) for t in tensors if 0 not in ranked(t).shape]
    return tosa.ConcatOp(parts, dim % whole.rank, results=[whole]).result


@ops_registry.lowers("aten.slice.Tensor")
def slice_(out: ir.Type, self: ir.Value, dim: int = 0, start: Any = None, end: Any = None, step: int = 1) -> Any:
    type_, whole = ranked(self), ranked(out)
    if 0 in whole.shape:
        return empty(whole)
    if step != 1 or is_complex(whole.element_type):
        return DECLINED
    dim, size = dim % type_.rank, type_.shape[dim]
    first = min(max(start + size if (start or 0) < 0 else start or 0, 0), size)
    starts = [first if i == dim else 0 for i in range(type_.rank)]
    return tosa.SliceOp(out, self, shape_value(starts), shape_value(whole.shape)).result


@ops_registry.lowers("aten.split_with_sizes.default")
def split_with_sizes(out: Any, self: ir.Value, split_sizes: Sequence[int], dim: int = 0) -> Any:
    parts, start = [], 0
    for part, size in zip([out] if isinstance(out, ir.Type) else out, split_sizes, strict=True):
        parts.append(slice_(part, self, dim, start, start + size))
        start += size
    return DECLINED if DECLINED in parts else parts


@ops_registry.lowers("aten.bmm.default")
def bmm(out: ir.Type, self: ir.Value, mat2: ir.Value) -> Any:
    type_ = ranked(out)
    element = type_.element_type
    if not is_float(element) or wide(element) != element:
        return DECLINED
    if 0 in ranked(self).shape:
        return splat(type_, 0)
    zero = _zero(element)
    return tosa.MatMulOp(type_, self, mat2, zero, zero).result


@ops_registry.lowers("aten.mm.default")
def mm(out: ir.Type, self: ir.Value, mat2: ir.Value) -> Any:
    if 0 in ranked(self).shape:
        return bmm(out, self, mat2)
    batched = [reshape(v, [1, *ranked(v).shape]) for v in (self, mat2)]
    product = bmm(with_shape(ranked(out), [1, *ranked(out).shape]), *batched)
    return product if product is DECLINED else reshape(product, ranked(out).shape)


@ops_registry.lowers("aten.addmm.default")
def addmm(out: ir.Type, self: ir.Value, mat1: ir.Value, mat2: ir.Value, beta: Any = 1, alpha: Any = 1) -> Any:
    element = ranked(out).element_type
    if not beta == alpha == 1 or wide(element) != element:  # the product is not rounded to 16 bits before the sum
        return DECLINED
    product = mm(out, mat1, mat2)
    return product if product is DECLINED else ops_registry["aten.add.Tensor"](out, self, product)


@ops_registry.lowers("aten.scalar_tensor.default")
def scalar_tensor(out: ir.Type, s: Any, **_: Any) -> ir.Value:
    return splat(ranked(out), s)


@ops_registry.lowers("aten.full.default")
def full(out: ir.Type, size: Sequence[int], fill_value: Any, **_: Any) -> ir.Value:
    return splat(ranked(out), fill_value)
