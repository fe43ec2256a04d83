"""What a function returns: a size that only the data tell is padded to the most it may be, and told by a result of its own."""

from __future__ import annotations

import math

from frontend.dims import symbols_in
from frontend.graph import Dim, Graph, TensorType


class UnboundedSize(Exception):
    """A result whose memory the caller cannot provide, since nothing says how large it may become."""


def told_by_data(graph: Graph) -> list[str]:
    """The symbols that outputs use and neither an input nor a parameter shows."""
    arguments = [(i.name, i.type) for i in graph.inputs] + [(p.name, p.type) for p in graph.parameters]
    given = symbols_in(arguments)
    known = {*given, *(i.symbol for i in graph.inputs)}
    made = symbols_in((node.name, type_) for node in graph.nodes for type_ in node.types)
    used = [str(size) for ref in graph.outputs for size in graph.type_of(ref).shape if isinstance(size, Dim)]
    return list(dict.fromkeys(symbol for symbol in used if symbol in made and symbol not in known))


def padded(graph: Graph, type_: TensorType) -> TensorType:
    """A type with the most elements that it may have in place of the sizes that the data tell."""
    unknown = set(told_by_data(graph))
    sizes = [_most(graph, size) if str(size) in unknown else size for size in type_.shape]
    return TensorType(tuple(sizes), type_.dtype)


def result_types(graph: Graph) -> list[TensorType]:
    """The outputs, padded, then one i64 for each symbol that the data tell."""
    return [padded(graph, graph.type_of(ref)) for ref in graph.outputs] + [TensorType((), "i64")] * len(told_by_data(graph))


# Operators that select among the elements of their operands, once these are broadcast: they give no more than there are.
SELECTING = {
    "aten.index.Tensor",
    "aten.masked_select.default",
    "aten.nonzero.default",
    "aten._unique2.default",
    "aten.unique_consecutive.default",
    "aten.unique_dim.default",
}


def _most(graph: Graph, size: int | Dim) -> int:
    most = {symbol: high for symbol, (_, high) in graph.ranges.items() if high is not None} | _elements(graph)
    if str(size) not in most:
        raise UnboundedSize(
            f"{graph.name!r} returns a tensor of size {size}, which only the data tell, and nothing bounds it; "
            f"give the inputs fixed sizes, or call torch._check({size} <= ...) in the program"
        )
    return most[str(size)]


def _elements(graph: Graph) -> dict[str, int]:
    """For each symbol that a selecting operator makes, how many elements it selects among; torch forgets to broadcast there."""
    definitions = graph.definitions()
    counts = {}
    for node in graph.nodes:
        operands = [definitions[ref.name][ref.index] for ref in node.refs()]
        if node.op in SELECTING and all(type_.static for type_ in operands):
            rank = max(len(type_.shape) for type_ in operands)
            shapes = [(1,) * (rank - len(type_.sizes)) + type_.sizes for type_ in operands]
            count = math.prod(max(sizes) for sizes in zip(*shapes, strict=True)) if 0 not in sum(shapes, ()) else 0
            counts.update(dict.fromkeys(symbols_in((node.name, type_) for type_ in node.types), count))
    return counts
