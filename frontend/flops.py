"""How much arithmetic a graph asks for."""

import math
from collections.abc import Iterable

from frontend.graph import Graph, Node, TensorType

LEFT = {  # matrix products, with the name of their left operand
    "sluice.linear": "input",
    "aten.mm.default": "self",
    "aten.mv.default": "self",
    "aten.bmm.default": "self",
    "aten.addmm.default": "mat1",
    "aten.addmv.default": "mat",
    "aten.baddbmm.default": "batch1",
}


def flops(graph: Graph, nodes: Iterable[Node] | None = None) -> int:
    """Floating-point operations of the matrix products and convolutions; an addition and a multiplication count as two.

    Of the whole graph, or of some of its nodes.
    """
    types = graph.definitions()
    return sum(_product(node, types) for node in (graph.nodes if nodes is None else nodes))


def _product(node: Node, types: dict[str, tuple[TensorType, ...]]) -> int:
    """2mnk: the result has mn elements, the left operand's last dimension is k."""

    def operand(name: str) -> TensorType:
        ref = node.args[name]
        return types[ref.name][ref.index]

    if node.op == "aten.convolution.default":  # every window, or what becomes one, meets a row of the weight
        windows = operand("input") if node.args["transposed"] else node.type
        return 2 * windows.count * math.prod(operand("weight").sizes[1:])
    left = LEFT.get(node.op)
    return 2 * node.type.count * operand(left).sizes[-1] if left else 0
