"""Attention as two products and a softmax. As in PyTorch's fused kernel scores are scaled, not what they are made of."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

aten = torch.ops.aten


def attended(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, is_causal: bool, scale: float | None
) -> tuple[Tensor, Tensor]:
    """query [..., heads, length, size] attends to key [..., heads, steps, size] and value [..., heads, steps, width].

    Returns [..., heads, length, width], and the logarithm of the sum of each row's exponentials, [..., heads, length]; both are
    0 for a row whose steps are all masked. Heads of key and value that are fewer go with several of query's each, in order.
    """
    wide = torch.promote_types(query.dtype, torch.float32)
    q, k, v = (x.to(wide) for x in (query, key, value))
    if q.dim() > 2 and k.dim() > 2 and k.shape[-3] not in (1, q.shape[-3]):
        k, v = (x.repeat_interleave(q.shape[-3] // x.shape[-3], -3) for x in (k, v))
    scores = (q @ k.transpose(-1, -2)) * (1 / math.sqrt(query.shape[-1]) if scale is None else scale)
    if is_causal:
        earlier = torch.ones(scores.shape[-2:], dtype=torch.bool, device=query.device).tril()
        scores = scores.masked_fill(~earlier, -math.inf)
    if mask is not None:
        scores = scores.masked_fill(~mask, -math.inf) if mask.dtype == torch.bool else scores + mask
    greatest = scores.amax(-1, keepdim=True)
    masked = greatest == -math.inf
    weights = (scores - torch.where(masked, 0.0, greatest)).exp()
    total = torch.where(masked, 1.0, weights.sum(-1, keepdim=True))
    sums = torch.where(masked, 0.0, total.log() + greatest).squeeze(-1)
    return ((weights / total) @ v).to(query.dtype), sums


def _flash(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    *,
    attn_mask: Tensor | None = None,
    scale: float | None = None,
) -> Any:
    """The fused kernel itself, which a trace may hold: [batch, heads, length, size], with heads behind rows in memory."""
    if dropout_p:
        return NotImplemented
    result, sums = attended(query, key, value, attn_mask, is_causal, scale)
    return result.permute(2, 0, 1, 3).contiguous().permute(1, 2, 0, 3), sums


TABLE = {aten._scaled_dot_product_flash_attention_for_cpu.default: _flash}
