"""Which pass comes first after which the numbers are wrong, among states of which running each takes time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from runner.bisect.states import Pass, Recorded
from runner.checking.probe import Verdict

Judge = Callable[[int], Verdict]


@dataclass(frozen=True)
class Found:
    """The numbers are right in state `right` and not in `wrong`, and `verdict` says how. `tried` states were run.

    Between the two there are only states that cannot be run, for the reason `unknown`. Where `wrong` is None no state was found
    wrong, and `right` is the last one that can be run.
    """

    right: int
    wrong: int | None
    verdict: Verdict
    tried: int
    unknown: str = ""


def bad(verdict: Verdict) -> bool:
    """Whether the code of a state is at fault: its numbers are wrong, it crashes or does not end."""
    return verdict.wrong or verdict.crashed


def search(recorded: Recorded, judge: Judge, every: bool) -> Found:
    """By halves: if the last state is wrong, between a right one and a wrong one there is a pass that breaks it. Where passes
    make it wrong, right and wrong again, this need not be the first of them, and where the last state is right there is
    nothing to find; with `every` all states are run in order, and none is missed.

    State 0 is known to be right.
    """
    known: dict[int, Verdict] = {0: Verdict()}

    def verdict(state: int) -> Verdict:
        if state not in known:
            known[state] = judge(state)
        return known[state]

    last = _last_known(recorded.last, verdict)
    high = _first_bad(last, verdict) if every else last
    if not bad(verdict(high)):
        unknown = known[last + 1].said if last < recorded.last else ""
        return Found(last, None, verdict(last), len(known) - 1, unknown)
    low = 0
    while high - low > 1:
        middle = _first_known(low, high, verdict)
        if middle is None:
            break
        low, high = (low, middle) if bad(verdict(middle)) else (middle, high)
    unknown = next((known[s].said for s in range(low + 1, high)), "")
    return Found(low, high, verdict(high), len(known) - 1, unknown)


def passes_between(recorded: Recorded, found: Found) -> list[Pass]:
    """Those that may be at fault: one, unless what some leave cannot be run."""
    end = recorded.last if found.wrong is None else found.wrong
    return [recorded.first_of(state) for state in range(found.right + 1, end + 1)]


def _unknown(verdict: Verdict) -> bool:
    return bool(verdict.said) and not verdict.crashed


def _first_bad(last: int, verdict: Judge) -> int:
    return next((state for state in range(1, last + 1) if bad(verdict(state))), last)


def _last_known(last: int, verdict: Judge) -> int:
    return next((state for state in range(last, 0, -1) if not _unknown(verdict(state))), 0)


def _first_known(low: int, high: int, verdict: Judge) -> int | None:
    """The nearest state to the middle between two that can be run."""
    middle = (low + high) // 2
    states = sorted(range(low + 1, high), key=lambda state: abs(state - middle))
    return next((state for state in states if not _unknown(verdict(state))), None)
