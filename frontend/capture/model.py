"""A model file to all that a build needs of it: the graph, the weights, sample inputs and eager PyTorch's answers."""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch.utils import _pytree as pytree

from frontend import parameters, serialize
from frontend.capture import Captured, as_forward_takes, by_export
from frontend.capture.fx_graph import CaptureError
from frontend.capture.precision import answers, converted, expectation
from frontend.graph import Graph


@dataclass
class Sampled:
    """Arrays are the tensors' bytes, in the order of the graph's parameters, inputs and outputs.

    What the model writes in place is among the inputs as it was before, among the expected as it is afterwards. Expected
    floats of 16 bits are f32. `as_written` is what the model would answer in f32, empty if it is in f32.
    """

    graph: Graph
    weights: list[np.ndarray]
    inputs: list[np.ndarray]
    expected: list[np.ndarray]
    tolerance: float
    as_written: list[np.ndarray]


def configure(model: ModuleType, settings: Mapping[str, str]) -> Any:
    """The model's Config with `settings`, given as text, in place of its defaults."""
    defaults = {f.name: f.default for f in dataclasses.fields(model.Config)}
    try:
        return model.Config(**{name: _value(defaults[name], text) for name, text in settings.items()})
    except (KeyError, ValueError) as error:
        raise CaptureError(f"{model.__name__}: {error}") from error


def _value(default: Any, text: str) -> Any:
    return text == "True" if isinstance(default, bool) else type(default)(text)


def graph_of(model: ModuleType, config: Any, dtype: str) -> Graph:
    """The model's graph alone: no inputs are kept and eager PyTorch does not run."""
    return _captured(converted(model.build(config), dtype), converted(model.inputs(config), dtype)).graph


def sample(model: ModuleType, config: Any, dtype: str = "f32") -> Sampled:
    module, inputs = converted(model.build(config), dtype), converted(model.inputs(config), dtype)
    captured = _captured(module, inputs)
    weights = [_bytes(t).copy() for t in captured.tensors]
    expected = expectation(captured, module, inputs, dtype, model.TOLERANCE)
    as_written = [] if dtype == "f32" else answers(captured.graph, model.build(config), model.inputs(config))
    return Sampled(
        captured.graph,
        weights,
        [_bytes(t) for t in pytree.tree_leaves(as_forward_takes(module, (), inputs))],
        [_bytes(t) for t in expected.values],
        expected.tolerance,
        [_bytes(t) for t in as_written],
    )


def _captured(module: torch.nn.Module, inputs: dict[str, torch.Tensor]) -> Captured:
    captured = by_export(module, (), inputs, "forward")
    graph = captured.graph
    if kept := [p.source for p in graph.parameters if p.name in graph.writes]:
        raise CaptureError(
            f"the model writes its own {', '.join(kept)} in place; an executable's weights do not change: take it as an input"
        )
    if varying := [str(graph.type_of(ref)) for ref in graph.outputs if not graph.type_of(ref).static]:
        raise CaptureError(f"the model returns {', '.join(varying)}; an executable's results have fixed sizes")
    return captured


def _bytes(tensor: torch.Tensor) -> np.ndarray:
    return tensor.detach().contiguous().reshape(-1).view(torch.uint8).numpy()


def files_of(model: ModuleType) -> list[Path]:
    """What the model reads by C++ code, where nobody sees it: it names these files itself."""
    return [Path(name) for name in getattr(model, "FILES", ())]


def capture(inputs: list[Path], outputs: list[Path], /, model: str, dtype: str, **settings: str) -> list[Path]:
    """The build stage: a model file to its graph, its weights, its sample inputs, what eager PyTorch answers to them, and the
    error that is allowed; unless dtype is f32, also what it answers as the model is written.

    Returns the model's FILES.
    """
    graph_json, weights, sample_inputs, expected, tolerance, *as_written = outputs
    module = importlib.import_module(f"model.{model}")
    sampled = sample(module, configure(module, settings), dtype)
    serialize.save(sampled.graph, graph_json)
    parameters.write(weights, sampled.weights)
    parameters.write(sample_inputs, sampled.inputs)
    parameters.write(expected, sampled.expected)
    tolerance.write_text(f"{sampled.tolerance!r}\n")
    for path in as_written:
        parameters.write(path, sampled.as_written)
    return files_of(module)
