"""Store every matrix that is only ever multiplied from the right in panels, so that no run transposes or packs a weight.

mm(x, permute(weight, [1, 0]))           ->  sluice.linear(x, packed weight, None, None)
addmm(bias, x, permute(weight, [1, 0]))  ->  sluice.linear(x, packed weight, bias, None)
"""

from dataclasses import replace

from frontend.graph import Graph, Node, Panels, Parameter, Ref, TensorType

WIDTH = 32  # columns of a panel: two 512-bit or four 256-bit vectors of f32
FORMATS = {"f32": Panels(WIDTH), "bf16": Panels(WIDTH, steps=2)}  # processors multiply and add pairs of bf16
LEFT = {"aten.mm.default": "self", "aten.addmm.default": "mat1"}  # products, with the name of their left operand


def pack_linears(graph: Graph) -> None:
    types = graph.definitions()
    parameters = {p.name: p for p in graph.parameters}
    nodes = {node.name: node for node in graph.nodes}
    uses = graph.uses()
    packed: dict[str, Parameter] = {}
    linears: dict[str, Node] = {}
    for node in graph.nodes:
        weight = _weight(node, nodes, parameters)
        if weight is None or not _has_vector_bias(node, types) or not _multiplied_once(weight.name, nodes, uses):
            continue
        packed[weight.name] = weight
        bias = node.args["self"] if node.op == "aten.addmm.default" else None
        args = {"input": node.args[LEFT[node.op]], "weight": Ref(weight.name), "bias": bias, "scale": None}
        linears[node.name] = replace(node, op="sluice.linear", args=args)
    graph.parameters = [packed.get(p.name, p) for p in graph.parameters]
    graph.nodes = [linears.get(node.name, node) for node in graph.nodes]


def _weight(node: Node, nodes: dict[str, Node], parameters: dict[str, Parameter]) -> Parameter | None:
    """The packed form of the parameter that `node`, if it is a matrix product, multiplies by."""
    if node.op not in LEFT:
        return None
    source = node.args["mat2"]
    transposed = True
    if source.name in nodes and nodes[source.name].op == "aten.permute.default":
        source, transposed = nodes[source.name].args["self"], False
    parameter = parameters.get(source.name)
    if parameter is None or parameter.type.dtype not in FORMATS or 0 in parameter.type.shape:
        return None
    n, k = parameter.type.sizes[::-1] if transposed else parameter.type.sizes
    panels = replace(FORMATS[parameter.type.dtype], transposed=transposed)
    return replace(parameter, type=TensorType(panels.shape(n, k), parameter.type.dtype), panels=panels)


def _has_vector_bias(node: Node, types: dict[str, tuple[TensorType, ...]]) -> bool:
    """Whether the product adds nothing, or one vector of a value a column."""
    if node.op == "aten.mm.default":
        return True
    bias = types[node.args["self"].name][node.args["self"].index]
    return bias.shape == node.type.shape[-1:] and node.args["alpha"] == node.args["beta"] == 1


def _multiplied_once(name: str, nodes: dict[str, Node], uses: dict[str, list[Node | None]]) -> bool:
    """Whether a matrix's only use is as one product's right side, directly or through one transposition."""
    users = uses[name]
    if len(users) == 1 and users[0] is not None and users[0].op == "aten.permute.default":
        name = users[0].name
        users = uses[name]
    return len(users) == 1 and users[0] is not None and users[0].op in LEFT and users[0].args["mat2"].name == name
