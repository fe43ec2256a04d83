"""The build stage that packs a model's weights."""

from __future__ import annotations

from pathlib import Path

from frontend import parameters, serialize
from frontend.prepare import prepare


def pack(inputs: list[Path], outputs: list[Path], dtype: str) -> None:
    """A graph and its weights, as the model has them, to the bytes that the compiled code reads."""
    graph_json, weights = inputs
    (packed,) = outputs
    graph = serialize.load(graph_json)
    arrays = parameters.read(weights, [p.type for p in graph.parameters])
    given = {p.name: array for p, array in zip(graph.parameters, arrays, strict=True)}
    main = prepare(graph, dtype).construct_main_graph()
    parameters.write(packed, (parameters.stored(p, given) for p in main.parameters))
