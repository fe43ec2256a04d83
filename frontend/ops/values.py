"""What lowerings are made of: tensors of one number, casts, reshapes, and elementwise operations with broadcasting."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeAlias

from frontend.graph import TensorType
from frontend.ops.elements import constant, convert, element_type, is_complex, recast, signless
from frontend.ops.scalars import Scalar
from passes.mlir import bufferization, ir, linalg, tensor, tosa

Size: TypeAlias = "int | ir.Value"  # of a dimension: known now, or of index type
Length: TypeAlias = int | Scalar  # the same, to compute with


def tensor_type(type_: TensorType) -> ir.RankedTensorType:
    sizes = [s if isinstance(s, int) else ir.ShapedType.get_dynamic_size() for s in type_.shape]
    return ir.RankedTensorType.get(sizes, element_type(type_.dtype))


def ranked(value: ir.Value | ir.Type) -> ir.RankedTensorType:
    return ir.RankedTensorType(value if isinstance(value, ir.Type) else value.type)


def memory_type(type_: ir.RankedTensorType) -> ir.MemRefType:
    return ir.MemRefType.get(type_.shape, type_.element_type)


def in_memory(memory: ir.Value) -> ir.Value:
    """The tensor that lies in `memory`, which may be written once the tensor is not read any more."""
    type_ = ir.MemRefType(memory.type)
    tensor_ = ir.RankedTensorType.get(type_.shape, type_.element_type)
    return bufferization.ToTensorOp(tensor_, memory, restrict=True, writable=True).result


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


def lengths(value: ir.Value) -> list[Length]:
    """All dimensions of a tensor, to compute with."""
    return [length(size(value, axis)) for axis in range(ranked(value).rank)]


def length(size: Size) -> Length:
    return Scalar(size) if isinstance(size, ir.Value) else size


def size_value(value: ir.Value, axis: int) -> ir.Value:
    """A dimension of a tensor, as a value of index type."""
    return tensor.dim(value, constant(ir.IndexType.get(), axis % ranked(value).rank))


def scalar(element: ir.Type, value: Any) -> ir.Value:
    """A Python number, or a size that stands for one, as a scalar."""
    return convert(value, element) if isinstance(value, ir.Value) else constant(element, value)


def is_tensor(value: Any) -> bool:
    """Numbers are not, nor sizes that stand for one."""
    return isinstance(value, ir.Value) and isinstance(value.type, ir.RankedTensorType)


def splat(type_: ir.RankedTensorType, value: Any) -> ir.Value:
    """A tensor with one number everywhere; not as a constant, for TOSA folds x * 0 to 0 even if x may be NaN."""
    return linalg.fill(scalar(type_.element_type, value), outs=[empty(type_)])


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
    return _refolded(value, shape)


def _refolded(value: ir.Value, shape: Sequence[Size]) -> ir.Value:
    """`reshape` of sizes that are not known, through one dimension; canonicalisation finds what stays together."""
    type_ = ranked(value)
    sizes, statics = mixed(shape)
    if type_.rank > 1:
        flat = math.prod(type_.shape) if type_.has_static_shape else ir.ShapedType.get_dynamic_size()
        value = tensor.collapse_shape(with_shape(type_, [flat]), value, [list(range(type_.rank))])
    if type_.rank and len(shape) == 1:
        return value
    groups = [list(range(len(shape)))] if type_.rank and shape else []
    if shape:
        return tensor.expand_shape(with_shape(type_, statics), value, groups, sizes, statics)
    return tensor.collapse_shape(with_shape(type_, []), value, [])


def mixed(sizes: Sequence[Size | Length]) -> tuple[list[ir.Value], list[int]]:
    """Sizes as MLIR's operators want them: those that are values, and all of them with a mark in their place."""
    values = [s.value if isinstance(s, Scalar) else s for s in sizes if not isinstance(s, int)]
    return values, [s if isinstance(s, int) else ir.ShapedType.get_dynamic_size() for s in sizes]


def padded(value: ir.Value, low: Sequence[Length], high: Sequence[Length], fill: Any = 0) -> ir.Value:
    """A tensor with so many elements `fill` before and behind each dimension; negative numbers cut elements off."""
    type_, kept = ranked(value), lengths(value)
    if not all(isinstance(n, int) and n >= 0 for n in (*low, *high)):
        starts = [_positive(-n) for n in low]
        kept = [n - start - _positive(-behind) for n, start, behind in zip(kept, starts, high, strict=True)]
        (offsets, known_offsets), (sizes, known_sizes), ones = mixed(starts), mixed(kept), [1] * type_.rank
        part = with_shape(type_, known_sizes)
        value = tensor.extract_slice(part, value, offsets, sizes, [], known_offsets, known_sizes, ones)
        low, high = ([_positive(n) for n in numbers] for numbers in (low, high))
    if not any(isinstance(n, Scalar) or n for n in (*low, *high)):
        return value
    (before, known_before), (behind, known_behind) = mixed(low), mixed(high)
    shape = [first + n + last for first, n, last in zip(low, kept, high, strict=True)]
    op = tensor.PadOp(with_shape(type_, mixed(shape)[1]), value, before, behind, known_before, known_behind)
    with ir.InsertionPoint(op.regions[0].blocks.append(*[ir.IndexType.get()] * type_.rank)):
        tensor.YieldOp(scalar(type_.element_type, fill))
    return op.result


def _positive(length: Length) -> Length:
    return max(length, 0) if isinstance(length, int) else length.maximum(0)


def operand(value: Any, element: ir.Type, rank: int) -> ir.Value:
    """A tensor or a number as a tensor of `element` and `rank`, as TOSA's elementwise operators want it."""
    if not is_tensor(value):
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


def loop_indices(rank: int) -> list[Scalar]:
    """In the body of an `elementwise` or `generic` of that many loops, where they are."""
    return [Scalar(linalg.IndexOp(loop).result) for loop in range(rank)]


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
