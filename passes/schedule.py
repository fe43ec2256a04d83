"""Transform-dialect sequences written line by line from Python, and their application to a function."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from passes.mlir import ir

ANY = "!transform.any_op"
MARK = "sluice.mark"


class ScheduleError(Exception):
    """A sequence that the interpreter refused, with its reason."""


class Schedule:
    """A sequence under construction; every method appends lines and returns the handles they define."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._count = 0

    def handles(self, count: int) -> list[str]:
        self._count += count
        return [f"%h{self._count - count + i}" for i in range(count)]

    def op(self, text: str, *operands: str, results: int = 0) -> list[str]:
        """`text` with its operands' and its results' types written behind it."""
        handles = self.handles(results)
        given = ", ".join([ANY] * len(operands))
        made = ", ".join([ANY] * results)
        types = given if not results else f"({given}) -> {made if results == 1 else f'({made})'}"
        self.lines.append((f"{', '.join(handles)} = " if handles else "") + f"transform.{text} : {types}")
        return handles

    def match(self, within: str, ops: str = "", iterators: Sequence[str] | None = None, mark: int | None = None) -> str:
        """The operations of a name, with these iterator types or this mark."""
        attributes = []
        if iterators is not None:
            attributes.append(f"iterator_types = [{', '.join(f'#linalg.iterator_type<{i}>' for i in iterators)}]")
        if mark is not None:
            attributes.append(f"{MARK} = {mark} : i64")
        kind = f' ops{{["{ops}"]}}' if ops else ""
        having = f" attributes{{{', '.join(attributes)}}}" if attributes else ""
        return self.op(f"structured.match{kind}{having} in {within}", within, results=1)[0]

    def tile(self, target: str, sizes: Iterable[int]) -> str:
        """Tile with sequential loops, one a non-zero size; the tiled operation."""
        sizes = list(sizes)
        loops = sum(size != 0 for size in sizes)
        return self.op(f"structured.tile_using_for {target} tile_sizes {sizes}", target, results=1 + loops)[0]

    def tile_parallel(self, target: str, sizes: Iterable[int]) -> tuple[str, str]:
        """Tile with one parallel loop; the tiled operation and the loop."""
        tiled, loop = self.op(f"structured.tile_using_forall {target} tile_sizes {list(sizes)}", target, results=2)
        return tiled, loop

    def split(self, target: str, dimension: int, after: int) -> list[str]:
        """Cut an operation in two along a loop dimension."""
        (both,) = self.handles(1)
        self.lines.append(f"{both} = transform.structured.split {target} after {after} {{dimension = {dimension}}} : {ANY}")
        return self.op(f"split_handle {both}", both, results=2)

    def patterns(self, target: str, *names: str) -> None:
        """Apply pattern sets greedily, together."""
        sets = "\n".join(f"  transform.apply_patterns.{name}" for name in names)
        self.lines.append(f"transform.apply_patterns to {target} {{\n{sets}\n}} : {ANY}")

    def text(self) -> str:
        body = "\n".join(self.lines)
        return (
            f"module attributes {{transform.with_named_sequence}} {{\n"
            f"transform.named_sequence @__transform_main(%root: {ANY}) {{\n{body}\ntransform.yield\n}}\n}}"
        )

    def apply(self, root: ir.Operation) -> None:
        from passes.mlir import transform_interpreter  # slow to import, and most stages do without

        module = ir.Module.parse(self.text(), root.context)
        try:
            transform_interpreter.apply_named_sequence(root, module.body.operations[0], module)
        except ValueError as error:
            raise ScheduleError(f"{root.name} at {root.location}: {error}") from error


def mark(root: ir.Operation, ops: Sequence[ir.Operation]) -> None:
    """Number the operations, and no others under `root`, for `Schedule.match`."""
    for op in find_all(root):
        if MARK in op.attributes:
            del op.attributes[MARK]
    for number, op in enumerate(ops):
        op.attributes[MARK] = ir.IntegerAttr.get(ir.IntegerType.get_signless(64, op.context), number)


def functions(module: ir.Operation) -> list[ir.Operation]:
    """The functions of a module that have a body."""
    return [
        op.operation
        for op in module.regions[0].blocks[0].operations
        if op.operation.name == "func.func" and op.regions[0].blocks
    ]


def find_all(root: ir.Operation, *names: str) -> list[ir.Operation]:
    """Every operation under `root`, of these names if any are given, in order; safe to change while iterating."""
    found = []

    def visit(op: ir.Operation) -> ir.WalkResult:
        if not names or op.name in names:
            found.append(op.operation)
        return ir.WalkResult.ADVANCE

    root.walk(visit)
    return found
