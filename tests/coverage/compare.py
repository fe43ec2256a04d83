"""Whether a compiled result is PyTorch's: values, dtype and shape.

Tolerances are assert_close's own for the dtype.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch.testing._internal.opinfo.core import OpInfo, SampleInput

from tests.coverage import ties


def difference(op: OpInfo, actual: Sequence[Any], expected: Sequence[Any], sample: SampleInput | None = None) -> str | None:
    """What differs, or None. Results are flat; those that are no tensors must be equal."""
    if len(actual) != len(expected):
        return f"{len(actual)} results, expected {len(expected)}"
    for a, e in zip(actual, expected, strict=True):
        if not isinstance(e, torch.Tensor):
            if isinstance(a, torch.Tensor) or not (a == e or (a != a and e != e)):
                return f"{a!r}, expected {e!r}"
            continue
        if not isinstance(a, torch.Tensor) or a.dtype != e.dtype or a.shape != e.shape:
            return f"{_form(a)}, expected {_form(e)}"
    for a, e in zip(_determined(op, actual, sample), _determined(op, expected, sample), strict=True):
        if isinstance(e, torch.Tensor):
            try:
                torch.testing.assert_close(a, e, equal_nan=True, check_stride=False)
            except AssertionError as error:
                return " ".join(str(error).split())[:300]
    return None


def _form(value: Any) -> str:
    return f"{value.dtype} {tuple(value.shape)}" if isinstance(value, torch.Tensor) else repr(value)


def _determined(op: OpInfo, results: Sequence[Any], sample: SampleInput | None) -> list[Any]:
    """What an operator determines: singular vectors and eigenvectors are free in sign and phase, their products are not."""
    if sample is not None and (elements := ties.found(op.name, sample, list(results))) is not None:
        return elements
    product = _PRODUCTS.get(op.name)
    if product is None or not all(isinstance(r, torch.Tensor) for r in results):
        return list(results)
    return product(*[r.double() if r.is_floating_point() else r.to(torch.complex128) for r in results])


def _svd(u: torch.Tensor, s: torch.Tensor, vh: torch.Tensor) -> list[torch.Tensor]:
    k = s.shape[-1]
    return [s.float(), ((u[..., :k] * s.unsqueeze(-2)) @ vh[..., :k, :]).float(), *_unitary(u), *_unitary(vh.mH)]


def _svd_v(u: torch.Tensor, s: torch.Tensor, v: torch.Tensor) -> list[torch.Tensor]:
    return _svd(u, s, v.mH)


def _eigh(values: torch.Tensor, vectors: torch.Tensor) -> list[torch.Tensor]:
    return [values.float(), ((vectors * values.unsqueeze(-2)) @ vectors.mH).float(), *_unitary(vectors)]


def _eig(values: torch.Tensor, vectors: torch.Tensor) -> list[torch.Tensor]:
    product = (vectors * values.unsqueeze(-2)) @ torch.linalg.pinv(vectors)
    return [*_eigvals(values), product.to(torch.complex64)]


def _eigvals(values: torch.Tensor) -> list[torch.Tensor]:
    """In ascending order of real parts; a conjugate pair, whose real parts are equal but for rounding, by imaginary parts."""
    order = (values.real + values.imag * 1e-3).argsort(-1)
    return [values.gather(-1, order).to(torch.complex64)]


def _unitary(matrix: torch.Tensor) -> list[torch.Tensor]:
    """How far the columns are from orthonormal."""
    return [(matrix.mH @ matrix).to(torch.complex64 if matrix.is_complex() else torch.float32)]


_PRODUCTS = {
    "linalg.svd": _svd,
    "svd": _svd_v,
    "linalg.eigh": _eigh,
    "linalg.eig": _eig,
    "linalg.eigvals": _eigvals,
}
