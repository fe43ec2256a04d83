"""What the build does to a captured graph before it lowers it."""

from __future__ import annotations

from frontend.driver import GraphDriver
from frontend.graph import Graph
from frontend.transforms.drop_no_ops import drop_no_ops
from frontend.transforms.fuse_ops import simply_fuse
from frontend.transforms.pack_linears import pack_linears


def prepare(graph: Graph) -> GraphDriver:
    """Drop what does nothing, pack the weights, and make everything one subgraph, `subgraph0`, which writes in place."""
    return GraphDriver(graph.perform([drop_no_ops, pack_linears, drop_no_ops]).fuse_ops([simply_fuse]), in_place=True)
