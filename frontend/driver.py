"""Cut a grouped graph into subgraphs, and make the main graph that calls them."""

from __future__ import annotations

from frontend.graph import Graph, Input, Node, Ref
from frontend.transforms.fuse_ops import simply_fuse


class GraphDriver:
    """`subgraphs` in the order of the groups that `Graph.fuse_ops` made; without groups everything is one subgraph.

    With `in_place` a subgraph that alone uses an input writes its new value there, as `frontend.lower` does with `in_place`.
    """

    def __init__(self, graph: Graph, in_place: bool = False) -> None:
        if not graph.groups:
            graph.fuse_ops([simply_fuse])
        self.graph = graph
        self.in_place = in_place
        self.subgraphs = [self._subgraph(name, set(members)) for name, members in graph.groups.items()]

    def construct_main_graph(self) -> Graph:
        """A graph of the original name and signature whose nodes are calls of the subgraphs."""
        graph = self.graph
        produced: dict[Ref, Ref] = {}
        calls = []
        for subgraph in self.subgraphs:
            arguments = [produced.get(Ref(name), Ref(name)) for name in subgraph.arguments()]
            types = tuple(subgraph.type_of(ref) for ref in subgraph.outputs)
            args = {"callee": subgraph.name, "arguments": arguments, "writes": subgraph.written()}
            calls.append(Node(subgraph.name, "sluice.call", args, types))
            for index, ref in enumerate(subgraph.outputs):
                produced[_flat(ref)] = Ref(subgraph.name, index)
        outputs = [produced.get(_flat(ref), ref) for ref in graph.outputs]
        return Graph(graph.name, list(graph.parameters), list(graph.inputs), calls, outputs, list(graph.writes), graph.ranges)

    def _subgraph(self, name: str, members: set[str]) -> Graph:
        graph = self.graph
        nodes = [node for node in graph.nodes if node.name in members]
        outside = {ref for node in nodes for ref in node.refs() if ref.name not in members}
        used = {ref.name for ref in outside}
        inputs = [i for i in graph.inputs if i.name in used]
        known = used & ({p.name for p in graph.parameters} | {i.name for i in graph.inputs})
        passed = [ref for node in graph.nodes for ref in _results(node) if ref in outside and ref.name not in known]
        flat = {ref: _flat(ref) for ref in passed}
        inputs += [Input(flat[ref].name, graph.type_of(ref)) for ref in passed]
        writes = self._writes(members) if self.in_place else {}
        inputs += [i for i in graph.inputs if i.name in writes and i.name not in used]
        outputs = [ref for node in nodes for ref in _results(node) if self._leaves(ref, members) and ref not in writes.values()]
        part = Graph(name, [p for p in graph.parameters if p.name in used], inputs, [], ranges=graph.ranges)
        part.outputs, part.writes = [*outputs, *writes.values()], list(writes)
        part.replace_nodes(nodes, {ref: new for ref, new in flat.items() if ref != new})
        return part

    def _writes(self, members: set[str]) -> dict[str, Ref]:
        """The inputs whose new values are made here, each once, and whose old ones nobody else needs."""
        graph = self.graph
        writes: dict[str, Ref] = {}
        returned = graph.returned()
        for name, value in zip(graph.writes, graph.outputs[len(returned) :], strict=True):
            elsewhere = any(Ref(name) in node.refs() for node in graph.nodes if node.name not in members)
            if value.name in members and value not in writes.values() and not elsewhere and Ref(name) not in returned:
                writes[name] = value
        return {name: value for name, value in writes.items() if name in {i.name for i in graph.inputs}}

    def _leaves(self, ref: Ref, members: set[str]) -> bool:
        users = [node for node in self.graph.nodes if node.name not in members]
        return ref in self.graph.outputs or any(ref in node.refs() for node in users)


def _results(node: Node) -> list[Ref]:
    return [Ref(node.name, index) for index in range(len(node.types))]


def _flat(ref: Ref) -> Ref:
    """The name under which a result crosses from one subgraph into another; no node has a dot in its name."""
    return Ref(f"{ref.name}.{ref.index}") if ref.index else ref
