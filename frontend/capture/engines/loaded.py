"""A job's model in PyTorch, with its inputs, in the job's dtype."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils import _pytree as pytree

from frontend.capture.export import as_forward_takes
from frontend.capture.model import configure
from runner.engines.serve import Engine, Job

DTYPES = {"f32": torch.float32, "bf16": torch.bfloat16}


@dataclass
class Loaded:
    """A module and the arguments of a call, in forward's order."""

    module: nn.Module
    args: tuple[Any, ...]
    kwargs: dict[str, Any]

    def tensors(self) -> list[torch.Tensor]:
        """The arguments that are tensors, in the order of a graph's inputs."""
        leaves = pytree.tree_leaves((self.args, self.kwargs))
        return [leaf for leaf in leaves if isinstance(leaf, torch.Tensor)]

    def engine(self, call: Callable[..., Any]) -> Engine:
        """`call`, made of the module, as an engine."""
        return Engine(lambda: call(*self.args, **self.kwargs), arrays)


def load(job: Job, dtype: torch.dtype = torch.float32) -> Loaded:
    """Floating-point parameters and inputs are of `dtype`."""
    torch.set_num_threads(job.threads)
    torch.set_grad_enabled(False)
    model = importlib.import_module(f"model.{job.model}")
    config = configure(model, job.settings)
    module = model.build(config).to(dtype)
    args, kwargs = as_forward_takes(module, (), model.inputs(config))
    cast = pytree.tree_map_only(torch.Tensor, lambda t: t.to(dtype) if t.is_floating_point() else t, (args, kwargs))
    return Loaded(module, *cast)


def arrays(results: Any) -> list[np.ndarray]:
    """The tensors among a program's results; numpy knows no bf16, so that becomes fp32."""
    leaves = [leaf.detach() for leaf in pytree.tree_leaves(results) if isinstance(leaf, torch.Tensor)]
    return [(leaf.float() if leaf.dtype is torch.bfloat16 else leaf).contiguous().numpy() for leaf in leaves]
