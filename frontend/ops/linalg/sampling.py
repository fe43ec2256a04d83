"""Sampling of images at the points of a grid."""

from __future__ import annotations

import functools
import itertools
import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from frontend.ops.elements import constant, is_float, wide
from frontend.ops.linalg.registry import ops_registry
from frontend.ops.scalars import Scalar, apply, where
from frontend.ops.values import elementwise, ranked
from frontend.registry import DECLINED
from passes.mlir import ir, linalg, math, tensor

LINEAR, NEAREST, CUBIC = range(3)
ZEROS, BORDER, REFLECTION = range(3)
SHARPNESS = -0.75  # of PyTorch's cubic interpolation

Tap = tuple[Scalar, Scalar]  # a whole coordinate, and its weight


@ops_registry.lowers("aten.grid_sampler_2d.default", "aten.grid_sampler_3d.default")
def grid_sampler(
    out: ir.Type, input: ir.Value, grid: ir.Value, interpolation_mode: int, padding_mode: int, align_corners: bool
) -> Any:
    """input [batch, channels, *sizes] at grid [batch, *result's sizes, axes]; the last axis' coordinate goes first."""
    type_, sizes = ranked(out), ranked(input).shape[2:]
    element = type_.element_type
    if not is_float(element):
        return DECLINED
    sampling = Sampling(interpolation_mode, padding_mode, align_corners, nan_is_last=len(sizes) == 3)

    def body() -> ir.Value:
        batch, channel, *place = [linalg.IndexOp(d).result for d in range(type_.rank)]
        axes = []
        for axis, size in enumerate(sizes):
            which = constant(ir.IndexType.get(), len(sizes) - 1 - axis)
            given = Scalar(tensor.extract(grid, [batch, *place, which])).to(wide(element))
            at = ((given + 1) * (size - 1) if align_corners else (given + 1) * size - 1) / 2
            axes.append(sampling.taps(at, size))
        sum_ = Scalar(constant(wide(element), 0))
        for taps in itertools.product(*axes):
            exists, value = _read(input, [batch, channel], [at for at, _ in taps], sizes)
            term = value.to(wide(element)) * functools.reduce(operator.mul, [weight for _, weight in taps])
            sum_ = sum_ + (where(exists, term, 0) if sampling.nan_is_last else term)
        return sum_.to(element).value

    return elementwise(type_, [], body)


@dataclass(frozen=True)
class Sampling:
    """How to interpolate, and what lies outside of an image.

    PyTorch's samplers of images and of volumes differ in what is not finite: a volume's has NaN at the last element when it
    moves coordinates inside, and 0 when it does not.
    """

    mode: int
    padding: int
    align_corners: bool
    nan_is_last: bool

    def taps(self, at: Scalar, size: int) -> list[Tap]:
        """What a coordinate along one axis is interpolated from."""
        if self.mode != CUBIC:
            at = self.inside(at, size)
        if self.mode == NEAREST:
            return [(apply(math.roundeven, at), at.like(1))]
        low = apply(math.floor, at)
        if self.mode == LINEAR:
            return [(low, low + 1 - at), (low + 1, at - low)]
        return [(self.inside(low + i, size), _cubic(at - low - i, near=i in (0, 1))) for i in (-1, 0, 1, 2)]

    def inside(self, at: Scalar, size: int) -> Scalar:
        """A coordinate moved into the image; `ZEROS` leaves it where it is."""
        if self.padding == ZEROS:
            return at
        if self.padding == REFLECTION:
            low, span = (0.0, size - 1) if self.align_corners else (-0.5, size)
            at = _reflected(at, low, span) if span else at.like(0)
        below = where(at < size - 1, at, size - 1)
        return where(at < 0, 0, below) if self.nan_is_last else where(at > 0, below, 0)


def _cubic(distance: Scalar, near: bool) -> Scalar:
    """The weight in cubic convolution of a point that is at most 1 away if `near`, else at most 2."""
    x = apply(math.absf, distance)
    if near:
        return ((SHARPNESS + 2) * x - (SHARPNESS + 3)) * x * x + 1
    return ((SHARPNESS * x - 5 * SHARPNESS) * x + 8 * SHARPNESS) * x - 4 * SHARPNESS


def _reflected(at: Scalar, low: float, span: int) -> Scalar:
    """Folded back at `low` and at `low + span` until it lies between."""
    distance = apply(math.absf, at - low)
    rest = distance % span
    odd = apply(math.floor, distance / span) % 2 == 1
    return where(odd, span - rest, rest) + low


def _read(x: ir.Value, lead: Sequence[ir.Value], place: Sequence[Scalar], sizes: Sequence[int]) -> tuple[Scalar, Scalar]:
    """Whether an element exists at whole coordinates, and the element or 0."""
    exists = functools.reduce(operator.and_, [(at >= 0) & (at < size) for at, size in zip(place, sizes, strict=True)])
    indices = [where(exists, at, 0).to("index").value for at in place]
    return exists, where(exists, Scalar(tensor.extract(x, [*lead, *indices])), 0)
