"""The least time that a graph can take: its arithmetic at the machine's peak, or its bytes at the speed of its memory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from frontend.driver import GraphDriver
from frontend.flops import flops
from frontend.graph import BYTES, Graph, Parameter
from frontend.transforms.drop_no_ops import drop_no_ops

FLOATS = {"f64", "f32", "f16", "bf16"}
WIDTHS = {"f32": 4, "bf16": 2, "w8": 1}  # of a weight in bytes, by the dtype that a model is run in
PEAKS = {"f32": "fp32_gflops", "bf16": "bf16_gflops", "w8": "fp32_gflops"}  # 8-bit weights are multiplied as fp32


class UnknownDtype(Exception):
    """A dtype of which no limit is known."""


@dataclass(frozen=True)
class Work:
    """What one call cannot do without: operations of matrix products and convolutions, and bytes read and written."""

    flops: int
    bytes: int

    def limit_ms(self, dtype: str, limits: Mapping[str, float | None]) -> float:
        """Milliseconds on a machine of `limits`: `fp32_gflops`, `bf16_gflops` (None: it has no such unit) and `read_gbps`."""
        peak, gbps = limits[PEAKS[dtype]] or limits["fp32_gflops"], limits["read_gbps"]
        assert peak and gbps
        return max(self.flops / peak, self.bytes / gbps) * 1e-6


def work(graph: Graph, dtype: str) -> Work:
    """The work of a captured graph.

    Every parameter is read once, floating-point ones as `dtype`, a table of which rows are looked up only as far as they are;
    inputs are read once and outputs written once; what replaces a part of an input in place counts as nothing.
    """
    if dtype not in WIDTHS:
        raise UnknownDtype(f"dtype={dtype}: expected {', '.join(WIDTHS)}")
    return _work(replace(graph).perform([drop_no_ops]), WIDTHS[dtype])


def work_of_groups(graph: Graph, groups: Mapping[str, list[str]]) -> dict[str, Work]:
    """The work of each group of a prepared graph's nodes: what comes from outside is read, what is used outside is written.

    Tensors count as they are stored.
    """
    parts = GraphDriver(replace(graph, groups=dict(groups))).subgraphs
    return {part.name: _work(part, max(BYTES.values())) for part in parts}


def _work(graph: Graph, width: int) -> Work:
    exchanged = sum(i.type.nbytes for i in graph.inputs) + sum(graph.type_of(ref).nbytes for ref in graph.returned())
    return Work(flops(graph), exchanged + sum(_read(graph, graph.parameters, width)))


def _read(graph: Graph, parameters: Iterable[Parameter], width: int) -> Iterable[int]:
    users = graph.uses()
    for parameter in parameters:
        looked_up = [n.type.count if n and n.op == "aten.embedding.default" else None for n in users[parameter.name]]
        count = min(parameter.type.count, sum(c for c in looked_up if c)) if all(looked_up) else parameter.type.count
        own = BYTES[parameter.type.dtype]
        yield count * (min(own, width) if parameter.type.dtype in FLOATS else own)
