"""Which pass comes first after which the numbers are wrong, among states of which running each takes time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from runner.bisect.states import Pass, Recorded
from runner.checking.probe import Verdict

Judge = Callable[[int], Verdict]


@dataclass(frozen=True)
class Found:
    """The numbers are right in state `right` and not in `wrong`, and `verdict` says how.

    `tried` states were run. Between the two there are only states that cannot be run, for the reason `unknown`.
    """

    right: int
    wrong: int
    verdict: Verdict
    tried: int
    unknown: str = ""


def bad(verdict: Verdict) -> bool:
    """Whether the code of a state is at fault: its numbers are wrong, it crashes or does not end."""
    return verdict.wrong or verdict.crashed


def search(recorded: Recorded, judge: Judge, every: bool) -> Found | None:
    """By halves: if the last state is wrong, between a right one and a wrong one there is a pass that breaks it. Where passes
    make it wrong, right and wrong again, this need not be the first of them, and where the last state is right there is
    nothing to find; with `every` all states are run in order, and none is missed.

    State 0 is known to be right. None when no state is wrong.
    """
    known: dict[int, Verdict] = {}

    def verdict(state: int) -> Verdict:
        if state not in known:
            known[state] = judge(state)
        return known[state]

    low, high = (0, _first_bad(recorded.last, verdict)) if every else (0, _last_known(recorded.last, verdict))
    if not high or not bad(verdict(high)):
        return None
    while high - low > 1:
        middle = next((s for s in _outward(low, high) if not _unknown(verdict(s))), None)
        if middle is None:
            break
        low, high = (low, middle) if bad(verdict(middle)) else (middle, high)
    unknown = next((known[s].said for s in range(low + 1, high)), "")
    return Found(low, high, verdict(high), len(known), unknown)


def passes_between(recorded: Recorded, found: Found) -> list[Pass]:
    """Those that may be at fault: one, unless what some leave cannot be run."""
    return [recorded.first_of(state) for state in range(found.right + 1, found.wrong + 1)]


def _unknown(verdict: Verdict) -> bool:
    return bool(verdict.said) and not verdict.crashed


def _first_bad(last: int, verdict: Judge) -> int:
    return next((state for state in range(1, last + 1) if bad(verdict(state))), 0)


def _last_known(last: int, verdict: Judge) -> int:
    return next((state for state in range(last, 0, -1) if not _unknown(verdict(state))), 0)


def _outward(low: int, high: int) -> Iterator[int]:
    """The states between, from the middle on."""
    middle = (low + high) // 2
    return iter(sorted(range(low + 1, high), key=lambda state: abs(state - middle)))
