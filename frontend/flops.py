"""How much arithmetic a graph asks for."""

from frontend.graph import Graph, Node, TensorType


def flops(graph: Graph) -> int:
    """Floating-point operations of the matrix products; an addition and a multiplication count as two."""
    types = graph.definitions()
    return sum(_product(node, types) for node in graph.nodes)


def _product(node: Node, types: dict[str, tuple[TensorType, ...]]) -> int:
    """2mnk: the result has mn elements, the left operand's last dimension is k."""
    left = {"sluice.linear": "input", "aten.mm.default": "self", "aten.bmm.default": "self"}.get(node.op)
    if left is None:
        return 0
    ref = node.args[left]
    return 2 * node.type.count * types[ref.name][ref.index].sizes[-1]
