"""What the build does to a captured graph before it lowers it."""

from __future__ import annotations

from frontend.driver import GraphDriver
from frontend.graph import Graph
from frontend.transforms.drop_no_ops import drop_no_ops
from frontend.transforms.fuse_ops import simply_fuse
from frontend.transforms.merge_linears import merge_linears
from frontend.transforms.pack_linears import pack_linears
from frontend.transforms.quantize_linears import quantize_linears


def prepare(graph: Graph, dtype: str = "f32") -> GraphDriver:
    """Drop what does nothing, pack the weights, and make everything one subgraph, `subgraph0`, which writes in place.

    With `w8` as dtype the packed weights are quantized.
    """
    packing = [pack_linears, *([quantize_linears] if dtype == "w8" else []), merge_linears]
    return GraphDriver(graph.perform([drop_no_ops, *packing, drop_no_ops]).fuse_ops([simply_fuse]), in_place=True)
