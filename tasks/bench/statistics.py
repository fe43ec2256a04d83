"""Figures of repeated measurements, and when two of them differ."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from math import comb

CONFIDENCE = 0.95


def quantile(values: Sequence[float], q: float) -> float:
    """The value below which the share `q` of the values lies, interpolated."""
    ordered = sorted(values)
    place = q * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])


def interval(values: Sequence[float]) -> tuple[float, float] | None:
    """What the true median lies between with CONFIDENCE, whatever the distribution; None if the values are too few for that.

    The median is under the k-th smallest of n values only if less than k of them are under it, which has the probability of
    less than k heads in n throws of a coin.
    """
    n, ordered = len(values), sorted(values)
    fewer = [sum(comb(n, i) for i in range(k)) / 2**n for k in range(n // 2 + 1)]
    places = [k for k in range(1, len(fewer)) if 1 - 2 * fewer[k] >= CONFIDENCE]
    return (ordered[places[-1] - 1], ordered[-places[-1]]) if places else None


@dataclass(frozen=True)
class Comparison:
    """One engine's time over another's: the median of the rounds' ratios, and what it lies between (None: too few rounds)."""

    ratio: float
    low: float | None
    high: float | None

    @property
    def differs(self) -> bool:
        """Whether one of them is faster, and that is not noise."""
        return self.low is not None and self.high is not None and not self.low <= 1 <= self.high


def compare(times: Sequence[float], other: Sequence[float]) -> Comparison:
    """Times of the same rounds, in which a busy machine was busy for both."""
    ratios = [t / o for t, o in zip(times, other, strict=True)]
    low, high = interval(ratios) or (None, None)
    return Comparison(statistics.median(ratios), low, high)
