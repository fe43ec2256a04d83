"""What lowerings are made of: types, constants, casts, and elementwise operations with broadcasting."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from frontend.graph import TensorType
from passes.mlir import arith, ir, linalg, tensor, tosa


def element_type(dtype: str) -> ir.Type:
    floats = {"f64": ir.F64Type, "f32": ir.F32Type, "f16": ir.F16Type, "bf16": ir.BF16Type}
    if dtype in floats:
        return floats[dtype].get()
    return ir.IntegerType.get_signless(int(dtype[1:]))


def tensor_type(type_: TensorType) -> ir.RankedTensorType:
    return ir.RankedTensorType.get(list(type_.shape), element_type(type_.dtype))


def ranked(value: ir.Value | ir.Type) -> ir.RankedTensorType:
    return ir.RankedTensorType(value if isinstance(value, ir.Type) else value.type)


def with_shape(type_: ir.RankedTensorType, shape: Sequence[int]) -> ir.RankedTensorType:
    return ir.RankedTensorType.get(list(shape), type_.element_type)


def is_float(element: ir.Type) -> bool:
    return isinstance(element, ir.FloatType)


def number(element: ir.Type, value: Any) -> ir.Attribute:
    return ir.FloatAttr.get(element, float(value)) if is_float(element) else ir.IntegerAttr.get(element, int(value))


def splat(type_: ir.RankedTensorType, value: Any) -> ir.Value:
    return tosa.const(ir.DenseElementsAttr.get_splat(type_, number(type_.element_type, value)))


def shape_value(sizes: Sequence[int]) -> ir.Value:
    rank = len(sizes)
    return tosa.ConstShapeOp(
        ir.Type.parse(f"!tosa.shape<{rank}>"), ir.Attribute.parse(f"dense<{list(sizes)}> : tensor<{rank}xindex>")
    ).result


def reshape(value: ir.Value, shape: Sequence[int]) -> ir.Value:
    if list(ranked(value).shape) == list(shape):
        return value
    return tosa.ReshapeOp(value, shape_value(shape)).result


def operand(value: Any, element: ir.Type, rank: int) -> ir.Value:
    """A tensor or a number as a tensor of `element` and `rank`, as TOSA's elementwise operators want it."""
    if not isinstance(value, ir.Value):
        return splat(ir.RankedTensorType.get([1] * rank, element), value)
    shape = ranked(value).shape
    return reshape(cast(value, element), [1] * (rank - len(shape)) + list(shape))


def cast(value: ir.Value, element: ir.Type) -> ir.Value:
    """PyTorch's conversion: floats are truncated towards zero, and whatever is not zero is true."""
    type_ = ranked(value)
    if type_.element_type == element:
        return value
    return elementwise(ir.RankedTensorType.get(type_.shape, element), [value], lambda x: convert(x, element))


def convert(x: ir.Value, to: ir.Type) -> ir.Value:
    """A scalar of one element type as another."""
    source = x.type
    if source == to:
        return x
    if is_float(source) and is_float(to):
        if ir.F32Type.get() not in (source, to):  # through f32, as in PyTorch
            return convert(convert(x, ir.F32Type.get()), to)
        wider = ir.FloatType(to).width > ir.FloatType(source).width
        return arith.extf(to, x) if wider else arith.truncf(to, x)
    if to == ir.IntegerType.get_signless(1):
        zero = arith.constant(source, number(source, 0))
        return arith.cmpf(arith.CmpFPredicate.UNE, x, zero) if is_float(source) else arith.cmpi(arith.CmpIPredicate.ne, x, zero)
    if is_float(source):
        return arith.fptosi(to, x)
    signed = ir.IntegerType(source).width > 1
    if is_float(to):
        return arith.sitofp(to, x) if signed else arith.uitofp(to, x)
    if ir.IntegerType(to).width < ir.IntegerType(source).width:
        return arith.trunci(to, x)
    return arith.extsi(to, x) if signed else arith.extui(to, x)


def broadcast_map(shape: Sequence[int], out_shape: Sequence[int]) -> ir.AffineMap:
    """Where an operand of `shape` is read for each element of `out_shape`: dimensions of size 1 are repeated."""
    rank, offset = len(out_shape), len(out_shape) - len(shape)
    reads = [
        ir.AffineConstantExpr.get(0) if size == 1 and out_shape[offset + i] != 1 else ir.AffineDimExpr.get(offset + i)
        for i, size in enumerate(shape)
    ]
    return ir.AffineMap.get(rank, 0, reads)


def elementwise(
    out: ir.RankedTensorType, inputs: Sequence[ir.Value], body: Callable[..., ir.Value], init: ir.Value | None = None
) -> ir.Value:
    """`body` on the scalars of `inputs`, broadcast to `out`'s shape."""
    out = ranked(out)
    maps = [broadcast_map(ranked(v).shape, out.shape) for v in inputs] + [ir.AffineMap.get_identity(out.rank)]
    return generic(out, inputs, init or empty(out), maps, ["parallel"] * out.rank, lambda *args: body(*args[:-1]))


def empty(type_: ir.RankedTensorType) -> ir.Value:
    return tensor.EmptyOp(list(type_.shape), type_.element_type).result


def generic(
    out: ir.RankedTensorType,
    inputs: Sequence[ir.Value],
    init: ir.Value,
    maps: Sequence[ir.AffineMap],
    iterators: Sequence[str],
    body: Callable[..., ir.Value],
) -> ir.Value:
    """linalg.generic; `body` gets the inputs' scalars, then the output's."""
    op = linalg.GenericOp(
        result_tensors=[out],
        inputs=list(inputs),
        outputs=[init],
        indexing_maps=ir.ArrayAttr.get([ir.AffineMapAttr.get(m) for m in maps]),
        iterator_types=ir.ArrayAttr.get([ir.Attribute.parse(f"#linalg.iterator_type<{i}>") for i in iterators]),
    )
    block = op.regions[0].blocks.append(*[ranked(v).element_type for v in [*inputs, init]])
    with ir.InsertionPoint(block):
        linalg.YieldOp([body(*block.arguments)])
    return op.results[0]
