"""Remove what computes nothing: copies, casts and views that change nothing, assertions, and nodes that nobody uses."""

from frontend.graph import Graph, Node, Ref

# Each yields its first argument whenever the result has that argument's type.
COPIES = {
    "aten.alias.default",
    "aten.clone.default",
    "aten.detach.default",
    "aten.expand.default",
    "aten.lift_fresh_copy.default",
    "aten._to_copy.default",
    "aten.view.default",
    "aten._unsafe_view.default",
}


def drop_no_ops(graph: Graph) -> None:
    types = graph.definitions()
    same: dict[Ref, Ref] = {}
    for node in graph.nodes:
        if node.op in COPIES:
            source = next(node.refs())
            if types[source.name][source.index] == node.type:
                same[Ref(node.name)] = source
    graph.replace_nodes([n for n in graph.nodes if Ref(n.name) not in same], same)
    drop_unused(graph)


def drop_unused(graph: Graph) -> None:
    """Graphs are functional, so a node without a use has no effect; sizes may use the number that an item gives."""
    used = {ref.name for ref in graph.outputs}
    kept: list[Node] = []
    for node in reversed(graph.nodes):
        if node.name in used or node.op == "sluice.item":
            kept.append(node)
            used |= {ref.name for ref in node.refs()}
    graph.nodes = kept[::-1]
