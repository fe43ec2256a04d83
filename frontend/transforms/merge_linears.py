"""Compute narrow linears of one input as one product: a narrow one alone is too little to share out among threads.

linear(x, q), linear(x, k), linear(x, v)  ->  linear(x, q | k | v), and a slice of the result for each
"""

from dataclasses import replace

from frontend.graph import Graph, Node, Parameter, Ref, TensorType
from frontend.transforms.drop_no_ops import drop_unused

NARROW = 16  # panels; a product of fewer leaves threads without work at its end
WEIGHTS = ("weight", "bias", "scale")
VIEWS = {"aten.view.default", "aten._unsafe_view.default", "aten.reshape.default"}


def merge_linears(graph: Graph) -> None:
    """After `pack_linears` and `quantize_linears`. A slice has the name of the node whose value it is."""
    drop_unused(graph)  # transpositions that packing left behind
    uses = graph.uses()
    parameters = {p.name: p for p in graph.parameters if len(uses[p.name]) == 1 and p.name not in graph.writes}
    nodes = {node.name: node for node in graph.nodes}
    reached = _reached(graph)
    families: dict[tuple[object, ...], list[list[Node]]] = {}
    for node in graph.nodes:
        if (kind := _kind(node, nodes, parameters)) is None:
            continue  # what else reads its weights, or writes them, would miss them
        rows = families.setdefault(kind, [])
        fitting = (f for f in rows if _whole(f[-1], parameters) and not any(reached[n.name] & reached[node.name] for n in f))
        if (family := next(fitting, None)) is not None:
            family.append(node)
        else:
            rows.append([node])
    for family in (f for rows in families.values() for f in rows):
        if len(family) > 1 and any(_panels(node, parameters) < NARROW for node in family):
            _merge(graph, family, parameters)


def _kind(node: Node, nodes: dict[str, Node], parameters: dict[str, Parameter]) -> tuple[object, ...] | None:
    """What linears must have in common to become one product; `parameters` are those that have one use and are not written."""
    refs = [node.args[name] for name in WEIGHTS] if node.op == "sluice.linear" else []
    if not refs or not all(ref is None or ref.name in parameters for ref in refs):
        return None
    weight = parameters[refs[0].name]
    assert weight.panels
    form = weight.type.shape[1:], weight.type.dtype, weight.panels.steps
    origin = node.args["input"]
    while origin.name in nodes and nodes[origin.name].op in VIEWS:
        origin = nodes[origin.name].args["self"]
    return origin, node.type.shape[:-1], node.type.dtype, form, *(ref is None for ref in refs)


def _panels(node: Node, parameters: dict[str, Parameter]) -> int:
    return parameters[node.args["weight"].name].type.sizes[0]


def _columns(node: Node) -> int:
    columns = node.type.shape[-1]
    assert isinstance(columns, int), "a weight's columns are known"
    return columns


def _whole(node: Node, parameters: dict[str, Parameter]) -> bool:
    """Whether the last panel is full: others can only follow then."""
    panels = parameters[node.args["weight"].name].panels
    return panels is not None and _columns(node) % panels.width == 0


def _reached(graph: Graph) -> dict[str, set[str]]:
    """For each linear the nodes that its value reaches while it has as many elements: two that meet are better in one loop."""
    users = graph.uses()
    reached: dict[str, set[str]] = {}
    for linear in graph.nodes:
        if linear.op != "sluice.linear" or not linear.type.static:
            reached[linear.name] = set()
            continue
        found, todo = set(), [linear]
        while todo:
            for user in users[todo.pop().name]:
                alike = user is not None and user.type.static and user.type.count == linear.type.count
                if user is not None and alike and user.name not in found:
                    found.add(user.name)
                    todo.append(user)
        reached[linear.name] = found
    return reached


def _merge(graph: Graph, family: list[Node], parameters: dict[str, Parameter]) -> None:
    first, merged = family[0], {}
    for name in WEIGHTS:
        parts = tuple(parameters[node.args[name].name] for node in family if node.args[name] is not None)
        if parts:
            merged[name] = _joined(parts)
    columns = sum(_columns(node) for node in family)
    whole = TensorType((*first.type.shape[:-1], columns), first.type.dtype)
    refs = {name: Ref(parameter.name) for name, parameter in merged.items()}
    product = replace(first, name="_and_".join(n.name for n in family), args={**first.args, **refs}, types=(whole,))
    slices, start = {}, 0
    for node in family:
        args = {"self": Ref(product.name), "dim": -1, "start": start, "end": start + _columns(node), "step": 1}
        slices[node.name] = replace(node, op="aten.slice.Tensor", args=args)
        start += _columns(node)
    places = {p.parts[0].name: p for p in merged.values()}
    gone = {part.name for p in merged.values() for part in p.parts[1:]}
    graph.parameters = [places.get(p.name, p) for p in graph.parameters if p.name not in gone]
    before = [[product] if node is first else [] for node in graph.nodes]
    graph.nodes = [n for node, new in zip(graph.nodes, before, strict=True) for n in (*new, slices.get(node.name, node))]


def _joined(parts: tuple[Parameter, ...]) -> Parameter:
    shape = (sum(p.type.sizes[0] for p in parts), *parts[0].type.shape[1:])
    return replace(
        parts[0],
        name="+".join(p.name for p in parts),
        type=replace(parts[0].type, shape=shape),
        source=" + ".join(p.source for p in parts),
        parts=parts,
    )
