"""A graph as a table that people read: `graph.log` and `graph_fused.log`."""

from __future__ import annotations

from frontend.graph import Graph


def table(*graphs: Graph) -> str:
    """A row for each node: name, operator, result types, the registry that lowered it, and the model's line."""
    return "\n".join(_section(graph) for graph in graphs)


def _section(graph: Graph) -> str:
    rows = [("name", "operator", "type", "lowered by", "source")]
    for parameter in graph.parameters:
        rows.append((parameter.name, "parameter", str(parameter.type), "", parameter.source))
    for value in graph.inputs:
        rows.append((value.name, "input", str(value.type), "", ""))
    for node in graph.nodes:
        types = ", ".join(map(str, node.types))
        registry = graph.lowered_by.get(node.name, "")
        source = f"{node.source} in {node.source.function}" if node.source else ""
        rows.append((node.name, node.op, types, registry, source))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    results = ", ".join(f"{ref}: {graph.type_of(ref)}" for ref in graph.outputs)
    return "\n".join([f"graph {graph.name}", *lines, f"returns {results}", ""])
