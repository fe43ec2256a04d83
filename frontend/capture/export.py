"""Capture with torch.export: one graph of the whole program, whose inputs keep the order and names of forward's arguments."""

from __future__ import annotations

import inspect
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

import torch
from torch import nn
from torch.export.graph_signature import ConstantArgument, InputKind, OutputKind
from torch.fx.proxy import TracerBase
from torch.utils import _pytree as pytree

from frontend.capture import untraceable
from frontend.capture.functional import functional
from frontend.capture.fx_graph import CaptureError
from frontend.capture.program import Convention, bind
from frontend.graph import Graph


@dataclass
class Captured:
    """A graph and its parameters' tensors, in the order of `graph.parameters`; how it is called, if it is a whole program."""

    graph: Graph
    tensors: list[torch.Tensor]
    convention: Convention | None = None


class _Function(nn.Module):
    """A function as a module, with the function's own parameters."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.function = function
        try:
            inspect.signature(function)
            self.forward = function  # export reads the signature
        except ValueError:  # some builtins tell none
            self.forward = self._call

    def _call(self, *args: Any, **kwargs: Any) -> Any:
        return self.function(*args, **kwargs)


def by_export(
    program: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    name: str,
    table: dict[Any, Any] | None = None,
    dynamic_shapes: Any = None,
) -> Captured:
    """One graph of the whole program; sizes are fixed but for what `dynamic_shapes`, as torch.export takes it, leaves open."""
    module = program if isinstance(program, nn.Module) else _Function(program)
    args, kwargs = as_forward_takes(module, args, kwargs)
    exported = _export(module, args, kwargs, dynamic_shapes)
    signature = exported.graph_signature
    placeholders = {node.name: node for node in exported.graph.nodes if node.op == "placeholder"}
    tensors: dict[str, torch.Tensor] = {}
    roles: dict[str, str] = {}
    takes, flat = [], 0
    for spec in signature.input_specs:
        if spec.kind is InputKind.USER_INPUT:
            if not isinstance(spec.arg, ConstantArgument):
                takes.append(flat)
            flat += 1
            continue
        if spec.kind not in (InputKind.PARAMETER, InputKind.BUFFER, InputKind.CONSTANT_TENSOR):
            raise CaptureError(f"input {spec.arg.name} is a {spec.kind.name}; a graph holds tensors only")
        assert spec.target is not None
        stored = exported.state_dict if spec.target in exported.state_dict else exported.constants
        tensors[spec.arg.name] = stored[spec.target]
        roles[spec.arg.name] = spec.target
        placeholders[spec.arg.name].meta.setdefault("val", None)
    graph, returns, tables = functional(exported.graph_module, name, roles, table)
    tensors |= tables
    ranges = exported.range_constraints.items()  # of what a tensor holds too, which may be negative
    graph.ranges = {str(symbol): _range(values) for symbol, values in ranges if values.lower.is_Integer}
    user = [r for r, s in zip(returns, signature.output_specs, strict=True) if s.kind is OutputKind.USER_OUTPUT]
    leaves, in_spec = pytree.tree_flatten((args, kwargs))
    given = [None if isinstance(leaf, torch.Tensor) else leaf for leaf in leaves]
    assert exported.call_spec.out_spec is not None
    convention = Convention(module, in_spec, takes, given, exported.call_spec.out_spec, user)
    return Captured(graph, [tensors[p.name] for p in graph.parameters], convention)


def _export(
    module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], dynamic_shapes: Any
) -> torch.export.ExportedProgram:
    with torch.no_grad(), warnings.catch_warnings(), patch.object(TracerBase, "_filter_traceback_frames", _program_frames):
        warnings.filterwarnings("ignore", "`isinstance\\(treespec, LeafSpec\\)` is deprecated")  # torch's own copying
        try:
            with untraceable.Traceable():
                return torch.export.export(module, args, kwargs, dynamic_shapes=dynamic_shapes, strict=False)
        except (torch._dynamo.exc.TorchDynamoException, torch.fx.experimental.symbolic_shapes.GuardOnDataDependentSymNode) as e:
            why = str(e).strip().partition("\n")[0]  # it goes on with advice and a listing, which the cause still has
            raise CaptureError(f"torch.export cannot make one graph of {type(module).__name__}: {why}") from e


def _program_frames(_: TracerBase, frames: traceback.StackSummary) -> traceback.StackSummary:
    """The lines between our call of torch.export and an operator; torch itself keeps only functions called `forward`."""
    ours = [i for i, frame in enumerate(frames) if frame.filename == __file__ and frame.name == _export.__name__]
    program = frames[ours[-1] + 1 :] if ours else frames
    return traceback.StackSummary.from_list([frame for frame in program if frame.filename != untraceable.__file__])


def as_forward_takes(
    module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments in the order of forward's, each tensor an object of its own even if it was given twice."""
    return pytree.tree_map_only(torch.Tensor, torch.Tensor.detach, bind(module, args, kwargs))


def _range(values: Any) -> tuple[int, int | None]:
    """torch's own range of a symbol; its infinities are numbers of their own kind, or the greatest of 64 bits."""
    bounded = values.upper.is_Integer and values.upper < 1 << 60
    return int(values.lower), int(values.upper) if bounded else None
