"""What is found out about one benchmark."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tasks.bench.statistics import Comparison
from tasks.benchmarks.table import Setting

PASSED, FAILED, SKIPPED = "passed", "failed", "skipped"
STEPS = (
    "capture",
    "build seq",
    "build OMP",
    "run seq",
    "run OMP",
    "correct",
    "measure",
)  # in this order; each needs those before it


@dataclass
class Result:
    """Times are of the median call, in ms; `build` the seconds of the builds, from the midend on, and `how`
    whether anything was built, was from the cache, or all was up to date.

    step, reason: where it failed, and why, in a sentence. errors: relative, of each executable, against eager PyTorch.
    speedup: the sequential code's time over the parallel code's. vs_eager: PyTorch's time over the parallel code's.
    regression: in a sentence, how vs_eager is worse than in earlier runs.
    """

    name: str
    model: str
    settings: Setting
    status: str = SKIPPED
    step: str = STEPS[0]
    reason: str | None = None
    build: dict[str, float] = field(default_factory=dict)
    how: dict[str, str] = field(default_factory=dict)
    run: dict[str, float] = field(default_factory=dict)
    rounds: dict[str, list[float]] = field(default_factory=dict)
    errors: dict[str, float] = field(default_factory=dict)
    tolerance: float | None = None
    speedup: Comparison | None = None
    vs_eager: Comparison | None = None
    regression: str | None = None

    def reached(self, step: str) -> bool:
        """Whether a step was done, and was right."""
        return self.status == PASSED or STEPS.index(step) < STEPS.index(self.step)

    def row(self) -> dict[str, Any]:
        """As JSON."""
        return {**vars(self), "speedup": _plain(self.speedup), "vs_eager": _plain(self.vs_eager)}


def _plain(compared: Comparison | None) -> dict[str, Any] | None:
    return None if compared is None else {**vars(compared), "differs": compared.differs}
