"""The machines that code is generated for, and what a schedule must know of each."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Target:
    """`lanes`: f32 elements of a vector register. `rows`: of a register tile two vectors wide, so that accumulators fit."""

    name: str
    lanes: int
    rows: int
    bf16_dot: bool = False


TARGETS = {
    target.name: target
    for target in (
        Target("x86-64-v4", lanes=16, rows=10),  # AVX-512: 32 registers
        Target("x86-64-v3", lanes=8, rows=6),  # AVX2: 16 registers
        Target("baseline", lanes=4, rows=6),  # 128-bit vectors
    )
}


class UnknownTarget(ValueError):
    """A target that the table does not have."""


def find(name: str) -> Target:
    """The target of a name; `native` is the machine that this runs on."""
    if name == "native":
        return native()
    if name not in TARGETS:
        raise UnknownTarget(f"no target {name!r}; there are native, {', '.join(TARGETS)}")
    return TARGETS[name]


@functools.cache
def native() -> Target:
    cpuinfo = Path("/proc/cpuinfo")
    flags = set(cpuinfo.read_text().split()) if cpuinfo.exists() else set()
    if {"avx512f", "avx512vl", "avx512bw", "avx512dq"} <= flags:
        return TARGETS["x86-64-v4"]
    return TARGETS["x86-64-v3" if {"avx2", "fma"} <= flags else "baseline"]
