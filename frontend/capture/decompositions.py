"""Which operators torch rewrites into simpler ones before anything is lowered."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch._decomp import core_aten_decompositions, get_decompositions

from frontend.capture import indexing

aten = torch.ops.aten

# Beyond torch's core set: one line each, no lowering of ours.
ALSO_DECOMPOSED = [
    aten._softmax, aten._log_softmax, aten.as_strided_copy, aten.gelu, aten.leaky_relu, aten.masked_fill, aten.narrow_copy,
    aten.permute_copy, aten.put, aten.unbind_copy, aten.view_copy,
]  # fmt: skip


@cache
def decompositions() -> dict[Any, Callable[..., Any]]:
    """The rewrites that capture applies unless the caller brings a table: torch's core set, ALSO_DECOMPOSED and our own."""
    table = dict(core_aten_decompositions().items())
    return table | get_decompositions(ALSO_DECOMPOSED) | indexing.TABLE
