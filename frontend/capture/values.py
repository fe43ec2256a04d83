"""Eager PyTorch's value of every node of a graph, to verify the compiler's with, and how far off a right one may be.

A node's value is computed twice: in the numbers of the build, and in wider ones (f64 for f32, f32 for floats of 16 bits). What
eager PyTorch's own numbers are off by tells what rounding does to this very node, with all that led to it: a right value may be
off by twice that, and in any case by the model's own tolerance. Floats of 16 bits are compared with the wider value, all
others with PyTorch's own.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from frontend import parameters, serialize
from frontend.capture.fallback import operator_of
from frontend.capture.fx_graph import TORCH
from frontend.capture.precision import SHORT
from frontend.graph import Graph, Parameter, Ref, TensorType
from frontend.nodes import stored_as, visible
from frontend.prepare import prepare

Values = dict[Ref, Tensor]
WIDER = {"f32": torch.float64, "bf16": torch.float32, "f16": torch.float32, "c64": torch.complex128}


def values(inputs: list[Path], outputs: list[Path], dtype: str) -> None:
    """The build stage: a graph, its weights, its inputs and the model's tolerance to the nodes' values and tolerances."""
    graph_json, weights, sample, tolerance = inputs
    data, allowed = outputs
    graph = serialize.load(graph_json)
    given = _given(graph, weights, sample, dtype)
    names = TORCH if dtype == "f32" else TORCH | {"bf16": torch.bfloat16}
    own = evaluated(graph, given, names)
    wider = _wider(dtype)
    wide = evaluated(graph, {ref: _in(t, wider) for ref, t in given.items()}, TORCH | wider)
    least = float(tolerance.read_text())
    _, kept = visible(graph, dtype)
    parameters.write(data, (_bytes(wide[ref] if own[ref].dtype in SHORT else own[ref], type_) for ref, type_ in kept))
    errors = {str(ref): max(least, 2 * _error(own[ref], wide[ref])) for ref, _ in kept}
    allowed.write_text(json.dumps(errors, indent=1) + "\n")


def evaluated(graph: Graph, given: Mapping[Ref, Tensor], dtypes: Mapping[str, torch.dtype]) -> Values:
    """Every node in eager PyTorch, one after the other."""
    values: Values = dict(given)
    sizes: dict[str, int] = {}
    for node in graph.nodes:
        if node.op == "sluice.item":
            values[Ref(node.name)] = values[node.args["self"]]
            sizes[node.args["symbol"]] = int(values[node.args["self"]])
            continue
        for index, result in enumerate(operator_of(node, dtypes, sizes)(values)):
            values[Ref(node.name, index)] = result
    return values


def _given(graph: Graph, weights: Path, sample: Path, dtype: str) -> Values:
    """The parameters, as the build's numbers have them, and the inputs."""
    stored = parameters.read(weights, [p.type for p in graph.parameters])
    arrays = {p.name: array for p, array in zip(graph.parameters, stored, strict=True)}
    prepared = prepare(replace(graph), dtype).graph.parameters if dtype == "w8" else ()
    for parameter in (part for whole in prepared for part in whole.whole()):
        if parameter.panels and parameter.type.dtype == "i8":
            arrays[parameter.name] = _rounded(arrays[parameter.name], parameter)
    arrays |= dict(zip((i.name for i in graph.inputs), parameters.read(sample, [i.type for i in graph.inputs]), strict=True))
    types: dict[str, TensorType] = {name: types[0] for name, types in graph.definitions().items() if name in arrays}
    return {Ref(name): _tensor(array, types[name]) for name, array in arrays.items()}


def _rounded(array: np.ndarray, parameter: Parameter) -> np.ndarray:
    assert parameter.panels is not None
    return parameters.dequantized(array.view(np.float32), parameter.panels)


def _tensor(array: np.ndarray, type_: TensorType) -> Tensor:
    flat = torch.from_numpy(np.array(array, order="C").reshape(-1).view(np.uint8))
    return flat.view(TORCH[type_.dtype]).reshape(type_.sizes)


def _wider(dtype: str) -> dict[str, torch.dtype]:
    """What the names of a graph's dtypes stand for in its wider evaluation; in bf16 what is f32 already is wide enough."""
    return {name: wide for name, wide in WIDER.items() if dtype != "bf16" or name != "f32"}


def _in(tensor: Tensor, wider: Mapping[str, torch.dtype]) -> Tensor:
    by_dtype = {TORCH[name]: wide for name, wide in wider.items()}
    return tensor.to(by_dtype.get(tensor.dtype, tensor.dtype))


def _bytes(value: Tensor, type_: TensorType) -> np.ndarray:
    return value.detach().to(TORCH[stored_as(type_.dtype)]).contiguous().reshape(-1).view(torch.uint8).numpy()


def _error(own: Tensor, wide: Tensor) -> float:
    """How far eager PyTorch is from itself in wider numbers: relative to the largest one, of integers the share that differ."""
    if not own.numel():
        return 0.0
    if not own.is_floating_point() and not own.is_complex():
        return float((own != wide).double().mean())
    whole = wide.isfinite()
    difference, size = (own.to(wide.dtype) - wide)[whole].abs(), wide[whole].abs()
    return float(difference.max() / size.max().clamp_min(1e-300)) if size.numel() else 0.0
