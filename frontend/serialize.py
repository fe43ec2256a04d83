"""A graph as JSON and back, so that lowering starts from a file and needs no torch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from frontend.graph import Dim, Graph, Input, Node, Panels, Parameter, Ref, Source, TensorType


def save(graph: Graph, path: Path) -> None:
    path.write_text(json.dumps(_plain(graph.__dict__), indent=1))


class BadGraph(Exception):
    """A file that holds no graph: which, and why not."""


def load(path: Path) -> Graph:
    try:
        return _graph(json.loads(path.read_text()))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise BadGraph(f"{path} holds no graph: {type(error).__name__}: {error}; `doit forget` and build it again") from error


def _graph(data: dict[str, Any]) -> Graph:
    return Graph(
        name=data["name"],
        parameters=[_parameter(p) for p in data["parameters"]],
        inputs=[Input(i["name"], _type(i["type"]), i["symbol"]) for i in data["inputs"]],
        nodes=[_node(n) for n in data["nodes"]],
        outputs=_value(data["outputs"]),
        writes=data["writes"],
        ranges={symbol: (low, high) for symbol, (low, high) in data["ranges"].items()},
        groups=data["groups"],
        lowered_by=data["lowered_by"],
    )


def _parameter(data: dict[str, Any]) -> Parameter:
    panels = Panels(**data["panels"]) if data["panels"] else None
    parts = tuple(_parameter(part) for part in data["parts"])
    return Parameter(**{**data, "type": _type(data["type"]), "panels": panels, "parts": parts})


def _plain(value: Any) -> Any:
    if isinstance(value, Ref):
        return {"ref": value.name, "index": value.index}
    if isinstance(value, Dim):
        return {"dim": value.expression}
    if isinstance(value, complex):
        return {"real": value.real, "imag": value.imag}
    if isinstance(value, TensorType | Source | Input | Panels | Parameter | Node):
        return _plain(value.__dict__)
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def _value(value: Any) -> Any:
    if isinstance(value, dict):
        if "dim" in value:
            return Dim(value["dim"])
        return complex(value["real"], value["imag"]) if "real" in value else Ref(value["ref"], value["index"])
    return [_value(item) for item in value] if isinstance(value, list) else value


def _type(data: dict[str, Any]) -> TensorType:
    return TensorType(tuple(_value(data["shape"])), data["dtype"])


def _node(data: dict[str, Any]) -> Node:
    return Node(
        name=data["name"],
        op=data["op"],
        args={name: _value(value) for name, value in data["args"].items()},
        types=tuple(_type(t) for t in data["types"]),
        source=Source(**data["source"]) if data["source"] else None,
    )
