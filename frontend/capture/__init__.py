"""PyTorch programs to `Graph`: by TorchDynamo or by torch.export. The only package of the frontend that imports torch."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import fx, nn
from torch._decomp import core_aten_decompositions, get_decompositions
from torch._functorch.aot_autograd import aot_module_simplified
from torch.export.graph_signature import ExportGraphSignature, InputKind, OutputKind
from torch.utils import _pytree as pytree

from frontend.capture.fx_graph import CaptureError, graph_of
from frontend.graph import Graph

aten = torch.ops.aten

# Operators that torch rewrites into simpler ones beyond its core set: one line each, no lowering of ours.
ALSO_DECOMPOSED = [aten._softmax, aten._log_softmax, aten.gelu, aten.leaky_relu, aten.masked_fill]


@dataclass
class Captured:
    """A graph and its parameters' tensors, in the order of `graph.parameters`."""

    graph: Graph
    tensors: list[torch.Tensor]


def decompositions() -> dict[Any, Callable[..., Any]]:
    """The rewrites that capture applies unless the caller brings a table: torch's core set and ALSO_DECOMPOSED."""
    table = dict(core_aten_decompositions().items())
    return table | get_decompositions(ALSO_DECOMPOSED)


def by_export(
    module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], name: str, table: dict[Any, Any] | None = None
) -> Captured:
    """One graph of the whole module; inputs keep the order in which forward takes them."""
    args, kwargs = as_forward_takes(module, args, kwargs)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`isinstance\\(treespec, LeafSpec\\)` is deprecated")  # torch's own copying
        program = torch.export.export(module, args, kwargs).run_decompositions(decompositions() if table is None else table)
    signature = program.graph_signature
    _refuse_mutation(signature)
    tensors, roles = [], {}
    for spec in signature.input_specs:
        if spec.kind is InputKind.USER_INPUT:
            continue
        if spec.kind not in (InputKind.PARAMETER, InputKind.BUFFER, InputKind.CONSTANT_TENSOR):
            raise CaptureError(f"input {spec.arg.name} is a {spec.kind.name}; a graph holds tensors only")
        assert spec.target is not None
        stored = program.state_dict if spec.target in program.state_dict else program.constants
        tensors.append(stored[spec.target])
        roles[spec.arg.name] = spec.target
    return Captured(graph_of(program.graph, name, roles), tensors)


def by_dynamo(
    function: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    name: str,
    table: dict[Any, Any] | None = None,
) -> list[Captured]:
    """A graph for each piece between the program's graph breaks, in order of execution."""
    captured: list[Captured] = []
    known = _tensor_names(function)
    args, kwargs = pytree.tree_map_only(torch.Tensor, torch.Tensor.detach, (args, kwargs))

    def compile_piece(program: fx.GraphModule, examples: list[torch.Tensor]) -> Callable[..., Any]:
        def take(lowered: fx.GraphModule, inputs: list[Any]) -> Callable[..., Any]:
            _refuse_writes(lowered)
            index = f"{len(captured)}" if captured else ""
            captured.append(_piece(lowered, inputs, examples, name + index, known))
            return lowered.forward

        return aot_module_simplified(
            program, examples, fw_compiler=take, decompositions=decompositions() if table is None else table
        )

    torch._dynamo.reset()
    try:
        with torch.no_grad():
            torch.compile(function, backend=compile_piece, dynamic=False)(*args, **kwargs)
    except torch._dynamo.exc.BackendCompilerFailed as error:
        raise error.inner_exception from error
    finally:
        torch._dynamo.reset()
    if not captured:
        raise CaptureError(
            f"{name}: TorchDynamo found nothing in it that it can capture; torch.export tells what stands in the way"
        )
    return [Captured(piece.graph, [tensor.detach() for tensor in piece.tensors]) for piece in captured]


def as_forward_takes(
    module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments in the order of forward's, each tensor an object of its own even if it was given twice."""
    bound = inspect.signature(module.forward).bind(*args, **kwargs)
    return pytree.tree_map_only(torch.Tensor, torch.Tensor.detach, (bound.args, bound.kwargs))


def _piece(
    lowered: fx.GraphModule, inputs: list[Any], examples: list[torch.Tensor], name: str, known: dict[int, str]
) -> Captured:
    tensors, roles = [], {}
    placeholders = [node for node in lowered.graph.nodes if node.op == "placeholder"]
    if len(placeholders) != len(examples):
        raise CaptureError(
            f"{name}: {len(examples)} inputs became {len(placeholders)}; inputs that share memory are not held yet"
        )
    for node, example in zip(placeholders, examples, strict=True):
        if id(example) in known or isinstance(example, nn.Parameter):
            roles[node.name] = known.get(id(example), node.name)
            tensors.append(example)
    return Captured(graph_of(lowered.graph, name, roles), tensors)


def _tensor_names(function: Any) -> dict[int, str]:
    if not isinstance(function, nn.Module):
        return {}
    return {id(t): name for name, t in [*function.named_parameters(), *function.named_buffers()]}


def _refuse_writes(lowered: fx.GraphModule) -> None:
    placeholders = [node for node in lowered.graph.nodes if node.op == "placeholder"]
    for node, info in zip(placeholders, torch._guards.TracingContext.get().fw_metadata.input_info, strict=False):
        if info.mutates_data:
            raise CaptureError(f"the program writes its input {node.name!r} in place; return the new value instead")


def _refuse_mutation(signature: ExportGraphSignature) -> None:
    for spec in signature.output_specs:
        if spec.kind is not OutputKind.USER_OUTPUT:
            raise CaptureError(f"the model writes {spec.target!r} in place ({spec.kind.name}); return the new value instead")
