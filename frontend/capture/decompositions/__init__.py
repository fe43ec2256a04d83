"""Which operators torch rewrites into simpler ones before anything is lowered."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import cache
from typing import Any

import torch
from torch._decomp import core_aten_decompositions, get_decompositions

from frontend.capture.decompositions import attention, fft, indexing, matrices, networks, products, special, statistics

aten = torch.ops.aten

# Beyond torch's core set: one line each, no lowering of ours.
ALSO_DECOMPOSED = [
    aten._batch_norm_with_update, aten._batch_norm_with_update_functional, aten._log_softmax,
    aten._native_batch_norm_legit, aten._native_batch_norm_legit_functional, aten._native_batch_norm_legit_no_training,
    aten._softmax, aten.as_strided_copy, aten.dist, aten.elu, aten.gelu, aten.hardtanh, aten.ldexp, aten.leaky_relu,
    aten.linalg_vector_norm, aten.masked_fill, aten.narrow_copy, aten.native_batch_norm, aten.native_group_norm,
    aten.native_layer_norm, aten.permute_copy, aten.put, aten.tril_indices, aten.triu_indices, aten.unbind_copy,
    aten.view_copy,
]  # fmt: skip

# In torch's core set, but lowered better as they are.
NOT_DECOMPOSED = [aten.col2im, aten.im2col]


# Rewrites of our own, a module a family.
OWN: tuple[Mapping[Any, Any], ...] = (
    attention.TABLE,
    fft.TABLE,
    indexing.TABLE,
    matrices.TABLE,
    networks.TABLE,
    products.TABLE,
    special.TABLE,
    statistics.TABLE,
)


def completed(table: dict[Any, Any], lowered: Collection[str]) -> dict[Any, Any]:
    """A caller's table, and behind it our rewrites of what no registry has among its `lowered` operators."""
    return {op: rule for op, rule in decompositions().items() if str(op) not in lowered} | table


@cache
def decompositions() -> dict[Any, Callable[..., Any]]:
    """The rewrites that capture applies unless the caller brings a table: torch's core set, ALSO_DECOMPOSED and our OWN."""
    table: dict[Any, Any] = {
        op: rewrite for op, rewrite in core_aten_decompositions().items() if op.overloadpacket not in NOT_DECOMPOSED
    }
    table |= get_decompositions(ALSO_DECOMPOSED)
    for own in OWN:
        table.update(own)
    return table
