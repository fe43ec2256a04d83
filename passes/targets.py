"""The machines that code is generated for: what LLVM is told of each, and what a schedule must know."""

from __future__ import annotations

import functools
import platform
import re
from dataclasses import dataclass, replace
from pathlib import Path

from passes.names import nearest

NATIVE = "native"  # in place of a triple, a processor or its features: those of the machine that this runs on


@dataclass(frozen=True)
class Target:
    """A kind of machine.

    lanes: f32 elements of a vector. rows: of a register tile two vectors wide, so that its sums stay in registers.
    triple, cpu, features: in LLVM's words, or NATIVE.
    needs: words that /proc/cpuinfo has on a machine that runs the code.
    fma: has instructions that multiply and add; without, exact ones would be calls of libm.
    avx512_bf16: has AVX-512's instructions that multiply pairs of bf16 and add them to f32, and that round to bf16.
    """

    name: str
    lanes: int
    rows: int
    triple: str
    cpu: str
    features: str = ""
    needs: tuple[str, ...] = ()
    fma: bool = True
    avx512_bf16: bool = False

    def of(self, element: str) -> Target:
        """The target as code sees it that computes in another type than f32: a vector holds half as many f64."""
        return replace(self, lanes=self.lanes // 2) if element == "f64" else self

    @property
    def architecture(self) -> str:
        return platform.machine() if self.triple == NATIVE else self.triple.partition("-")[0]


TARGETS = {
    target.name: target
    for target in (
        Target(  # AVX-512: 32 registers of 512 bits, of which LLVM by itself would use halves
            "x86-64-v4", 16, 10, "x86_64-linux-gnu", "x86-64-v4", "-prefer-256-bit",
            ("avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl", "avx2", "fma"),
        ),
        Target("x86-64-v3", 8, 6, "x86_64-linux-gnu", "x86-64-v3", needs=("avx2", "bmi2", "f16c", "fma")),  # AVX2: 16 registers
        Target("baseline", 4, 6, "x86_64-linux-gnu", "x86-64", fma=False),  # SSE2: 16 registers
        Target("aarch64", 4, 8, "aarch64-linux-gnu", "generic", "+neon"),  # 32 registers
        # 32 registers of at least 128 bits; two of those hold a vector, and one of 256 bits does
        Target("riscv64", 8, 6, "riscv64-linux-gnu", "generic-rv64", "+m,+a,+f,+d,+c,+v"),
    )
}  # fmt: skip


class UnknownTarget(ValueError):
    """A target that the table does not have."""


def find(name: str) -> Target:
    """The target of a name; `native` is the machine that this runs on."""
    if name == NATIVE:
        return native()
    if name not in TARGETS:
        names = (NATIVE, *TARGETS)
        raise UnknownTarget(f"no target {name!r}; there are {', '.join(names)}{nearest(name, names)}")
    return TARGETS[name]


@functools.cache
def native() -> Target:
    """This machine: scheduled as the first of the table that runs here, with all that its processor has."""
    kind = next((target for target in TARGETS.values() if not missing_here(target)), TARGETS["baseline"])
    bf16 = "avx512_bf16" in _flags() and kind.lanes == 16
    return replace(kind, name=NATIVE, triple=NATIVE, cpu=NATIVE, features=NATIVE, needs=(), avx512_bf16=bf16)


def missing_here(target: Target) -> str:
    """What this machine lacks for a target's code to run; empty if it runs here."""
    if target.architecture != platform.machine():
        return f"it is for {target.architecture}, this machine is {platform.machine()}"
    lacking = [word for word in target.needs if word not in _flags()]
    return f"this machine has no {', '.join(lacking)}" if lacking else ""


def processor() -> str:
    """What this machine's processor calls itself: its name, often less than exact, its family and its model."""
    words = (re.search(rf"^{key}\s*:\s*(.+)$", _cpuinfo(), re.MULTILINE) for key in ("model name", "cpu family", "model"))
    return " ".join(found[1] for found in words if found) or platform.machine()


@functools.cache
def _flags() -> frozenset[str]:
    return frozenset(_cpuinfo().split())


@functools.cache
def _cpuinfo() -> str:
    path = Path("/proc/cpuinfo")
    return path.read_text() if path.exists() else ""
