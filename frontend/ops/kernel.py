"""Loops over arrays in memory, written as Python writes them, for what linalg cannot say.

    table = array([n], element_type("i64"), 0)
    for i in loop(n):
        with when(x[i] > 0):
            table[i] = table[i] + 1

Python runs the body of a loop once, to record it. An `Array` is memory, so an assignment is seen by what comes after; a
tensor is read through `reader`. Indices and bounds are Python ints or Scalars of index type.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from frontend.ops.elements import constant, element_type, recast, signless
from frontend.ops.scalars import Scalar
from frontend.ops.values import Length, lengths
from passes.mlir import bufferization, ir, linalg, memref, scf, tensor

Index = Length


def index(value: Any) -> ir.Value:
    """A Python int or a Scalar of any integer type as a value of index type."""
    if isinstance(value, Scalar):
        return value.to("index").value
    return value if isinstance(value, ir.Value) else constant(ir.IndexType.get(), value)


class Array:
    """Memory of one element type: `a[i, j]` loads a Scalar, `a[i, j] = x` stores one (converted); `a.value` without indices."""

    def __init__(self, memory: ir.Value, element: ir.Type) -> None:
        self.memory, self.element = memory, element

    def __getitem__(self, at: Index | Sequence[Index]) -> Scalar:
        return Scalar(recast(memref.load(self.memory, _indices(at)), self.element))

    def __setitem__(self, at: Index | Sequence[Index], value: Any) -> None:
        stored = value.to(self.element).value if isinstance(value, Scalar) else constant(self.element, value)
        memref.store(recast(stored, signless(self.element)), self.memory, _indices(at))

    @property
    def value(self) -> Scalar:
        return self[()]

    @value.setter
    def value(self, value: Any) -> None:
        self[()] = value

    def tensor(self) -> ir.Value:
        """What the memory holds, once the loops are done; it must not be written after that."""
        type_ = ir.MemRefType(self.memory.type)
        plain = ir.RankedTensorType.get(type_.shape, type_.element_type)
        value = bufferization.ToTensorOp(plain, self.memory, restrict=True, writable=True).result
        return recast(value, ir.RankedTensorType.get(type_.shape, self.element))


class Reader:
    """A tensor to read from: `x[i, j]` is a Scalar."""

    def __init__(self, value: ir.Value) -> None:
        self.tensor = value
        self.type = ir.RankedTensorType(value.type)
        self.element = self.type.element_type

    def __getitem__(self, at: Index | Sequence[Index]) -> Scalar:
        return Scalar(tensor.extract(self.tensor, _indices(at)))


def reader(value: ir.Value) -> Reader:
    return Reader(value)


def _indices(at: Any) -> list[ir.Value]:
    return [index(i) for i in at] if isinstance(at, tuple | list) else [index(at)]


def array(shape: Sequence[Index], element: ir.Type | str, start: Any = None) -> Array:
    """New memory of `shape`; every element is `start` if that is given, else not set."""
    element = element_type(element) if isinstance(element, str) else element
    dynamic = [index(s) for s in shape if isinstance(s, Scalar)]
    sizes = [ir.ShapedType.get_dynamic_size() if isinstance(s, Scalar) else s for s in shape]
    memory = memref.AllocOp(ir.MemRefType.get(sizes, signless(element)), dynamic, [], alignment=64).result
    if start is not None:
        first = start.to(element).value if isinstance(start, Scalar) else constant(element, start)
        linalg.fill(recast(first, signless(element)), outs=[memory])
    return Array(memory, element)


def copy_of(value: ir.Value) -> Array:
    """New memory that begins as a copy of a tensor."""
    from_, shape = Reader(value), lengths(value)
    made = array(shape, from_.type.element_type)
    for at in positions(shape):
        made[at] = from_[at]
    return made


def cell(element: ir.Type | str, start: Any) -> Array:
    """A variable: an Array without dimensions, used by its `value`."""
    return array([], element, start)


def loop(first: Index, last: Index | None = None, step: Index = 1) -> Iterator[Scalar]:
    """`for i in loop(n)` or `loop(first, last, step)`: scf.for, upwards."""
    if last is None:
        first, last = 0, first
    op = scf.ForOp(index(first), index(last), index(step))
    with ir.InsertionPoint(op.body):
        yield Scalar(op.induction_variable)
        scf.YieldOp([])


def fold(first: Index, last: Index, start: Scalar, step: Callable[[Scalar, Scalar], Scalar]) -> Scalar:
    """`step(i, so_far)` for each i in order, beginning with `start`: a sum, a maximum; it stays in a register."""
    op = scf.ForOp(index(first), index(last), index(1), [start.value])
    with ir.InsertionPoint(op.body):
        scf.YieldOp([step(Scalar(op.induction_variable), Scalar(op.inner_iter_args[0])).value])
    return Scalar(op.results[0])


def positions(shape: Sequence[Index]) -> Iterator[tuple[Scalar, ...]]:
    """A loop nest over every position of `shape`, the last index fastest."""
    if not shape:
        yield ()
        return
    for i in loop(shape[0]):
        for rest in positions(shape[1:]):
            yield (i, *rest)


def carried(shape: Sequence[Index], start: ir.Value, step: Callable[[tuple[Scalar, ...], ir.Value], ir.Value]) -> ir.Value:
    """`step(position, tensor)` for every position of `shape`, each given the tensor that the one before made.

    Unlike an Array this is no memory of its own: nothing is copied where `start` is not needed any more.
    """

    def nest(at: tuple[Scalar, ...], value: ir.Value) -> ir.Value:
        if len(at) == len(shape):
            return step(at, value)
        op = scf.ForOp(index(0), index(shape[len(at)]), index(1), [value])
        with ir.InsertionPoint(op.body):
            scf.YieldOp([nest((*at, Scalar(op.induction_variable)), op.inner_iter_args[0])])
        return op.results[0]

    return nest((), start)


def with_element(value: ir.Value, at: Sequence[Index], element: Scalar) -> ir.Value:
    """A tensor with another element at one place."""
    return tensor.insert(element.to(ir.RankedTensorType(value.type).element_type).value, value, _indices(at))


def while_(condition: Callable[[], Scalar]) -> Iterator[None]:
    """`for _ in while_(lambda: a.value > 0)`: the condition is computed before each turn."""
    op = scf.WhileOp([], [])
    with ir.InsertionPoint(op.before.blocks.append()):
        scf.ConditionOp(condition().value, [])
    with ir.InsertionPoint(op.after.blocks.append()):
        yield None
        scf.YieldOp([])


@contextmanager
def when(condition: Scalar) -> Iterator[None]:
    """`with when(x > 0):` records a body that runs if the condition holds."""
    op = scf.IfOp(condition.value)
    with ir.InsertionPoint(op.then_block):
        yield
        scf.YieldOp([])


Line = Callable[[Index], tuple[Index, ...]]  # the position of a line's element


def lines(shape: Sequence[Index], dim: int) -> Iterator[Line]:
    """A loop over the lines along `dim` of what has this shape: `x[line(i)]` is one's element i."""
    dim %= len(shape)
    for at in positions([*shape[:dim], *shape[dim + 1 :]]):
        yield lambda i, at=at: (*at[:dim], i, *at[dim:])  # type: ignore[misc]
