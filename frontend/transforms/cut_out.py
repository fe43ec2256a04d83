"""Give some nodes a subgraph each, and what lies between them one each, in order of execution."""

from collections.abc import Callable, Collection

from frontend.graph import Graph


def cut_out(nodes: Collection[str]) -> Callable[[Graph], None]:
    """The pattern for `Graph.fuse_ops`: groups of these nodes alone are called `eager<n>`, the others `compiled<n>`."""

    def pattern(graph: Graph) -> None:
        groups: dict[str, list[str]] = {}
        last = None
        for node in graph.nodes:
            if node.name in nodes:
                groups[f"eager{len(groups)}"] = [node.name]
                last = None
            elif last is not None:
                last.append(node.name)
            else:
                last = groups.setdefault(f"compiled{len(groups)}", [node.name])
        graph.groups = groups

    return pattern
