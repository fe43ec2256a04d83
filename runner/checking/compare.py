"""Numbers against numbers, every element."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Difference:
    """`error` is the largest one, relative to the largest expected magnitude (of integers: the share that differ).

    `index` is where it is, `actual` and `expected` what is there. `fault` says what no tolerance covers, else it is empty.
    """

    error: float
    index: tuple[int, ...]
    actual: str
    expected: str
    fault: str = ""

    def within(self, tolerance: float) -> bool:
        return not self.fault and self.error <= tolerance


def compare(actual: np.ndarray, expected: np.ndarray, nan: bool = False) -> Difference:
    """Two arrays of one shape. NaN never passes; with `nan` it does where it is expected."""
    if actual.size == 0:
        return Difference(0.0, (), "", "")
    if actual.dtype.kind in "iub":
        return _integers(actual, expected)
    wide = np.complex128 if actual.dtype.kind == "c" else np.float64
    a, e = actual.astype(wide), expected.astype(wide)
    same = (a == e) | (np.isnan(a) & np.isnan(e) if nan else False)  # an infinity equals only itself
    odd = ~same & ~(np.isfinite(a) & np.isfinite(e))
    if odd.any():
        what = "not a number" if np.isnan(a[odd][0]) else "infinite" if np.isinf(a[odd][0]) else "finite"
        return _at(np.inf, odd, actual, expected, f"{what} where it should not be")
    with np.errstate(invalid="ignore"):
        errors = np.where(same, 0.0, np.abs(a - e))
        sizes = np.abs(e)[np.isfinite(e)]
    largest = sizes.max() if sizes.size else 0.0
    worst = errors.max()
    return _at(float(worst / largest if largest > 0 else worst), errors == worst, actual, expected)


def _integers(actual: np.ndarray, expected: np.ndarray) -> Difference:
    different = actual != expected
    share = float(different.mean())
    return _at(share, different if share else np.ones_like(different), actual, expected)


def _at(error: float, where: np.ndarray, actual: np.ndarray, expected: np.ndarray, fault: str = "") -> Difference:
    index = tuple(int(i) for i in np.unravel_index(int(np.argmax(where)), where.shape))
    return Difference(error, index, f"{actual[index]:.6g}", f"{expected[index]:.6g}", fault)
