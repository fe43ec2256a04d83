"""The operands of a product in memory: how a step of the sum reads them, by the types of their elements."""

from __future__ import annotations

import copy
from typing import Any

from passes.loops import loops_of, moves
from passes.mlir import arith, ir, memref, vector
from passes.products import LEFT, RESULT, RIGHT, Product
from passes.targets import Target

FIRST_LEVEL, SECOND_LEVEL = 3, 2  # among llvm.prefetch's localities

VIEWS = ("memref.collapse_shape", "memref.expand_shape", "memref.subview")

Places = dict[int, ir.Value]  # the values of loops, by the numbers that the product gives them


def index(value: int) -> ir.Value:
    return arith.constant(ir.IndexType.get(), value)


def shifted(value: ir.Value, by: int) -> ir.Value:
    return arith.addi(value, index(by)) if by else value


class Sums:
    """The result: a vector of `lanes` numbers at a time; of those that are fewer, the first ones."""

    def __init__(self, op: ir.Operation, product: Product, target: Target) -> None:
        self.product, self.lanes = product, target.lanes
        self.memory, self.loops = op.operands[RESULT], product.reads[RESULT]
        self.type = ir.VectorType.get([self.lanes], ir.MemRefType(self.memory.type).element_type)

    def compact(self, shape: tuple[int, int]) -> Sums:
        """The same of these rows and columns, side by side in memory of their own."""
        rows, columns = shape
        new = copy.copy(self)
        new.memory = memref.AllocOp(ir.MemRefType.get([rows, columns], self.type.element_type), [], [], alignment=64).result
        new.loops = tuple(d for d in (self.product.m, self.product.n) if d is not None)
        return new

    def dense(self) -> bool:
        """Whether the rows of a tile lie one right behind the other."""
        strides, _ = ir.MemRefType(self.memory.type).get_strides_and_offset()
        return self.product.m is None or strides[self.loops.index(self.product.m)] == self.product.columns

    def load(self, places: Places, lanes: int) -> ir.Value:
        return load_vector(self.memory, [places[d] for d in self.loops], self.type, lanes)

    def zero(self) -> ir.Value:
        return arith.constant(self.type, ir.DenseElementsAttr.get_splat(self.type, _zero(self.type.element_type)))

    def store(self, value: ir.Value, places: Places, lanes: int) -> None:
        cell = [places[d] for d in self.loops]
        if lanes == self.lanes:
            vector.store(value, self.memory, cell)
        else:
            vector.maskedstore(self.memory, cell, _mask(self.lanes, lanes), value)


class Left:
    """One number a row and step (a pair of bf16, where the sum goes in pairs), in every lane."""

    def __init__(self, op: ir.Operation, product: Product, target: Target) -> None:
        self.memory, self.product, self.lanes = op.operands[LEFT], product, target.lanes
        self.element, self.sum = (ir.MemRefType(op.operands[i].type).element_type for i in (LEFT, RESULT))

    def rows(self) -> ir.Value:
        return memref.dim(self.memory, index(self.product.reads[LEFT].index(self.product.m)))

    def load(self, places: Places) -> ir.Value:
        pair = self.product.pair
        cell = [index(0) if d == pair else places[d] for d in self.product.reads[LEFT]]
        if pair is not None:
            both = self._both(cell)
            i32 = ir.IntegerType.get_signless(32)
            bits = vector.extract(vector.bitcast(ir.VectorType.get([1], i32), both), [], [0])
            return vector.broadcast(ir.VectorType.get([self.lanes], i32), bits)
        value = _widened(memref.load(self.memory, cell), self.sum)
        return vector.broadcast(ir.VectorType.get([self.lanes], self.sum), value)

    def _both(self, cell: list[ir.Value]) -> ir.Value:
        """The pair that begins at a cell, whose second number lies behind the first or, in a strided slice, further on."""
        type_ = ir.VectorType.get([2], self.element)
        strides, _ = ir.MemRefType(self.memory.type).get_strides_and_offset()
        if strides[-1] == 1:
            return vector.load(type_, self.memory, cell)
        return vector.from_elements(type_, [memref.load(self.memory, [*cell[:-1], index(i)]) for i in range(2)])


