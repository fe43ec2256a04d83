"""Discrete Fourier transforms as matrix products along the factors of a length (Cooley and Tukey), for primes by Bluestein's.

Their matrices depend on the length alone: `frontend.capture.tables` computes them once.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from frontend.capture.decompositions.products import product

aten = torch.ops.aten

DENSE = 128  # a transform up to this length may be one matrix product
WIDEST = 32  # the greatest factor that a longer one is split by
SHORT = 32  # up to this length transforms are computed in double precision, which takes twice the time there, beyond it more


def _roots(powers: Tensor, n: int, forward: bool, dtype: torch.dtype) -> Tensor:
    """The n-th roots of unity of these powers."""
    angle = (powers % n).to(torch.float64) * ((-2 if forward else 2) * math.pi / n)
    return torch.complex(angle.cos(), angle.sin()).to(dtype)


def _grid(a: int, b: int) -> Tensor:
    """The products of row and column numbers, [a, b]."""
    return torch.arange(a)[:, None] * torch.arange(b)


def _transform(x: Tensor, forward: bool, dtype: torch.dtype) -> Tensor:
    """The transform of each row of x [rows, n], real or complex.

    With n = a * b it is a transform of length a of each column of [a, b], a rotation, and one of length b of each row.
    """
    rows, n = x.shape
    a = max(d for d in range(1, min(WIDEST, math.isqrt(n)) + 1) if n % d == 0)
    if n <= WIDEST or (a == 1 and n <= DENSE):
        return product(x, _roots(_grid(n, n), n, forward, dtype))
    if a == 1:
        return _bluestein(x, forward, dtype)
    b = n // a
    columns = product(x.reshape(rows, a, b).transpose(1, 2), _roots(_grid(a, a), a, forward, dtype))
    rotated = columns * _roots(_grid(b, a), n, forward, dtype)
    result = _transform(rotated.transpose(1, 2).reshape(rows * a, b), forward, dtype)
    return result.reshape(rows, a, b).transpose(1, 2).reshape(rows, n)


def _bluestein(x: Tensor, forward: bool, dtype: torch.dtype) -> Tensor:
    """As a cyclic convolution with a chirp: 2jk = j^2 + k^2 - (k - j)^2. It is of a length that has small factors."""
    n = x.shape[-1]
    length = 1 << (2 * n - 2).bit_length()
    squares = torch.arange(n) ** 2
    chirp = _roots(squares, 2 * n, forward, torch.complex128)
    around = torch.cat([chirp, chirp.new_zeros(length - 2 * n + 1), chirp[1:].flip(0)]).conj().resolve_conj()
    response = _transform(around[None], True, torch.complex128) / length
    padded = aten.constant_pad_nd(x * chirp.to(dtype), [0, length - n])
    spectrum = _transform(padded, True, dtype) * response.to(dtype)
    return _transform(spectrum, False, dtype)[:, :n] * chirp.to(dtype)


def _along(x: Tensor, dim: int, forward: bool) -> Tensor:
    last = x.movedim(dim, -1)
    dtype = torch.complex128 if x.dtype in (torch.float64, torch.complex128) else torch.complex64
    return _transform(last.reshape(-1, last.shape[-1]), forward, dtype).reshape(last.shape).movedim(-1, dim)


def _scaled(x: Tensor, normalization: int, count: int) -> Tensor:
    """PyTorch numbers them: as it is, divided by the root of the number of elements transformed, or by that number."""
    return x * (1 / (math.sqrt(count) if normalization == 1 else count)) if normalization else x


def _known(self: Tensor, dim: Sequence[int]) -> bool:
    return all(isinstance(self.shape[d], int) for d in dim) and self.dtype not in (torch.float16, torch.complex32)


def _precise(x: Tensor, lengths: Sequence[int]) -> Tensor:
    """In double precision if all transforms of it are short, to be rounded once."""
    return x.to(torch.promote_types(x.dtype, torch.float64)) if max(lengths) <= SHORT else x


def c2c(self: Tensor, dim: Sequence[int], normalization: int, forward: bool) -> Any:
    if not _known(self, dim):
        return NotImplemented
    lengths = [self.shape[d] for d in dim]
    result = _precise(self, lengths) if dim else self.clone()
    for d in dim:
        result = _along(result, d, forward)
    return _scaled(result, normalization, math.prod(lengths)).to(self.dtype)


def r2c(self: Tensor, dim: Sequence[int], normalization: int, onesided: bool) -> Any:
    if not _known(self, dim):
        return NotImplemented
    lengths, last = [self.shape[d] for d in dim], dim[-1]
    result = _along(_precise(self, lengths), last, True)
    if onesided:
        result = result.narrow(last, 0, self.shape[last] // 2 + 1)
    for d in dim[:-1]:
        result = _along(result, d, True)
    return _scaled(result, normalization, math.prod(lengths)).to(self.dtype.to_complex())


def c2r(self: Tensor, dim: Sequence[int], normalization: int, last_dim_size: int) -> Any:
    """The other half of the spectrum is conjugate to this one, so the real part of the result is twice that of this half's.

    Frequencies that are their own other half count once, and by their real part.
    """
    if not (_known(self, dim) and isinstance(last_dim_size, int)):
        return NotImplemented
    lengths = [*(self.shape[d] for d in dim[:-1]), last_dim_size]
    result, last, n = _precise(self, lengths), dim[-1], last_dim_size
    for d in dim[:-1]:
        result = _along(result, d, False)
    result = result.movedim(last, -1)
    frequency = torch.arange(result.shape[-1])
    alone = (frequency == 0) | (2 * frequency == n)
    half = torch.where(alone, result.real.to(result.dtype), 2 * result)
    whole = aten.constant_pad_nd(half, [0, n - half.shape[-1]])
    result = _along(whole, -1, False).real.movedim(-1, last)
    return _scaled(result, normalization, math.prod(lengths)).to(self.dtype.to_real())


TABLE = {aten._fft_c2c.default: c2c, aten._fft_r2c.default: r2c, aten._fft_c2r.default: c2r}
