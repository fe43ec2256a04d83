"""A graph to a verified MLIR module: one function, one lowering after the other."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from frontend import parameters
from frontend.dims import evaluate, symbols_in
from frontend.graph import Dim, Graph, Node, Ref, TensorType
from frontend.ops import func as func_ops
from frontend.ops import linalg as linalg_ops
from frontend.ops import math as math_ops
from frontend.ops import scf as scf_ops
from frontend.ops import tosa as tosa_ops
from frontend.ops.scalars import Scalar
from frontend.ops.values import empty, in_memory, length, mixed, ranked, result_sizes, size_value, tensor_type
from frontend.registry import DECLINED, Lowering, Missing, MissingLowerings, Registry, find, nearest
from frontend.results import padded, result_types, told_by_data
from frontend.writing import argument_type, write
from passes.mlir import arith, bufferization, func, ir, memref, tensor

REGISTRIES = tuple(dialect.ops_registry for dialect in (tosa_ops, linalg_ops, math_ops, scf_ops, func_ops))


class LoweringError(Exception):
    """A lowering that failed or gave the wrong type: the node, its source line, and what was expected."""


def order(primary: Registry) -> tuple[Registry, ...]:
    """The registries in the order in which they are asked: the primary, then the others as fallbacks."""
    return (primary, *[registry for registry in REGISTRIES if registry is not primary])


def preflight(graph: Graph, registries: Sequence[Registry] = REGISTRIES) -> list[Missing]:
    """Every node that will not be lowered, because no registry knows it or all decline its types."""
    try:
        lower(replace(graph, lowered_by={}), registries)
    except MissingLowerings as error:
        return error.missing
    return []


def lower(
    graph: Graph,
    registries: Sequence[Registry] = REGISTRIES,
    pack_parameters: bool = False,
    in_place: bool = False,
    values: dict[Ref, ir.Value] | None = None,
) -> ir.Module:
    """`graph` as a module with one public function.

    Its arguments are the parameters, each a tensor, or with `pack_parameters` all of them as one memref of bytes laid out as
    `frontend.parameters.offsets` says; then the inputs. With `in_place` the inputs that the graph writes are memrefs, whose new
    values are written there and not returned. Which registry lowered a node is recorded in `graph.lowered_by`, and in `values`,
    if it is given, what became of everything that the graph names.
    """
    with ir.Context(), ir.Location.name(graph.name):
        module = ir.Module.create()
        with ir.InsertionPoint(module.body):
            _declare_callees(graph)
            writes = in_place and bool(graph.writes)
            types = [argument_type(tensor_type(i.type), writes and i.name in graph.writes) for i in graph.inputs]
            if pack_parameters:
                size = parameters.offsets(p.type for p in graph.parameters)[1]
                types.insert(0, ir.MemRefType.get([size], ir.IntegerType.get_signless(8)))
            else:
                types = [tensor_type(p.type) for p in graph.parameters] + types
            returning = replace(graph, outputs=graph.returned(), writes=[]) if writes else graph
            results = [tensor_type(type_) for type_ in result_types(returning)]
            function = func.FuncOp(graph.name, (types, results))
        with ir.InsertionPoint(function.add_entry_block()):
            values = {} if values is None else values
            values |= _arguments(graph, list(function.arguments), pack_parameters)
            symbols = _Symbols(graph, values)
            _lower_nodes(graph, registries, values, symbols)
            returned = _results(returning, values, symbols)
            func.ReturnOp(write(graph, list(function.arguments), values, returned) if writes else returned)
        try:
            module.operation.verify()
        except ir.MLIRError as error:
            raise LoweringError(f"{graph.name}: a lowering made an operation that is not valid: {error}") from error
        return module


def _arguments(graph: Graph, arguments: list[ir.Value], packed: bool) -> dict[Ref, ir.Value]:
    if packed:
        arguments = [*_unpack(graph, arguments[0]), *arguments[1:]]
    tensors = [in_memory(value) if isinstance(value.type, ir.MemRefType) else value for value in arguments]
    return {Ref(name): value for name, value in zip(graph.arguments(), tensors, strict=True)}


def _unpack(graph: Graph, data: ir.Value) -> list[ir.Value]:
    """Views of the packed parameters' bytes; nothing is copied."""
    starts, _ = parameters.offsets(p.type for p in graph.parameters)
    values = []
    for parameter, start in zip(graph.parameters, starts, strict=True):
        with ir.Location.name(parameter.source):
            type_ = tensor_type(parameter.type)
            offset = arith.constant(ir.IndexType.get(), start)
            view = memref.ViewOp(ir.MemRefType.get(type_.shape, type_.element_type), data, offset, [])
            values.append(bufferization.ToTensorOp(type_, view, restrict=True).result)
    return values


