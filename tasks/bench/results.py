"""Measurements to rows: the medians, how they stand to the machine's limit and to the best peer."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from frontend.limits import Work
from tasks.bench.cases import Case
from tasks.bench.measure import Measured
from tasks.bench.statistics import compare, quantile

LIMITS = ("fp32_gflops", "bf16_gflops", "read_gbps")
Row = dict[str, Any]


def limits_of(answers: Sequence[Mapping[str, float | None]]) -> dict[str, Any]:
    """What the machine showed in the median round, as times are medians, and in the best; None where it has no such unit."""
    found: dict[str, Any] = {"best": {}}
    for name in LIMITS:
        values = [value for answer in answers if (value := answer[name]) is not None]
        found[name] = statistics.median(values) if values else None
        found["best"][name] = max(values, default=None)
    return found


def rows(case: Case, work: Work, measured: Sequence[Measured], threads: int, limits: Mapping[str, Any]) -> list[Row]:
    """A row for each engine, those without figures too: their `reason` says why, and for wrong answers as well.

    `limits` are those of the case's own rounds: a machine's speed drifts.
    """
    limit = work.limit_ms(case.dtype, limits)
    about = {"flops": work.flops, "bytes": work.bytes, "limits": dict(limits)}
    found = [_row(case, m, threads, limit) | about for m in measured]
    best = min((r for r in found if _ranked(r) and not r["ours"]), key=lambda r: r["median_ms"], default=None)
    for row in found:
        row["best_peer"] = best["engine"] if best else None
        row["to_best_peer"] = None
        if best and _ranked(row) and row is not best:
            c = compare(row["rounds_ms"], best["rounds_ms"])
            row["to_best_peer"] = {"ratio": c.ratio, "low": c.low, "high": c.high, "differs": c.differs}
    return found


def _ranked(row: Row) -> bool:
    return row["reason"] is None


def _row(case: Case, measured: Measured, threads: int, limit: float) -> Row:
    """`median_ms`, `p10_ms` and `p90_ms` are of all calls, `rounds_ms` the medians of each round."""
    times = [ms for turn in measured.rounds for ms in turn] if measured.reason is None else []
    median, p10, p90 = (quantile(times, q) if times else None for q in (0.5, 0.1, 0.9))
    error = measured.max_rel_err
    reason = measured.reason
    if times and (error is None or error > case.tolerance):
        said = (
            "missing, misshapen or not finite" if error is None else f"relative error {error:.1e}, {case.tolerance:.0e} allowed"
        )
        reason = f"wrong: {said}"
    return {
        "engine": measured.engine.name,
        **case.row(),
        "threads": threads,
        "median_ms": median,
        "p10_ms": p10,
        "p90_ms": p90,
        "limit_ms": limit,
        "max_rel_err": error,
        "to_limit": median / limit if median else None,
        "reason": reason,
        "applies": measured.applies,
        "ours": measured.engine.ours,
        "alone": measured.engine.alone,
        "version": measured.engine.version,
        "rounds_ms": [round(statistics.median(turn), 6) for turn in measured.rounds] if times else [],
        "calls": len(times),
        "huge_mb": measured.huge_mb,
        "resident_mb": measured.resident_mb,
    }
