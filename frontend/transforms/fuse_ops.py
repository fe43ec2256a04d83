"""Which nodes go into which subgraph: patterns that `Graph.fuse_ops` applies."""

from frontend.graph import Graph


def simply_fuse(graph: Graph) -> None:
    """Everything into one subgraph, `subgraph0`."""
    graph.groups = {"subgraph0": [node.name for node in graph.nodes]}
