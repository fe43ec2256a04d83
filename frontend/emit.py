"""The build stage that lowers a graph to MLIR."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from frontend import log, lower, serialize, signature
from frontend.flops import flops
from frontend.graph import Graph
from frontend.prepare import prepare
from passes.mlir import ir


@dataclass
class Emitted:
    """The modules of the main graph and of subgraph0, the graph's logs before and after fusion, and the runner's header."""

    forward: ir.Module
    subgraph0: ir.Module
    graph_log: str
    fused_log: str
    header: str


def emit_graph(graph: Graph, model: str, dtype: str) -> Emitted:
    driver = prepare(graph, dtype)
    main = driver.construct_main_graph()
    (subgraph,) = driver.subgraphs
    forward, subgraph0 = lower.lower(main, pack_parameters=True, in_place=True), lower.lower(subgraph, in_place=True)
    driver.graph.lowered_by = subgraph.lowered_by
    header = signature.header(main, model, dtype, flops(driver.graph))
    return Emitted(forward, subgraph0, log.table(driver.graph), log.table(main, subgraph), header)


def emit(inputs: list[Path], outputs: list[Path], model: str, dtype: str) -> None:
    """A captured graph to its modules, logs and header."""
    forward_mlir, subgraph_mlir, graph_log, fused_log, header = outputs
    emitted = emit_graph(serialize.load(inputs[0]), model, dtype)
    forward_mlir.write_text(emitted.forward.operation.get_asm(enable_debug_info=True))
    subgraph_mlir.write_text(emitted.subgraph0.operation.get_asm(enable_debug_info=True))
    graph_log.write_text(emitted.graph_log)
    fused_log.write_text(emitted.fused_log)
    header.write_text(emitted.header)
