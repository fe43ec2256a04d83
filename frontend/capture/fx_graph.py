"""A torch.fx graph of ATen operators as a `Graph`."""

from __future__ import annotations

import operator
import os
import re
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import fx

from frontend.graph import Dim, Graph, Input, Node, Parameter, Ref, Source, TensorType

DTYPES = {
    torch.float64: "f64", torch.float32: "f32", torch.float16: "f16", torch.bfloat16: "bf16", torch.int64: "i64",
    torch.int32: "i32", torch.int16: "i16", torch.int8: "i8", torch.bool: "i1",
    torch.uint64: "u64", torch.uint32: "u32", torch.uint16: "u16", torch.uint8: "u8",
    torch.complex128: "c128", torch.complex64: "c64", torch.complex32: "c32",
}  # fmt: skip


TORCH = {name: dtype for dtype, name in DTYPES.items()}


class CaptureError(Exception):
    """What the program does that a graph cannot hold yet, where, and what to do instead."""


_SYMBOLIC = torch.SymInt | torch.SymBool | torch.SymFloat
_ITEM = (torch.ops.aten.item.default, torch.ops.aten._local_scalar_dense.default)  # the number that a tensor holds


def graph_of(program: fx.Graph, name: str, roles: dict[str, str]) -> Graph:
    """`roles` gives the placeholders that are parameters, with the model's own name for each.

    Sizes computed by the program are folded into `Dim`s, so the graph's nodes are tensor operators only.
    """
    graph = Graph(name)
    values: dict[fx.Node, Any] = {}
    for node in program.nodes:
        if node.op == "placeholder":
            values[node] = _placeholder(node, graph, roles)
        elif node.op == "output":
            graph.outputs = _outputs(node, values)
        elif isinstance(node.meta.get("val"), _SYMBOLIC):
            values[node] = _symbol(node)
            if node.target in _ITEM and isinstance(values[node], Dim):
                args = {"self": values[node.args[0]], "symbol": values[node].expression}
                graph.nodes.append(Node(node.name, "sluice.item", args, (TensorType((), "i64"),), _source(node)))
        elif node.target is operator.getitem:
            values[node] = Ref(node.args[0].name, node.args[1])
        elif isinstance(node.target, torch._ops.OpOverload):
            if not _asserts(node):
                values[node] = Ref(node.name)
                graph.nodes.append(_node(node, values))
        else:
            raise CaptureError(f"node {node.name} at {_source(node)}: {node.op} {node.target} is not an ATen operator")
    return graph


def _placeholder(node: fx.Node, graph: Graph, roles: dict[str, str]) -> Any:
    value = node.meta["val"]
    if isinstance(value, torch.SymInt):  # a Python int that varies from call to call, passed as a tensor without dimensions
        graph.inputs.append(Input(node.name, TensorType((), "i64"), symbol=str(value.node.expr)))
        return _symbol(node)
    type_ = _type(value, node)
    if node.name in roles:
        graph.parameters.append(Parameter(node.name, type_, roles[node.name]))
    else:
        graph.inputs.append(Input(node.name, type_))
    return Ref(node.name)


def _symbol(node: fx.Node) -> Any:
    value = node.meta["val"]
    return Dim(str(value.node.expr)) if isinstance(value, torch.SymInt) else value


def _asserts(node: fx.Node) -> bool:
    """Whether a node only checks what torch found out when it traced the program."""
    return node.meta.get("val") is None and not any(isinstance(r.type, torch.TensorType) for r in node.target._schema.returns)


def _node(node: fx.Node, values: dict[fx.Node, Any]) -> Node:
    formal = node.target._schema.arguments
    given = dict(zip((a.name for a in formal), node.args, strict=False)) | node.kwargs
    where = f"node {node.name} ({node.target}) at {_source(node)}"
    args = {a.name: _argument(given.get(a.name, a.default_value), values, where) for a in formal}
    result = node.meta.get("val")
    results = result if isinstance(result, tuple | list) else (result,)
    return Node(node.name, str(node.target), args, tuple(_type(r, node) for r in results), _source(node))


def _outputs(node: fx.Node, values: dict[fx.Node, Any]) -> list[Ref]:
    outputs = [values.get(value) for value in node.args[0]]
    refs = [value for value in outputs if isinstance(value, Ref)]
    if len(refs) != len(outputs):
        raise CaptureError(f"the program returns {node.args[0]}; a graph returns tensors only")
    return refs


def _argument(value: Any, values: dict[fx.Node, Any], where: str) -> Any:
    if isinstance(value, fx.Node):
        value = values[value]
    if isinstance(value, list | tuple):
        return [_argument(item, values, where) for item in value]
    if isinstance(value, torch.dtype):
        return DTYPES.get(value, str(value))
    if isinstance(value, torch.SymInt):
        return Dim(str(value.node.expr))
    if value is None or isinstance(value, Ref | Dim | bool | int | float | complex | str):
        return value
    if isinstance(value, torch.layout | torch.device | torch.memory_format):
        return str(value)
    raise CaptureError(
        f"{where}: argument {value!r} of type {type(value).__name__}; a graph holds tensors, numbers, sizes, strings and lists"
    )


def _type(value: Any, node: fx.Node) -> TensorType:
    where = f"input {node.name}" if node.op == "placeholder" else f"node {node.name} ({node.target}) at {_source(node)}"
    if not isinstance(value, torch.Tensor):
        raise CaptureError(f"{where} is a {type(value).__name__}; a graph holds tensors only")
    if value.layout is not torch.strided:
        raise CaptureError(f"{where} has the layout {value.layout}; a graph holds dense tensors only: call .to_dense()")
    if value.dtype not in DTYPES:
        raise CaptureError(f"{where} has {value.dtype}; known: {', '.join(map(str, DTYPES))}")
    return TensorType(tuple(_size(s) for s in value.shape), DTYPES[value.dtype])


def _size(value: int | torch.SymInt) -> int | Dim:
    if isinstance(value, int):
        return value
    known = value.node.maybe_as_int()
    return Dim(str(value.node.expr)) if known is None else known


_FRAME = re.compile(r'File "(.+?)", line (\d+), in (\S+)')
_TORCH = Path(torch.__file__).parent


@cache
def _of_torch(file: str) -> bool:
    return Path(file).is_relative_to(_TORCH)


def _source(node: fx.Node) -> Source | None:
    """The innermost line outside torch, or where there is none (in an nn.Sequential, say) the innermost of torch's modules.

    Torch's own files are named from `torch/` on, files under the working directory relative to it.
    """
    frames = [f for f in _FRAME.findall(node.meta.get("stack_trace") or "") if not f[0].startswith("<")]  # code without a file
    if not frames:
        return None
    modules = [f for f in frames if Path(f[0]).is_relative_to(_TORCH / "nn") and f[2] == "forward"]
    file, line, function = ([f for f in frames if not _of_torch(f[0])] or modules or frames)[-1]
    for base in (_TORCH.parent, Path.cwd()):
        if Path(file).is_relative_to(base):
            file = os.path.relpath(file, base)
            break
    return Source(file, int(line), function)
