"""What was measured, as profile.json holds it: a row for each operator, the whole, and what the timers cost."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from frontend.limits import PEAKS
from tasks.bench.statistics import compare
from tasks.profile.events import Call
from tasks.profile.measure import Measured
from tasks.profile.rows import Row, Rows

COST, GAP = 0.02, 0.05  # allowed: what timers take of a run, and what the parts may differ from the whole


def figures(measured: Measured, calls: Sequence[Call], rows: Rows, limits: Mapping[str, Any], dtype: str) -> dict[str, Any]:
    """Times are in milliseconds; `waiting` and `elsewhere`, what is no operator's, complete the rows to the whole."""
    whole = [(call.end - call.begin) * 1e-6 for call in calls]
    waiting = [sum(per_row) for per_row in zip(*(row.waiting_ms for row in rows.rows), strict=True)]
    working = [sum(per_row) for per_row in zip(*(row.ms for row in rows.rows), strict=True)]
    parts = [w + b for w, b in zip(waiting, working, strict=True)]
    mean, peak = statistics.fmean(whole), limits[PEAKS[dtype]] or limits["fp32_gflops"]
    plain, timed = ([statistics.median(turn) for turn in turns] for turns in (measured.plain_ms, measured.timed_ms))
    cost = compare(timed, plain)
    return {
        "calls": len(calls),
        "whole": _times(whole, mean),
        "rows": [_row(row, mean, peak, limits["read_gbps"]) for row in rows.rows],
        "waiting": _times(waiting, mean),
        "elsewhere": _times([w - p for w, p in zip(whole, parts, strict=True)], mean),
        "no_code": [node.name for node in rows.no_code],
        "parts_of_whole": statistics.median(p / w for p, w in zip(parts, whole, strict=True)),
        "plain_ms": statistics.median(plain),
        "timed_ms": statistics.median(timed),
        "cost": {"share": cost.ratio - 1, "low": _less_one(cost.low), "high": _less_one(cost.high)},
        "limits": {"gflops": peak, "gbps": limits["read_gbps"]},
    }


def _times(ms: Sequence[float], whole: float) -> dict[str, float]:
    return {"avg_ms": statistics.fmean(ms), "min_ms": min(ms), "max_ms": max(ms), "share": statistics.fmean(ms) / whole}


def _row(row: Row, whole: float, peak: float, gbps: float) -> dict[str, Any]:
    """The speed is that while it works: waiting has a row of its own."""
    speed, rate = (amount / row.average * 1e-6 if row.average > 0 else 0.0 for amount in (row.work.flops, row.work.bytes))
    return {
        "operator": row.label,
        "source": row.source,
        "nodes": [node.name for node in row.nodes],
        "calls": len(row.ms),
        **_times(row.ms, whole),
        "waiting_ms": statistics.fmean(row.waiting_ms),
        "flops": row.work.flops,
        "bytes": row.work.bytes,
        "gflops": speed,
        "of_peak": speed / peak,
        "gbps": rate,
        "of_read": rate / gbps,
    }


def _less_one(value: float | None) -> float | None:
    return None if value is None else value - 1


def warnings(found: Mapping[str, Any]) -> list[str]:
    """What makes these figures doubtful, each a sentence."""
    cost, parts, said = found["cost"], found["parts_of_whole"], []
    if cost["share"] > COST:
        noise = ", of too few calls to tell it from noise" if cost["low"] is None else ""
        noise = ", a difference inside the noise" if cost["low"] is not None and cost["low"] <= 0 else noise
        said.append(f"the timers cost {100 * cost['share']:.1f} % of a run, {100 * COST:.0f} % are allowed{noise}")
    if abs(1 - parts) > GAP:
        said.append(f"the parts are {100 * parts:.1f} % of the whole, not within {100 * GAP:.0f} %")
    if said and found["plain_ms"] < 0.02:
        said.append(f"a call takes {1e3 * found['plain_ms']:.2f} µs: too short to be cut into parts by a clock")
    return said
