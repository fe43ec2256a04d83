"""The graph that every later step reads: typed nodes in order, free of torch and of MLIR."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, cast

BYTES = {
    "f64": 8, "f32": 4, "f16": 2, "bf16": 2, "i64": 8, "i32": 4, "i16": 2, "i8": 1, "i1": 1,
    "u64": 8, "u32": 4, "u16": 2, "u8": 1,
    "c128": 16, "c64": 8, "c32": 4,
}  # fmt: skip


@dataclass(frozen=True)
class Dim:
    """A size that is known when the code runs: Python's integer arithmetic on the graph's symbols, as text.

    A symbol is a dimension of an input: `Dim("s0")` in its shape. `floor`, `Mod`, `Max` and `Min` may be called.
    """

    expression: str

    def __str__(self) -> str:
        return self.expression


@dataclass(frozen=True)
class TensorType:
    """A dense tensor; `dtype` is a key of BYTES (`i1` is torch.bool, `c64` a pair of f32)."""

    shape: tuple[int | Dim, ...]
    dtype: str

    @property
    def static(self) -> bool:
        return all(isinstance(size, int) for size in self.shape)

    @property
    def count(self) -> int:
        return math.prod(self.sizes)

    @property
    def sizes(self) -> tuple[int, ...]:
        """The shape, if all of it is known now; else a ValueError."""
        if not self.static:
            raise ValueError(f"{self} has sizes that are known only when it runs")
        return cast(tuple[int, ...], self.shape)

    @property
    def nbytes(self) -> int:
        return self.count * BYTES[self.dtype]

    def __str__(self) -> str:
        return "x".join([*map(str, self.shape), self.dtype])


@dataclass(frozen=True)
class Ref:
    """The use of a node's result, of a parameter or of an input, by its name."""

    name: str
    index: int = 0

    def __str__(self) -> str:
        return f"%{self.name}" + (f"#{self.index}" if self.index else "")


@dataclass(frozen=True)
class Source:
    """The line of the user's program that a node comes from."""

    file: str
    line: int
    function: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True)
class Input:
    """What a caller passes; `symbol` says that it is a size, the one that `Dim`s call by this name."""

    name: str
    type: TensorType
    symbol: str | None = None


@dataclass(frozen=True)
class Panels:
    """How a matrix [n, k] lies that others are multiplied with from the left: in panels of `width` columns of the product.

    [ceil(n / width), k, width], and with several `steps` [ceil(n / width), ceil(k / steps), width, steps]: so many terms of a
    column's sum lie side by side. Padding is zero. The model has the matrix as [k, n] if `transposed`.
    """

    width: int
    steps: int = 1
    transposed: bool = False

    def shape(self, n: int, k: int) -> tuple[int, ...]:
        groups = (-(-n // self.width), -(-k // self.steps), self.width)
        return groups if self.steps == 1 else (*groups, self.steps)


@dataclass(frozen=True)
class Parameter:
    """A weight, buffer or constant of the model, `source` is the model's own name for it.

    `panels` says how a matrix is stored: see `frontend.parameters.pack`. One of i8 stands for real numbers: each column of the
    product has a scale, in the parameter that has the matrix's name as `scales_of`. One with `parts` holds them one behind the
    other, along their first dimension as they are stored.
    """

    name: str
    type: TensorType
    source: str
    panels: Panels | None = None
    scales_of: str = ""
    parts: tuple[Parameter, ...] = ()

    def whole(self) -> tuple[Parameter, ...]:
        """Its parts, or it alone if it has none."""
        return self.parts or (self,)


@dataclass(frozen=True)
class Node:
    """One operator: `args` are named as the operator's schema names them and hold Refs, Python values and lists of them."""

    name: str
    op: str
    args: dict[str, Any]
    types: tuple[TensorType, ...]
    source: Source | None = None

    @property
    def type(self) -> TensorType:
        return self.types[0]

    def refs(self) -> Iterator[Ref]:
        return refs_in(list(self.args.values()))


def refs_in(value: Any) -> Iterator[Ref]:
    if isinstance(value, Ref):
        yield value
    elif isinstance(value, list | tuple):
        for item in value:
            yield from refs_in(item)


def substitute(value: Any, new: dict[Ref, Ref]) -> Any:
    if isinstance(value, Ref):
        return new.get(value, value)
    if isinstance(value, list | tuple):
        return [substitute(item, new) for item in value]
    return value


@dataclass
class Graph:
    """A function: parameters, then inputs, then nodes in order of execution, then what it returns.

    Graphs are functional. Where the program writes a parameter or an input in place, the new value is one of the last outputs
    and `writes` names what it replaces, in their order.
    """

    name: str
    parameters: list[Parameter] = field(default_factory=list)
    inputs: list[Input] = field(default_factory=list)
    nodes: list[Node] = field(default_factory=list)
    outputs: list[Ref] = field(default_factory=list)
    writes: list[str] = field(default_factory=list)
    ranges: dict[str, tuple[int, int | None]] = field(default_factory=dict)  # symbol -> the least and the greatest it may be
    groups: dict[str, list[str]] = field(default_factory=dict)  # subgraph -> the nodes in it, set by fuse_ops
    lowered_by: dict[str, str] = field(default_factory=dict)  # node -> the registry that answered

    def type_of(self, ref: Ref) -> TensorType:
        return self.definitions()[ref.name][ref.index]

    def definitions(self) -> dict[str, tuple[TensorType, ...]]:
        """Every name that a Ref may use, with its result types."""
        types = {p.name: (p.type,) for p in self.parameters} | {i.name: (i.type,) for i in self.inputs}
        return types | {node.name: node.types for node in self.nodes}

    def arguments(self) -> list[str]:
        """The names of what the function takes, in order."""
        return [p.name for p in self.parameters] + [i.name for i in self.inputs]

    def returned(self) -> list[Ref]:
        """The outputs without the new values of what is written in place."""
        return self.outputs[: len(self.outputs) - len(self.writes)]

    def written(self) -> list[int]:
        """Which of the arguments `writes` names."""
        return [self.arguments().index(name) for name in self.writes]

    def uses(self) -> dict[str, list[Node | None]]:
        """For each name the nodes that use it, and None when the graph returns it."""
        users: dict[str, list[Node | None]] = {name: [] for name in self.definitions()}
        for node in self.nodes:
            for ref in node.refs():
                users[ref.name].append(node)
        for ref in self.outputs:
            users[ref.name].append(None)
        return users

    def replace_nodes(self, nodes: list[Node], new: dict[Ref, Ref] | None = None) -> None:
        """Put `nodes` in the place of the graph's own, with the uses in `new` redirected (chains are followed)."""
        settled = {}
        for ref in new or {}:
            target = ref
            while target in (new or {}):
                target = new[target]  # type: ignore[index]
            settled[ref] = target
        self.nodes = [replace(n, args={k: substitute(v, settled) for k, v in n.args.items()}) for n in nodes]
        self.outputs = substitute(self.outputs, settled)

    def fuse_ops(self, patterns: list[Callable[[Graph], None]]) -> Graph:
        """Let each pattern say which nodes form a subgraph; GraphDriver cuts the graph there."""
        return self.perform(patterns)

    def perform(self, transforms: list[Callable[[Graph], None]]) -> Graph:
        """Apply the transforms in order, in place."""
        for transform in transforms:
            transform(self)
        return self
