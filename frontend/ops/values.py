"""What lowerings are made of: tensors of one number, casts, reshapes, and elementwise operations with broadcasting."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeAlias

from frontend.graph import TensorType
from frontend.ops.scalars import constant, convert, element_type, is_complex, recast, signless
from passes.mlir import ir, linalg, tensor, tosa

Size: TypeAlias = "int | ir.Value"  # of a dimension: known now, or of index type


def tensor_type(type_: TensorType) -> ir.RankedTensorType:
    sizes = [s if isinstance(s, int) else ir.ShapedType.get_dynamic_size() for s in type_.shape]
    return ir.RankedTensorType.get(sizes, element_type(type_.dtype))


def ranked(value: ir.Value | ir.Type) -> ir.RankedTensorType:
    return ir.RankedTensorType(value if isinstance(value, ir.Type) else value.type)


def with_shape(type_: ir.RankedTensorType, shape: Sequence[int]) -> ir.RankedTensorType:
    return ir.RankedTensorType.get(list(shape), type_.element_type)


_sizes: ContextVar[dict[ir.Type, list[Size]]] = ContextVar("_sizes")


@contextmanager
def result_sizes(sizes: dict[ir.Type, list[Size]]) -> Iterator[None]:
    """Within it, `sizes_of` knows the sizes of these dynamic types: those of a node's results."""
    token = _sizes.set(sizes)
    yield
    _sizes.reset(token)


def sizes_of(type_: ir.RankedTensorType, known: dict[int, Size] | None = None) -> list[Size]:
    """The size of each dimension of a type: static, or as `known` says by dimension, or that of the result being lowered."""
    sizes: list[Size] = list(type_.shape)
    for axis in range(type_.rank):
        if type_.is_dynamic_dim(axis):
            sizes[axis] = known[axis] if known and axis in known else _sizes.get()[type_][axis]
    return sizes


def size(value: ir.Value, axis: int) -> Size:
    """A dimension of a tensor."""
    type_ = ranked(value)
    return size_value(value, axis) if type_.is_dynamic_dim(axis % type_.rank) else type_.shape[axis]


def size_value(value: ir.Value, axis: int) -> ir.Value:
    """A dimension of a tensor, as a value of index type."""
    return tensor.dim(value, constant(ir.IndexType.get(), axis % ranked(value).rank))


def splat(type_: ir.RankedTensorType, value: Any) -> ir.Value:
    """A tensor with one number everywhere; not as a constant, for TOSA folds x * 0 to 0 even if x may be NaN."""
    return linalg.fill(constant(type_.element_type, value), outs=[empty(type_)])


def shape_value(sizes: Sequence[int]) -> ir.Value:
    rank = len(sizes)
    return tosa.ConstShapeOp(
        ir.Type.parse(f"!tosa.shape<{rank}>"), ir.Attribute.parse(f"dense<{list(sizes)}> : tensor<{rank}xindex>")
    ).result


def with_element(type_: ir.RankedTensorType, element: ir.Type) -> ir.RankedTensorType:
    return ir.RankedTensorType.get(type_.shape, element)


def reshape(value: ir.Value, shape: Sequence[Size]) -> ir.Value:
    """The same elements in row-major order under another shape."""
    static = all(isinstance(s, int) for s in shape) and ranked(value).has_static_shape
    if static and list(ranked(value).shape) == list(shape):
        return value
    element = ranked(value).element_type
    if static and not is_complex(element) and math.prod(shape):
        plain = with_element(ranked(value), signless(element))
        result = tosa.ReshapeOp(recast(value, plain), shape_value(shape)).result
        return recast(result, with_element(ranked(result), element))
    if static and not math.prod(shape):
        return empty(ir.RankedTensorType.get(list(shape), element))
    index = ir.IndexType.get()
    sizes = [constant(index, s) if isinstance(s, int) else s for s in shape]
    type_ = ir.RankedTensorType.get([s if isinstance(s, int) else ir.ShapedType.get_dynamic_size() for s in shape], element)
    target = tensor.from_elements(ir.RankedTensorType.get([len(sizes)], index), sizes)
    return tensor.reshape(type_, value, target)


def padded(value: ir.Value, low: Sequence[int], high: Sequence[int], fill: Any = 0) -> ir.Value:
    """A tensor with so many elements `fill` before and behind each dimension; negative numbers cut elements off."""
    type_ = ranked(value)
    starts = [max(-n, 0) for n in low]
    kept = [size - start - max(-n, 0) for size, start, n in zip(type_.shape, starts, high, strict=True)]
    low, high = ([max(n, 0) for n in numbers] for numbers in (low, high))
    if kept != list(type_.shape):
        value = tensor.ExtractSliceOp(with_shape(type_, kept), value, [], [], [], starts, kept, [1] * type_.rank).result
    if not any([*low, *high]):
        return value
    shape = [size + before + behind for size, before, behind in zip(kept, low, high, strict=True)]
    op = tensor.PadOp(with_shape(type_, shape), value, [], [], low, high)
    with ir.InsertionPoint(op.regions[0].blocks.append(*[ir.IndexType.get()] * type_.rank)):
        tensor.YieldOp(constant(type_.element_type, fill))
    return op.result


def operand(value: Any, element: ir.Type, rank: int) -> ir.Value:
    """A tensor or a number as a tensor of `element` and `rank`, as TOSA's elementwise operators want it."""
    if not isinstance(value, ir.Value):
        return splat(ir.RankedTensorType.get([1] * rank, element), value)
    sizes = [size(value, axis) for axis in range(ranked(value).rank)]
    return reshape(cast(value, element), [1] * (rank - len(sizes)) + sizes)


def cast(value: ir.Value, element: ir.Type) -> ir.Value:
    """PyTorch's conversion: floats are truncated towards zero, and whatever is not zero is true."""
    type_ = ranked(value)
    if type_.element_type == element:
        return value
    return elementwise(with_element(type_, element), [value], lambda x: convert(x, element))


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
    if init is None:
        init = empty(out, _known(out, inputs) if not out.has_static_shape else None)
    return generic(out, inputs, init, maps, ["parallel"] * out.rank, lambda *args: body(*args[:-1]))


def _known(out: ir.RankedTensorType, inputs: Sequence[ir.Value]) -> dict[int, Size]:
    """The sizes of a result's dimensions that an operand shows."""
    known: dict[int, Size] = {}
    for value in inputs:
        type_ = ranked(value)
        for axis in range(type_.rank):
            if type_.is_dynamic_dim(axis):
                known.setdefault(out.rank - type_.rank + axis, size(value, axis))
    return known


def empty(type_: ir.RankedTensorType, known: dict[int, Size] | None = None) -> ir.Value:
    """A tensor whose elements are not set; `known` and the result being lowered tell dynamic sizes, see `sizes_of`."""
    sizes = list(type_.shape) if type_.has_static_shape else sizes_of(type_, known)
    return tensor.EmptyOp(sizes, type_.element_type).result


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
