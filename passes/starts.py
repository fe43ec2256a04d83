"""What the sums of a product begin with: zeros, a bias, or whatever else is moved into their memory right before."""

from __future__ import annotations

from dataclasses import dataclass

from passes.loops import loops_of, moves
from passes.mlir import arith, ir, memref, vector
from passes.operands import VIEWS, Places, along_memory, load_vector
from passes.products import RESULT, Product, product_of
from passes.schedule import find_all
from passes.targets import Target

# What may stand between a move and the product: it reads and writes no memory.
SILENT = {*VIEWS, "arith.constant", "memref.alloc"}


@dataclass(frozen=True)
class Start:
    """The source of the first numbers, one number or memory, and the product's loops that its subscripts name."""

    move: ir.Operation | None
    source: ir.Value
    loops: tuple[int, ...]
    columns: bool  # whether its numbers differ from column to column

    def load(self, places: Places, type_: ir.VectorType, lanes: int) -> ir.Value:
        """The first `lanes` numbers of a vector of the result."""
        if not isinstance(self.source.type, ir.MemRefType):
            return vector.broadcast(type_, self.source)
        cell = [places[loop] for loop in self.loops]
        if self.columns:
            return load_vector(self.source, cell, type_, lanes)
        return vector.broadcast(type_, memref.load(self.source, cell))


def zeros(element: ir.Type) -> Start:
    return Start(None, arith.constant(element, ir.FloatAttr.get(element, 0.0)), (), columns=False)


def start_of(op: ir.Operation, product: Product) -> Start | None:
    """The move that fills all of a product's result and stands right before it; None where the result holds other numbers.

    Bufferization gives no product one memory for an operand and its result, so nobody else reads what the move would write.
    """
    move, result = _before(op), op.operands[RESULT]
    if move is None or not _moves(move) or move.operands[1] != result or _memory(move.operands[0]) == _memory(result):
        return None
    source, subscripts = move.operands[0], product.reads[RESULT]
    if move.name == "linalg.fill":
        subscripts = ()
    elif move.name == "linalg.generic":
        taken, left = loops_of(move).reads
        if None in taken or None in left:
            return None
        named = dict(zip(left, subscripts, strict=True))
        subscripts = tuple(named[loop] for loop in taken)
    if product.n in subscripts[:-1] or (subscripts[-1:] == (product.n,) and not along_memory(source)):
        return None
    return Start(move, source, subscripts, product.n in subscripts)


def own_starts(module: ir.Operation, target: Target) -> None:
    """Give every product a start of its own, right before it: a shared one would stay out of their loops, or be copied."""
    for op in find_all(module, "linalg.generic"):
        if product_of(op) is None or isinstance(op.operands[RESULT].owner, ir.Block):
            continue
        start = op.operands[RESULT]
        move = start.owner
        if _moves(move):
            with ir.InsertionPoint(op):
                op.operands[RESULT] = move.clone().results[start.result_number]
            if not any(list(result.uses) for result in move.results):
                move.erase()


def _moves(op: ir.Operation) -> bool:
    """Whether an operation does no more than move its first operand, or parts of it, into its second."""
    return op.name in ("linalg.fill", "memref.copy") or moves(op)


def _before(op: ir.Operation) -> ir.Operation | None:
    """The last operation in front of this one that may read or write memory."""
    found = None
    for other in op.block.operations:
        if other.operation == op:
            break
        if other.operation.name not in SILENT:
            found = other.operation
    return found


def _memory(value: ir.Value) -> ir.Value:
    """What a view shows."""
    while not isinstance(value.owner, ir.Block) and value.owner.name in (*VIEWS, "memref.cast", "memref.reinterpret_cast"):
        value = value.owner.operands[0]
    return value
