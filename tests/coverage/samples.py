"""Which operators of PyTorch's database are measured, and their samples.

Every exclusion is one operator with its reason. Samples are made in the same way each time, so that a number names one.
"""

from __future__ import annotations

import random
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch.testing._internal.common_methods_invocations import op_db
from torch.testing._internal.opinfo.core import OpInfo, SampleInput
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

DTYPES = {"f32": torch.float32, "i64": torch.int64, "i1": torch.bool, "c64": torch.complex64}
DEFAULT = ("f32", "i64", "i1")

_REASONS = {
    "its result is not initialised": "empty empty_like new_empty new_empty_strided empty_strided empty_permuted",
    "sparse layout": "sparse.sampled_addmm sparse.mm.reduce to_sparse",
    "its result is no tensor": "item allclose equal broadcast_shapes",
    "a gradient": "_softmax_backward_data max_pool2d_with_indices_backward nn.functional.max_unpool1d.grad "
    "nn.functional.max_unpool2d.grad nn.functional.max_unpool3d.grad linalg.lstsq.grad_oriented",
    "resizes memory": "resize_ resize_as_",
    "CUDA only": "jiterator_unary jiterator_binary jiterator_4inputs_with_extra_args jiterator_binary_return_by_ref "
    "jiterator_2inputs_2outputs",
}
EXCLUDED = {name: reason for reason, names in _REASONS.items() for name in names.split()}


def full_name(op: OpInfo) -> str:
    return f"{op.name}.{op.variant_test_name}" if op.variant_test_name else op.name


OPERATORS: dict[str, OpInfo] = {full_name(op): op for op in op_db}


def seed() -> None:
    torch.manual_seed(0)
    random.seed(0)
    np.random.seed(0)


def samples(op: OpInfo, dtype: str) -> list[SampleInput]:
    seed()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return list(op.sample_inputs("cpu", DTYPES[dtype], requires_grad=False))


class _Random(TorchDispatchMode):
    """Notices random operators; attention carries the tag even when nothing is dropped."""

    hit = False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if "flash_attention_for_cpu" in str(func):
            self.hit |= len(args) > 3 and bool(args[3])
        elif torch.Tag.nondeterministic_seeded in func.tags:
            self.hit = True
        return func(*args, **(kwargs or {}))


def is_random(op: OpInfo, sample: SampleInput) -> bool:
    input_, args, kwargs = copies(sample)
    with _Random() as mode, torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        op(input_, *args, **kwargs)
    return mode.hit


def copies(sample: SampleInput) -> tuple[Any, tuple[Any, ...], dict[str, Any]]:
    def copy(leaf: Any) -> Any:
        return leaf.clone(memory_format=torch.preserve_format) if isinstance(leaf, torch.Tensor) else leaf

    input_, args, kwargs = pytree.tree_map(copy, (sample.input, tuple(sample.args), dict(sample.kwargs)))
    return input_, args, kwargs


def measured(name: str, dtype: str) -> bool:
    return name not in EXCLUDED and DTYPES[dtype] in OPERATORS[name].dtypes


class Call(torch.nn.Module):
    """A sample's operator as a function of its tensors; everything else it was given is fixed."""

    def __init__(self, op: OpInfo, sample: SampleInput) -> None:
        super().__init__()
        leaves, self.spec = pytree.tree_flatten((sample.input, tuple(sample.args), dict(sample.kwargs)))
        self.places = [i for i, leaf in enumerate(leaves) if isinstance(leaf, torch.Tensor)]
        self.tensors = [leaves[i] for i in self.places]
        self.fixed = [None if isinstance(leaf, torch.Tensor) else leaf for leaf in leaves]
        self.op: Callable[..., Any] = op.op

    def forward(self, *tensors: torch.Tensor) -> Any:
        leaves = list(self.fixed)
        for place, tensor in zip(self.places, tensors, strict=True):
            leaves[place] = tensor
        input_, args, kwargs = pytree.tree_unflatten(leaves, self.spec)
        return self.op(input_, *args, **kwargs)

    def arguments(self) -> list[torch.Tensor]:
        return [t.clone(memory_format=torch.preserve_format) for t in self.tensors]