def _declare_callees(graph: Graph) -> None:
    for node in graph.nodes:
        if node.op == "sluice.call":
            writes = node.args["writes"]
            given = [tensor_type(graph.type_of(ref)) for ref in node.args["arguments"]]
            types = [argument_type(type_, place in writes) for place, type_ in enumerate(given)]
            results = [tensor_type(t) for t in node.types[: len(node.types) - len(writes)]]
            func.FuncOp(node.args["callee"], (types, results), visibility="private")


class _Symbols(dict[str, Scalar]):
    """The graph's symbols as values, each made when it is first asked for: a dimension, or a number in a tensor."""

    def __init__(self, graph: Graph, values: dict[Ref, ir.Value]) -> None:
        super().__init__()
        given = [(i.name, i.type) for i in graph.inputs] + [(p.name, p.type) for p in graph.parameters]
        self.places = symbols_in([*given, *((n.name, t) for n in graph.nodes for t in n.types[:1])])
        self.numbers = {i.symbol: i.name for i in graph.inputs if i.symbol}
        self.numbers |= {n.args["symbol"]: n.name for n in graph.nodes if n.op == "sluice.item"}
        self.tensors = values

    def __contains__(self, name: object) -> bool:
        return name in self.numbers or name in self.places

    def __iter__(self) -> Iterator[str]:
        return iter([*self.numbers, *self.places])

    def know(self, type_: TensorType) -> bool:
        """Whether a type has dynamic sizes, and all of them can be computed already: not those of a node yet to be lowered."""
        used = {word for size in type_.shape for word in re.findall(r"\w+", str(size))}
        names = used & self.places.keys()
        return not type_.static and all(name in self.numbers or Ref(self.places[name][0]) in self.tensors for name in names)

    def __missing__(self, name: str) -> Scalar:
        if name in self.numbers:
            self[name] = Scalar(tensor.extract(self.tensors[Ref(self.numbers[name])], [])).to("index")
        else:
            place, axis = self.places[name]
            self[name] = Scalar(size_value(self.tensors[Ref(place)], axis))
        return self[name]


def _size(size: int | Dim, symbols: _Symbols) -> Any:
    if isinstance(size, int):
        return size
    result = evaluate(
        size, symbols, {"Max": lambda x, y: _either(x, y, "maximum"), "Min": lambda x, y: _either(x, y, "minimum")}
    )
    return result.value if isinstance(result, Scalar) else result


def _either(x: Any, y: Any, name: str) -> Any:
    typed, other = (x, y) if isinstance(x, Scalar) else (y, x)
    return getattr(typed, name)(other) if isinstance(typed, Scalar) else max(x, y) if name == "maximum" else min(x, y)


def _results(graph: Graph, values: dict[Ref, ir.Value], symbols: _Symbols) -> list[ir.Value]:
    """The outputs and what else a function returns, as `frontend.results` says."""
    found = [
        tensor.from_elements(tensor_type(TensorType((), "i64")), [symbols[s].to("i64").value]) for s in told_by_data(graph)
    ]
    return [_padded(graph, graph.type_of(ref), values[ref], symbols) for ref in graph.outputs] + found


def _padded(graph: Graph, type_: TensorType, value: ir.Value, symbols: _Symbols) -> ir.Value:
    whole = padded(graph, type_)
    if whole == type_:
        return value
    known = {axis: _size(size, symbols) for axis, size in enumerate(whole.shape)}
    room = empty(tensor_type(whole), known)
    if whole.static and not whole.count:
        return room
    sizes = [length(_size(size, symbols)) for size in type_.shape]
    fitting = [s.minimum(length(n)) if isinstance(s, Scalar) else s for s, n in zip(sizes, known.values(), strict=True)]
    dynamic, static = mixed(fitting)  # never beyond the room, whatever torch said of the bound
    rank = len(static)
    part = ir.RankedTensorType.get(static, ranked(value).element_type)
    value = tensor.ExtractSliceOp(part, value, [], dynamic, [], [0] * rank, static, [1] * rank).result
    return tensor.insert_slice(value, room, [], dynamic, [], [0] * rank, static, [1] * rank)


