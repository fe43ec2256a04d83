"""A model in the numbers of a build's dtype: converted, and what its answers are compared with.

f32   as it is written: the answers are eager PyTorch's, the error allowed is the model's own TOLERANCE
bf16  parameters, buffers and inputs are rounded to bf16: the answers are those of an f32 model with these rounded numbers, and
      twice the error is allowed that eager PyTorch's bf16 makes against them
w8    weights of linears are rounded to i8 with a scale a column: the answers are those of an f32 model with such weights
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from frontend import parameters
from frontend.capture.export import Captured, as_forward_takes
from frontend.graph import Graph
from frontend.prepare import prepare

BF16_STEP = 2.0**-8  # of bf16 between 1 and 2: what is right has half of it as error, whatever eager PyTorch has
SHORT = (torch.bfloat16, torch.float16)


@dataclass
class Expected:
    """What a call should return, then what it should leave in the inputs that it writes; floats of 16 bits as f32.

    `tolerance` is the error that is allowed, relative to a tensor's largest element.
    """

    values: list[Tensor]
    tolerance: float


def converted(value: Any, dtype: str) -> Any:
    """A module (in place) or inputs in the dtype of a build; what is not floating-point stays, and for w8 everything."""
    return _to(value, torch.bfloat16) if dtype == "bf16" else value


def _to(value: Any, dtype: torch.dtype) -> Any:
    if isinstance(value, nn.Module):
        return value.to(dtype)
    return pytree.tree_map_only(Tensor, lambda t: t.to(dtype) if t.is_floating_point() else t, value)


def answers(graph: Graph, module: nn.Module, inputs: dict[str, Tensor]) -> list[Tensor]:
    """What eager PyTorch returns, and leaves in the inputs that the graph writes; `inputs` stay as they are."""
    given = pytree.tree_map_only(Tensor, torch.Tensor.clone, as_forward_takes(module, (), inputs))
    with torch.no_grad():
        returned = pytree.tree_leaves(module(*given[0], **given[1]))
    left = dict(zip((i.name for i in graph.inputs), pytree.tree_leaves(given), strict=True))
    return [t.float() if t.dtype in SHORT else t for t in (*returned, *(left[name] for name in graph.writes))]


def expectation(captured: Captured, module: nn.Module, inputs: dict[str, Tensor], dtype: str, tolerance: float) -> Expected:
    """For a converted module and inputs; the module's numbers are not the same afterwards. `tolerance` is the model's own."""
    graph = captured.graph
    if dtype == "w8":
        _round_weights(captured)
    own = answers(graph, module, inputs)
    if dtype != "bf16":
        return Expected(own, tolerance)
    exact = answers(graph, copy.deepcopy(module).float(), _to(inputs, torch.float32))
    expected = [e if e.is_floating_point() else o for e, o in zip(exact, own, strict=True)]
    return Expected(expected, max(2 * error(own, expected), BF16_STEP))


def error(actual: list[Tensor], expected: list[Tensor]) -> float:
    """The largest error of any floating-point tensor, relative to its largest element: the runner's."""
    pairs = [(a.double(), e.double()) for a, e in zip(actual, expected, strict=True) if e.is_floating_point() and e.numel()]
    return max((float((a - e).abs().max() / e.abs().max().clamp_min(1e-300)) for a, e in pairs), default=0.0)


def _round_weights(captured: Captured) -> None:
    """Give the module's own tensors the numbers that their quantized forms stand for."""
    tensors = {p.name: t for p, t in zip(captured.graph.parameters, captured.tensors, strict=True)}
    prepared = prepare(replace(captured.graph), "w8").graph.parameters
    for parameter in (part for p in prepared for part in p.whole()):
        if parameter.panels and parameter.type.dtype == "i8":
            matrix = tensors[parameter.name].detach()
            rounded = parameters.dequantized(matrix.numpy(), parameter.panels)
            with torch.no_grad():
                matrix.copy_(torch.from_numpy(rounded))
