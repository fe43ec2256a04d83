"""Tables of sines and cosines that a program computes from no input are computed once, when it is captured."""

from __future__ import annotations

import torch
from torch import fx
from torch._subclasses.fake_tensor import unset_fake_temporarily

aten = torch.ops.aten

# Anything else that depends on no input (a mask, a range) costs less to compute again than to read from memory.
COSTLY = {aten.cos.default, aten.sin.default}
LARGEST = 1 << 20  # elements of a table


def fold_tables(graph: fx.Graph) -> dict[str, torch.Tensor]:
    """Replace what comes of such tables by placeholders; their tensors, by name."""
    tables = _tables(graph)
    needed = set(tables)
    for node in reversed(graph.nodes):
        if node in needed:
            needed.update(node.all_input_nodes)
    values: dict[fx.Node, torch.Tensor] = {}
    with unset_fake_temporarily():
        for node in graph.nodes:
            if node in needed:
                args, kwargs = fx.map_arg((node.args, node.kwargs), values.__getitem__)
                values[node] = node.target(*args, **kwargs)
    first = next(iter(graph.nodes))
    tensors: dict[str, torch.Tensor] = {}
    for node in tables:
        with graph.inserting_before(first):
            table = graph.placeholder("table")
        table.meta["val"] = node.meta["val"]
        tensors[table.name] = values[node].contiguous()
        node.replace_all_uses_with(table)
    for node in reversed(graph.nodes):
        if node in needed and not node.users:
            graph.erase_node(node)
    return tensors


def _tables(graph: fx.Graph) -> list[fx.Node]:
    """The last nodes that depend on no input, where sines and cosines went into them."""
    fixed: set[fx.Node] = set()
    costly: set[fx.Node] = set()
    for node in graph.nodes:
        if node.op == "call_function" and _determined(node) and fixed.issuperset(node.all_input_nodes):
            fixed.add(node)
            if node.target in COSTLY or not costly.isdisjoint(node.all_input_nodes):
                costly.add(node)
    return [node for node in graph.nodes if node in costly and _small(node) and not fixed.issuperset(node.users)]


def _determined(node: fx.Node) -> bool:
    return not isinstance(node.target, torch._ops.OpOverload) or torch.Tag.nondeterministic_seeded not in node.target.tags


def _small(node: fx.Node) -> bool:
    value = node.meta.get("val")
    return isinstance(value, torch.Tensor) and value.numel() <= LARGEST