class Right:
    """A vector of columns for each step: in the type of the sum, or widened to it, or pairs of bf16 of two steps."""

    def __init__(self, op: ir.Operation, product: Product, target: Target) -> None:
        self.product, self.target = product, target
        self.memory, self.loops = op.operands[RIGHT], product.reads[RIGHT]
        self.each = 1 if product.pair is None else 2  # elements of a column in a step
        if product.pair is not None:
            rank = len(self.loops)
            self.memory = _last_two_as_one(self.memory, rank)
            self.loops = self.loops[:-1]
        type_ = ir.MemRefType(self.memory.type)
        self.element, self.sum = type_.element_type, ir.MemRefType(op.operands[RESULT].type).element_type
        self.row_bytes = product.columns * self.each * self.element.width // 8
        strides, _ = type_.get_strides_and_offset()
        self.transposed = _transposed(op.operands[RIGHT])
        self.packed = self.loops[-2:] == (product.k, product.n) and strides[-2] == product.columns * self.each

    def load(self, places: Places, lanes: int) -> ir.Value:
        count = self.target.lanes * self.each
        cell = [places[d] for d in self.loops]
        if self.each > 1:
            cell[-1] = arith.muli(cell[-1], index(self.each))
        value = load_vector(self.memory, cell, ir.VectorType.get([count], self.element), lanes * self.each)
        return value if self.each > 1 else _widened(value, ir.VectorType.get([count], self.sum))

    def multiply_add(self, left: ir.Value, right: ir.Value, sums: ir.Value) -> ir.Value:
        if self.each == 1:
            return self._multiply_add(left, right, sums)
        if self.target.avx512_bf16:
            from passes.mlir import x86

            pairs = ir.VectorType.get([2 * self.target.lanes], self.element)
            return x86.DotBF16Op(sums, vector.bitcast(pairs, left), right).result
        for half in (_low_halves, _high_halves):
            sums = self._multiply_add(half(left, self.target.lanes), half(right, self.target.lanes), sums)
        return sums

    def _multiply_add(self, left: ir.Value, right: ir.Value, sums: ir.Value) -> ir.Value:
        return vector.fma(left, right, sums) if self.target.fma else arith.addf(arith.mulf(left, right), sums)

    def fetch(self, places: Places, step: ir.Value, element: ir.Value, near: bool) -> None:
        """Bring near the cache line of the n-th element from a step's first column on, which may lie in a later step."""
        here = places | {self.product.k: step, self.product.n: element}
        if (panel := self.product.panel) is not None:
            width = index(self.product.extent(self.product.k))
            here |= {panel: arith.divui(step, width), self.product.k: arith.remui(step, width)}
        memref.prefetch(self.memory, [here[d] for d in self.loops], False, FIRST_LEVEL if near else SECOND_LEVEL, True)


def _transposed(memory: ir.Value) -> bool:
    """Whether this is another matrix, moved so that what were its rows are columns."""
    while not isinstance(memory.owner, ir.Block) and memory.owner.name in VIEWS:
        memory = memory.owner.operands[0]
    for use in memory.uses:
        op = use.owner
        if use.operand_number == 1 and moves(op):
            taken, left = loops_of(op).reads
            if left and len(taken) == len(left):
                return taken[-1] != left[-1]
    return False


def along_memory(value: ir.Value) -> bool:
    """Whether neighbours in the last dimension are neighbours in memory."""
    if not isinstance(value.type, ir.MemRefType):
        return False
    strides, _ = ir.MemRefType(value.type).get_strides_and_offset()
    return bool(strides) and strides[-1] == 1


def load_vector(memory: ir.Value, cell: list[ir.Value], type_: ir.VectorType, count: int) -> ir.Value:
    """The first `count` of so many neighbours in memory; zeros for the others."""
    if count == type_.shape[0]:
        return vector.load(type_, memory, cell)
    zero = arith.constant(type_, ir.DenseElementsAttr.get_splat(type_, _zero(type_.element_type)))
    return vector.maskedload(type_, memory, cell, _mask(type_.shape[0], count), zero)


def _mask(size: int, count: int) -> ir.Value:
    return vector.constant_mask(ir.VectorType.get([size], ir.IntegerType.get_signless(1)), [count])


def _zero(element: ir.Type) -> ir.Attribute:
    return ir.IntegerAttr.get(element, 0) if isinstance(element, ir.IntegerType) else ir.FloatAttr.get(element, 0.0)


def _widened(value: ir.Value, type_: ir.Type) -> ir.Value:
    """A number or a vector as one of this type."""
    if value.type == type_:
        return value
    element = ir.VectorType(value.type).element_type if isinstance(value.type, ir.VectorType) else value.type
    return arith.sitofp(type_, value) if isinstance(element, ir.IntegerType) else arith.extf(type_, value)


def _low_halves(pairs: ir.Value, lanes: int) -> ir.Value:
    """The first bf16 of each pair, as f32: a bf16 is the upper half of an f32."""
    bits, i32 = _words(pairs, lanes)
    return vector.bitcast(_f32(lanes), arith.shli(bits, _splat(i32, 16)))


def _high_halves(pairs: ir.Value, lanes: int) -> ir.Value:
    bits, i32 = _words(pairs, lanes)
    return vector.bitcast(_f32(lanes), arith.andi(bits, _splat(i32, -65536)))


def _words(pairs: ir.Value, lanes: int) -> tuple[ir.Value, ir.VectorType]:
    type_ = ir.VectorType.get([lanes], ir.IntegerType.get_signless(32))
    return (pairs if pairs.type == type_ else vector.bitcast(type_, pairs)), type_


def _f32(lanes: int) -> ir.VectorType:
    return ir.VectorType.get([lanes], ir.F32Type.get())


def _splat(type_: ir.VectorType, value: int) -> ir.Value:
    return arith.constant(type_, ir.DenseElementsAttr.get_splat(type_, ir.IntegerAttr.get(type_.element_type, value)))


def _last_two_as_one(memory: ir.Value, rank: int) -> ir.Value:
    type_ = ir.MemRefType(memory.type)
    shape: list[Any] = [*type_.shape[:-2], type_.shape[-2] * type_.shape[-1]]
    strides, offset = type_.get_strides_and_offset()
    layout = ir.StridedLayoutAttr.get(offset, [*strides[:-2], 1]) if not _identity(type_) else None
    flat = ir.MemRefType.get(shape, type_.element_type, layout)
    groups = [[d] for d in range(rank - 2)] + [[rank - 2, rank - 1]]
    return memref.CollapseShapeOp(flat, memory, groups).result


def _identity(type_: ir.MemRefType) -> bool:
    return "strided" not in str(type_)
