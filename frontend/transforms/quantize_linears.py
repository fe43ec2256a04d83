"""Store packed f32 weights as i8 with a scale for each column of the product.

sluice.linear(x, weight, bias, None)  ->  sluice.linear(x, i8 weight, bias, scale)
"""

from dataclasses import replace

from frontend.graph import Graph, Node, Parameter, Ref, TensorType


def quantize_linears(graph: Graph) -> None:
    """After `pack_linears`. `frontend.parameters.quantized` says which numbers the i8 and the scales are."""
    scales = {node.args["weight"].name: node.type.shape[-1:] for node in graph.nodes if node.op == "sluice.linear"}
    parameters: list[Parameter] = []
    for weight in graph.parameters:
        if weight.name in scales and weight.type.dtype == "f32":
            scale = TensorType(scales[weight.name], "f32")
            parameters.append(replace(weight, type=replace(weight.type, dtype="i8")))
            parameters.append(replace(weight, name=_scale(weight.name), type=scale, scales_of=weight.name))
        else:
            parameters.append(weight)
    quantized = {p.scales_of for p in parameters}
    graph.parameters = parameters
    graph.nodes = [_scaled(node) if _weight(node) in quantized else node for node in graph.nodes]


def _weight(node: Node) -> str | None:
    return node.args["weight"].name if node.op == "sluice.linear" else None


def _scaled(node: Node) -> Node:
    return replace(node, args={**node.args, "scale": Ref(_scale(node.args["weight"].name))})


def _scale(weight: str) -> str:
    return f"{weight}.scale"  # no node has a dot in its name
