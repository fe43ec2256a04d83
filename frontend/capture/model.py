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
from frontend.graph import Graph


@dataclass
class Sampled:
    """Arrays are the tensors' bytes, in the order of the graph's parameters, inputs and outputs.

    What the model writes in place is among the inputs as it was before, among the expected as it is afterwards.
    """

    graph: Graph
    weights: list[np.ndarray]
    inputs: list[np.ndarray]
    expected: list[np.ndarray]


def configure(model: ModuleType, settings: Mapping[str, str]) -> Any:
    """The model's Config with `settings`, given as text, in place of its defaults."""
    defaults = {f.name: f.default for f in dataclasses.fields(model.Config)}
    try:
        return model.Config(**{name: _value(defaults[name], text) for name, text in settings.items()})
    except (KeyError, ValueError) as error:
        raise CaptureError(f"{model.__name__}: {error}") from error


def _value(default: Any, text: str) -> Any:
    return text == "True" if isinstance(default, bool) else type(default)(text)


def graph_of(model: ModuleType, config: Any) -> Graph:
    """The model's graph alone: no inputs are kept and eager PyTorch does not run."""
    return _captured(model.build(config), model.inputs(config)).graph


def sample(model: ModuleType, config: Any) -> Sampled:
    module, inputs = model.build(config), model.inputs(config)
    captured = _captured(module, inputs)
    args, kwargs = as_forward_takes(module, (), inputs)
    before = [_bytes(t).copy() for t in pytree.tree_leaves((args, kwargs))]
    with torch.no_grad():
        answers = pytree.tree_leaves(module(*args, **kwargs))
    after = dict(zip((i.name for i in captured.graph.inputs), pytree.tree_leaves((args, kwargs)), strict=True))
    answers += [after[name] for name in captured.graph.writes]
    return Sampled(captured.graph, [_bytes(t) for t in captured.tensors], before, [_bytes(t) for t in answers])


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


def capture(inputs: list[Path], outputs: list[Path], model: str, **settings: str) -> list[Path]:
    """The build stage: a model file to its graph, its weights, its sample inputs and what eager PyTorch answers to them.

    Returns the model's FILES.
    """
    graph_json, weights, sample_inputs, expected = outputs
    module = importlib.import_module(f"model.{model}")
    sampled = sample(module, configure(module, settings))
    serialize.save(sampled.graph, graph_json)
    parameters.write(weights, sampled.weights)
    parameters.write(sample_inputs, sampled.inputs)
    parameters.write(expected, sampled.expected)
    return files_of(module)
