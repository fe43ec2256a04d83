"""What verification must know of a compiled graph: how its functions are called, and where in the MLIR each node's value is."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from frontend import parameters, serialize
from frontend.driver import GraphDriver
from frontend.graph import Graph, Ref, TensorType
from frontend.lower import lower
from frontend.prepare import prepare
from passes.mlir import ir

LONGER = {"bf16": "f32", "f16": "f32"}  # floats of 16 bits are expected as f32


def stored_as(dtype: str) -> str:
    """The dtype of the values that numbers of this dtype are compared with."""
    return LONGER.get(dtype, dtype)


def visible(graph: Graph, dtype: str) -> tuple[GraphDriver, list[tuple[Ref, TensorType]]]:
    """A captured graph, prepared, and the results in it of the nodes that were captured, in order.

    Those whose size only the data tell are left out.
    """
    names = {node.name for node in graph.nodes if node.op != "sluice.item"}
    driver = prepare(replace(graph), dtype)
    results = [(Ref(n.name, i), type_) for n in driver.graph.nodes for i, type_ in enumerate(n.types) if n.name in names]
    return driver, [(ref, type_) for ref, type_ in results if type_.static]


def cases(inputs: list[Path], outputs: list[Path], dtype: str) -> None:
    """The build stage: a captured graph and its nodes' tolerances to the cases of `forward` and `subgraph0`, and to the places
    of the nodes' values in `subgraph0`."""
    graph_json, allowed = inputs
    cases_json, places_json = outputs
    driver, seen = visible(serialize.load(graph_json), dtype)
    main = driver.construct_main_graph()
    (subgraph,) = driver.subgraphs
    values: dict[Ref, ir.Value] = {}
    module = lower(subgraph, in_place=True, values=values)
    places = _places(module, values, [ref for ref, _ in seen])
    tolerances = json.loads(allowed.read_text())
    plain = [_forward(main, driver.graph), _subgraph(main, subgraph, [s for s in seen if s[0] in places], seen, tolerances)]
    cases_json.write_text(json.dumps(plain, indent=1) + "\n")
    places_json.write_text(json.dumps({str(ref): place for ref, place in places.items()}, indent=1) + "\n")


def _places(module: ir.Module, values: dict[Ref, ir.Value], refs: Iterable[Ref]) -> dict[Ref, list[Any]]:
    """For each value that an operation of the function's own block defines: [location's name, which of that name, result]."""
    (function,) = [op for op in module.body.operations if op.regions[0].blocks]
    counts: dict[str, int] = {}
    found: dict[ir.Value, list[Any]] = {}
    for op in function.regions[0].blocks[0].operations:
        name = op.location.name_str if hasattr(op.location, "name_str") else ""
        for index, result in enumerate(op.operation.results):
            found[result] = [name, counts.get(name, 0), index]
        counts[name] = counts.get(name, 0) + 1
    return {ref: found[values[ref]] for ref in refs if values[ref] in found}


def _forward(main: Graph, graph: Graph) -> dict[str, Any]:
    size = parameters.offsets(p.type for p in main.parameters)[1]
    packed = {"name": "parameters", "dtype": "i8", "shape": [size], "file": "arg0.data", "offset": 0, "stored": ""}
    returned = graph.returned()
    types = [graph.type_of(ref) for ref in (*returned, *(Ref(name) for name in graph.writes))]
    starts, _ = parameters.offsets(TensorType(t.shape, stored_as(t.dtype)) for t in types)
    results = []
    for number, (ref, type_, start) in enumerate(zip(graph.outputs, types, starts, strict=True)):
        written = graph.writes[number - len(returned)] if number >= len(returned) else ""
        name = written or f"output{number}"
        argument = 1 + [i.name for i in main.inputs].index(written) if written else None
        results.append(_result(graph, ref, _expected(name, type_, "expected.data", start), argument))
    return {
        "function": main.name,
        "arguments": [packed, *_inputs(main)],
        "results": results,
        "tolerance": "tolerance.txt",
    }


def _subgraph(
    main: Graph,
    subgraph: Graph,
    placed: list[tuple[Ref, TensorType]],
    seen: list[tuple[Ref, TensorType]],
    tolerances: dict[str, float],
) -> dict[str, Any]:
    """`subgraph0` with every node's value as a result behind its own."""
    starts, _ = parameters.offsets(p.type for p in main.parameters)
    offsets = {p.name: start for p, start in zip(main.parameters, starts, strict=True)}
    stored = [_tensor(p.name, p.type, "arg0.data", offsets[p.name]) for p in subgraph.parameters]
    begins, _ = parameters.offsets(TensorType(type_.shape, stored_as(type_.dtype)) for _, type_ in seen)
    begin = {ref: start for (ref, _), start in zip(seen, begins, strict=True)}
    own = [(ref, subgraph.type_of(ref)) for ref in subgraph.returned()]
    results = [
        _result(subgraph, ref, _expected(str(ref)[1:], type_, "nodes.data", begin[ref]))
        | {"tolerance": tolerances[str(ref)], "nan": True}
        for ref, type_ in (*own, *placed)
    ]
    inputs = {data["name"]: data for data in _inputs(main)}
    arguments = [*stored, *(inputs[i.name] for i in subgraph.inputs)]
    return {"function": subgraph.name, "arguments": arguments, "results": results, "tolerance": "tolerance.txt"}


def _inputs(main: Graph) -> list[dict[str, Any]]:
    starts, _ = parameters.offsets(i.type for i in main.inputs)
    return [_tensor(i.name, i.type, "inputs.data", start) for i, start in zip(main.inputs, starts, strict=True)]


def _result(graph: Graph, ref: Ref, expected: dict[str, Any], argument: int | None = None) -> dict[str, Any]:
    node = next((n for n in graph.nodes if n.name == ref.name), None)
    source = str(node.source) if node and node.source else ""
    return {"expected": expected, "argument": argument, "node": node.name if node else "", "source": source}


def _expected(name: str, type_: TensorType, file: str, offset: int) -> dict[str, Any]:
    return _tensor(name, type_, file, offset) | {"stored": stored_as(type_.dtype)}


def _tensor(name: str, type_: TensorType, file: str, offset: int) -> dict[str, Any]:
    return {"name": name, "dtype": type_.dtype, "shape": list(type_.sizes), "file": file, "offset": offset, "stored": ""}
