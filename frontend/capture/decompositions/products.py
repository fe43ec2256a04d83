"""Products of complex matrices as products of real ones."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

aten = torch.ops.aten


def product(x: Tensor, y: Tensor) -> Tensor:
    """x [..., k] times a complex y [..., k, n]: one real product, of twice the size in each dimension where x is complex.

    Where x lies in memory as pairs (re, im), a row y of the second matrix becomes the two rows y and iy of pairs.
    """
    if x.is_complex():
        k, n = y.shape[-2:]
        y = torch.stack([y, torch.complex(-y.imag, y.real)], -2).reshape(*y.shape[:-2], 2 * k, n)
        x = torch.view_as_real(x).flatten(-2)
    pairs = x @ torch.view_as_real(y).flatten(-2)
    return torch.view_as_complex(pairs.unflatten(-1, (-1, 2)))


def _mm(self: Tensor, mat2: Tensor) -> Any:
    return product(self, mat2) if self.is_complex() else NotImplemented


def _addmm(self: Tensor, mat1: Tensor, mat2: Tensor, beta: Any = 1, alpha: Any = 1) -> Any:
    if not self.is_complex():
        return NotImplemented
    scaled = product(mat1, mat2) * alpha
    return scaled if beta == 0 else self * beta + scaled


TABLE = {
    aten.mm.default: _mm,
    aten.bmm.default: _mm,
    aten.addmm.default: _addmm,
    aten.baddbmm.default: _addmm,
}
