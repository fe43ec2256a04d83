"""Functions that a trace would not get right: their own code looks at values, or torch's rewrite of them gives others.

Checks of values are dropped, as all of a compiled program's are.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import _disable_current_modes

from frontend.capture.fx_graph import CaptureError


class Traceable(TorchFunctionMode):
    """Within it, calls of these functions are calls of ours."""

    def __torch_function__(self, func: Any, types: Sequence[type], args: Any = (), kwargs: Any = None) -> Any:
        return _OURS.get(func, func)(*args, **(kwargs or {}))


def lstsq(a: Tensor, b: Tensor, rcond: float | None = None, *, driver: str | None = None) -> Any:
    """Of any rank, by singular values: those of at most `rcond` times the largest count as zero, except for gels.

    Where a's rank is less than its columns PyTorch gives no residuals; here their size is fixed, so they are NaN.
    """
    driver = driver or "gelsy"
    m, n = a.shape[-2:]
    vector = b.dim() == 1 or (b.dim() == a.dim() - 1 and b.shape == a.shape[:-1])
    b = b.unsqueeze(-1) if vector else b
    u, s, vh = torch.linalg.svd(a, full_matrices=False)
    epsilon = torch.finfo(a.dtype).eps
    bound = epsilon * max(m, n) if rcond is None else epsilon if rcond < 0 else rcond
    counted = s > s[..., :1] * bound if driver != "gels" else torch.ones_like(s, dtype=torch.bool)
    inverse = torch.where(counted, s.reciprocal(), 0).unsqueeze(-1)
    solution = vh.mH @ (inverse * (u.mH @ b))
    residuals, rank, values = s.new_empty(0), counted.sum(-1), s
    if m > n and driver != "gelsy":
        squares = (b - a @ solution).abs().square().sum(-2)
        residuals = torch.where(counted.sum() == counted.numel(), squares, float("nan"))
        residuals = residuals.squeeze(-1) if vector else residuals
    if driver == "gels":
        rank = rank.new_empty(0)
    if driver in ("gels", "gelsy"):
        values = s.new_empty(0)
    return torch.return_types.linalg_lstsq((solution.squeeze(-1) if vector else solution, residuals, rank, values))


def cov(observations: Tensor, *, correction: int = 1, fweights: Tensor | None = None, aweights: Tensor | None = None) -> Tensor:
    rows = observations if observations.dim() == 2 else observations.reshape(1, -1)
    weight = torch.ones(rows.shape[1], dtype=torch.int64)
    for given in (fweights, aweights):
        weight = weight if given is None else weight * given
    total = weight.sum()
    rows = rows - ((rows * weight).sum(1) / total).unsqueeze(1)
    lost = correction * (weight * aweights).sum() / total if aweights is not None else correction
    freedom = (total - lost).clamp(min=0)
    return ((rows @ (rows * weight).mH) / freedom).squeeze()


def corrcoef(observations: Tensor) -> Tensor:
    c = cov(observations)
    if not c.dim():
        return c / c
    deviation = c.diagonal().real.sqrt() if c.is_complex() else c.diagonal().sqrt()
    c = c / deviation.unsqueeze(1) / deviation
    return torch.complex(c.real.clamp(-1, 1), c.imag.clamp(-1, 1)) if c.is_complex() else c.clamp(-1, 1)


def combinations(input: Tensor, r: int = 2, with_replacement: bool = False) -> Tensor:
    choose = itertools.combinations_with_replacement if with_replacement else itertools.combinations
    return input[torch.tensor(list(choose(range(len(input)), r)), dtype=torch.int64).reshape(-1, r)]


def gaussian_nll_loss(
    input: Tensor, target: Tensor, var: Tensor | float, full: bool = False, eps: float = 1e-6, reduction: str = "mean"
) -> Tensor:
    if isinstance(var, Tensor) and var.shape == input.shape[:-1] != input.shape:
        var = var.unsqueeze(-1)
    var = torch.as_tensor(var, dtype=input.dtype).clamp(min=eps)
    loss = 0.5 * (var.log() + (input - target) ** 2 / var)
    loss = loss + 0.5 * math.log(2 * math.pi) if full else loss
    return loss.mean() if reduction == "mean" else loss.sum() if reduction == "sum" else loss


def linspace(start: Any, end: Any, steps: int, *, dtype: torch.dtype | None = None, **kwargs: Any) -> Tensor:
    """Whole numbers as eager has them: it truncates the ends, then the start of each of its vectors, as wide as they may be."""
    if dtype is None or dtype.is_floating_point or dtype.is_complex:
        return torch.linspace(start, end, steps, dtype=dtype, **kwargs)
    if isinstance(start, Tensor) or isinstance(end, Tensor) or not isinstance(steps, int):
        raise CaptureError(
            f"linspace of {dtype} between tensors, or in a varying number of steps, would not round as PyTorch does; "
            "accepted: numbers, or a floating-point dtype and a conversion after it"
        )
    with _disable_current_modes():
        values = torch.linspace(start, end, steps, dtype=dtype).tolist()
    return torch.tensor(values, dtype=dtype)


def unique_consecutive(input: Tensor, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None) -> Any:
    """A trace has the wrong shape for a dimension counted from behind."""
    dim = dim if dim is None else dim % max(input.dim(), 1)
    return torch.unique_consecutive(input, return_inverse=return_inverse, return_counts=return_counts, dim=dim)


def not_bytes(image: Tensor) -> None:
    """Eager interpolates bytes in fixed-point numbers, which torch's rewrite into simpler operators does not."""
    if image.dtype is torch.uint8:
        raise CaptureError(
            "bilinear or bicubic interpolation of torch.uint8 would not round as PyTorch does; "
            "accepted: floating point, so convert the image before it and round after it"
        )


def interpolate(
    input: Tensor, size: Any = None, scale_factor: Any = None, mode: str = "nearest", *args: Any, **kwargs: Any
) -> Tensor:
    if mode in ("bilinear", "bicubic"):
        not_bytes(input)
    return torch.nn.functional.interpolate(input, size, scale_factor, mode, *args, **kwargs)


def _of_floats(interpolation: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def checked(image: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        not_bytes(image)
        return interpolation(image, *args, **kwargs)

    return checked


_OURS: dict[Any, Callable[..., Any]] = {
    torch.linalg.lstsq: lstsq,
    torch.cov: cov,
    Tensor.cov: cov,
    torch.combinations: combinations,
    torch.corrcoef: corrcoef,
    Tensor.corrcoef: corrcoef,
    torch.linspace: linspace,
    torch.unique_consecutive: unique_consecutive,
    Tensor.unique_consecutive: unique_consecutive,
    torch.nn.functional.gaussian_nll_loss: gaussian_nll_loss,
    torch.nn.functional.interpolate: interpolate,
}
_OURS |= {getattr(torch.ops.aten.linspace, name): linspace for name in torch.ops.aten.linspace.overloads() if "out" not in name}
for _name in ("upsample_bilinear2d", "upsample_bicubic2d"):
    _packet = getattr(torch.ops.aten, _name)
    _interpolations = (_packet, _packet.default, _packet.vec, getattr(torch._C._nn, _name))
    _OURS |= {function: _of_floats(function) for function in _interpolations}