def _lower_nodes(graph: Graph, registries: Sequence[Registry], values: dict[Ref, ir.Value], symbols: _Symbols) -> None:
    declined = []
    types = graph.definitions()
    for node in graph.nodes:
        static = all(t.static for t in (*node.types, *(types[ref.name][ref.index] for ref in node.refs())))
        with _location(node):
            results = _lower_node(node, find(registries, node.op, static), values, symbols, graph.lowered_by)
        if results is DECLINED:
            declined.append(node)
            results = [_placeholder(t) for t in map(tensor_type, node.types)]
        for index, value in enumerate(results):
            values[Ref(node.name, index)] = value
    _refuse(graph, declined, registries)


def _lower_node(
    node: Node,
    lowerings: Sequence[tuple[str, Lowering]],
    values: dict[Ref, ir.Value],
    symbols: _Symbols,
    record: dict[str, str],
) -> Any:
    types = [tensor_type(t) for t in node.types]
    if node.types and all(t.static and not t.count for t in node.types):
        record[node.name] = "tensor"
        return [empty(t) for t in types]  # no elements, nothing to compute
    args = {name: _resolve(value, values, symbols) for name, value in node.args.items()}
    sizes = {t: [_size(s, symbols) for s in n.shape] for t, n in zip(types, node.types, strict=True) if symbols.know(n)}
    for dialect, lowering in lowerings:
        try:
            with result_sizes(sizes):
                result = lowering(types[0] if len(types) == 1 else types, **args)
        except Exception as error:
            kind = type(error).__name__
            raise LoweringError(
                f"{node.name} ({node.op}) at {node.source}: its {dialect} lowering failed: {kind}: {error}"
            ) from error
        if result is DECLINED:
            continue
        record[node.name] = dialect
        results = list(result) if isinstance(result, list | tuple) else [result]
        got = [str(r.type) if isinstance(r, ir.Value) else repr(r) for r in results]
        if got != [str(t) for t in types]:
            raise LoweringError(
                f"{node.name} ({node.op}) at {node.source}: its {dialect} lowering gave {', '.join(got)}, "
                f"expected {', '.join(map(str, types))}"
            )
        return results
    return DECLINED


def _resolve(value: Any, values: dict[Ref, ir.Value], symbols: _Symbols) -> Any:
    if isinstance(value, Ref):
        return values[value]
    if isinstance(value, Dim):
        return _size(value, symbols)
    return [_resolve(item, values, symbols) for item in value] if isinstance(value, list) else value


def _placeholder(type_: ir.RankedTensorType) -> ir.Value:
    """Stands in for a declined node's result, so that the nodes after it are tried too; the module is thrown away."""
    return ir.Operation.create("ub.poison", results=[type_], attributes={"value": ir.Attribute.parse("#ub.poison")}).result


def _refuse(graph: Graph, nodes: Sequence[Node], registries: Sequence[Registry]) -> None:
    if not nodes:
        return
    types = graph.definitions()
    missing = [
        Missing(
            node.name,
            node.op,
            tuple(str(types[ref.name][ref.index]) for ref in node.refs()),
            tuple(map(str, node.types)),
            str(node.source or "an unknown line"),
            tuple(dialect for dialect, _ in find(registries, node.op)),
            nearest(registries, node.op),
        )
        for node in nodes
    ]
    files = ", ".join(f"frontend/ops/{registry.dialect}" for registry in registries if registry is not func_ops.ops_registry)
    advice = f"add a row or a function to one of {files}, or a decomposition to frontend/capture/decompositions"
    raise MissingLowerings(missing, advice)


def _location(node: Node) -> ir.Location:
    source = node.source
    child = ir.Location.file(source.file, source.line, 0) if source else ir.Location.unknown()
    return ir.Location.name(node.name, child)
