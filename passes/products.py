"""What a linalg.generic multiplies, if it is a product of matrices: which loop is which, and of what the numbers are.

A product has loops of four kinds. `m` runs over rows: of the left operand and of the result, the last of several. `n` runs over
columns: of the right operand and of the result, in both along memory. `k` runs over the sum. The others are outer: a batch, the
panels of a packed weight, or heads that share a right operand. Two more there may be: weights of bf16 have `pair`, of two steps
of the sum that lie side by side. Where a left operand lies in panels, `panel` runs over those and `k` over the steps in one.
"""

from __future__ import annotations

import math
import string
from dataclasses import dataclass

from passes.loops import Loops, loops_of
from passes.mlir import ir

LEFT, RIGHT, RESULT = range(3)
TYPES = {  # left, right, result
    ("f32", "f32", "f32"),
    ("f64", "f64", "f64"),
    ("bf16", "bf16", "f32"),
    ("f32", "bf16", "f32"),
    ("f32", "i8", "f32"),
}
WIDEST = 256  # steps in a panel of a left operand: what is added up in one run
CASTS = {"arith.extf", "arith.sitofp"}


@dataclass(frozen=True)
class Product:
    """Numbers of loops, the loops that each operand's subscripts name, in order, extents, and the types of the elements.

    The extent of `m` may be unknown.
    """

    outer: tuple[int, ...]
    m: int | None
    n: int
    k: int
    pair: int | None
    panel: int | None
    reads: tuple[tuple[int, ...], ...]
    sizes: tuple[int | None, ...]
    types: tuple[str, str, str]

    @property
    def name(self) -> str:
        """All that tells products apart: `mk,akn->man f32,f32->f32 a=280 k=1536 m=40 n=32`."""
        letters = {self.n: "n", self.k: "k", self.m: "m", self.pair: "p", self.panel: "q"}
        others = iter(letter for letter in string.ascii_lowercase if letter not in "mnkpq")
        letters |= {loop: next(others) for loop in self.outer}
        subscripts = ["".join(letters[loop] for loop in operand) for operand in self.reads]
        sizes = sorted((letters[loop], "?" if size is None else size) for loop, size in enumerate(self.sizes))
        (left, right, result), (*factors, sums) = subscripts, self.types
        return f"{left},{right}->{result} {','.join(factors)}->{sums} {' '.join(f'{a}={size}' for a, size in sizes)}"

    @property
    def rows(self) -> int | None:
        return 1 if self.m is None else self.sizes[self.m]

    @property
    def columns(self) -> int:
        return self.extent(self.n)

    @property
    def steps(self) -> int:
        return self.extent(self.k) * (1 if self.panel is None else self.extent(self.panel))

    @property
    def packed(self) -> bool:
        """Whether all outer loops walk the right operand alone, as the panels of a weight do."""
        return not set(self.outer) & set(self.reads[LEFT])

    @property
    def per_row(self) -> int:
        """Multiply-adds for each row."""
        return math.prod(size for d, size in enumerate(self.sizes) if size is not None and d != self.m)

    def extent(self, loop: int) -> int:
        size = self.sizes[loop]
        assert size is not None, "only rows may be of unknown number"
        return size

    def shape(self, operand: int) -> tuple[int, ...]:
        return tuple(self.extent(loop) for loop in self.reads[operand])

    def bytes(self, operand: int) -> int:
        return math.prod(self.shape(operand)) * int(self.types[operand].lstrip("bfi")) // 8


def product_of(op: ir.Operation) -> Product | None:
    """The product that `op`, a linalg.generic on tensors or memory, computes; None when it is none, or of unknown extents."""
    found = recognized(op)
    return found if isinstance(found, Product) else None


def recognized(op: ir.Operation) -> Product | str:
    """The product that `op`, a linalg.generic on tensors or memory, computes, or why it is none that we know to schedule."""
    if len(op.operands) != 3 or not _multiplies_and_adds(op):
        return "does not add products of two operands to a third"
    types = tuple(str(ir.ShapedType(v.type).element_type) for v in op.operands)
    loops = loops_of(op)
    if types not in TYPES:
        return f"multiplies {types[LEFT]} and {types[RIGHT]} into {types[RESULT]}"
    if 0 in loops.sizes:
        return "is empty"
    if not all(_plain(reads) for reads in loops.reads):
        return "has subscripts that are not each a loop of its own"
    product = _classified(loops, types)
    unknown = {d for d, size in enumerate(loops.sizes) if size is None}
    if isinstance(product, Product) and not unknown <= {product.m}:
        return f"has loops of unknown extent that are not its rows: {', '.join(f'd{d}' for d in sorted(unknown))}"
    return product


def _plain(reads: tuple[int | None, ...]) -> bool:
    """Whether each subscript is a loop of its own: a diagonal is none."""
    return None not in reads and len(set(reads)) == len(reads)


def _classified(loops: Loops, types: tuple[str, str, str]) -> Product | str:
    reads = tuple(tuple(d for d in operand if d is not None) for operand in loops.reads)
    left, right, result = reads
    sums = [d for d, kind in enumerate(loops.kinds) if kind == "reduction"]
    if not result or not right or not set(sums) <= set(left) & set(right):
        return "sums over a loop that one operand does not have, or has a scalar for an operand"
    n = result[-1]
    paired = types[:2] == ("bf16", "bf16") and len(sums) == 2 and right[-1] == left[-1] == sums[-1]
    pair = sums[-1] if paired and loops.sizes[sums[-1]] == 2 else None
    terms = sorted((d for d in sums if d != pair), key=left.index)
    in_panels = pair is None and len(terms) == 2 and right[-3:] == (*terms, n) and left[-1] == terms[-1]
    in_panels = in_panels and (loops.sizes[terms[-1]] or 0) <= WIDEST
    if len(terms) != 1 and not in_panels:
        return f"sums over {len(sums)} loops"
    if right[-1 if pair is None else -2] != n or n in left:
        return "has columns that do not lie along the right operand and the result alone"
    rows = [d for d in left if d in result and d not in right][-1:]
    outer = [d for d, kind in enumerate(loops.kinds) if kind == "parallel" and d not in rows and d != n]
    if not set(outer) <= set(left) | set(right):
        return "has an outer loop that neither operand has"
    panel = terms[0] if in_panels else None
    return Product(tuple(outer), rows[0] if rows else None, n, terms[-1], pair, panel, reads, loops.sizes, types)


def _multiplies_and_adds(op: ir.Operation) -> bool:
    """Whether the body adds the product of the first two operands, perhaps widened, to the third."""
    block = op.regions[0].blocks[0]
    *_, yielded = block.operations
    total = _defined_by(yielded.operands[0], "arith.addf") if len(yielded.operands) == 1 else None
    if total is None:
        return False
    sums = [v for v in total.operands if v == block.arguments[RESULT]]
    products = [p for v in total.operands if (p := _defined_by(v, "arith.mulf"))]
    if len(sums) != 1 or len(products) != 1:
        return False
    factors = [_widened(v) for v in products[0].operands]
    return factors in ([block.arguments[LEFT], block.arguments[RIGHT]], [block.arguments[RIGHT], block.arguments[LEFT]])


def _widened(value: ir.Value) -> ir.Value:
    cast = next((c for name in CASTS if (c := _defined_by(value, name))), None)
    return cast.operands[0] if cast else value


def _defined_by(value: ir.Value, name: str) -> ir.Operation | None:
    owner = value.owner
    return owner if not isinstance(owner, ir.Block) and owner.name == name else None
