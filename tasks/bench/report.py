"""Rows as a table that people read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from frontend.limits import PEAKS
from tasks.bench.results import Row
from tasks.bench.statistics import compare

HEADS = ("median ms", "p10", "p90", "x limit", "x best peer", "error")
WIDTHS = (10, 9, 9, 8, 12, 8)
CASE = ("model", "phase", "dtype", "seq_len", "threads")


def case_of(row: Row) -> tuple[Any, ...]:
    return tuple(row[name] for name in CASE)


def title(row: Row) -> str:
    tokens = "" if row["seq_len"] is None else f", seq_len {row['seq_len']}"
    return f"{row['model']}, {row['phase']}, {row['dtype']}{tokens}, {row['threads']} thread{'s' * (row['threads'] != 1)}"


def table(rows: Sequence[Row]) -> str:
    """A section for each case, its engines by their medians, then those without a rank."""
    return "\n".join(_section(list(group)) for _, group in groupby(rows, case_of))


def _section(rows: list[Row]) -> str:
    first = rows[0]
    limits = first["limits"]
    speed = f"{limits[PEAKS[first['dtype']]] or limits['fp32_gflops']:.0f} GFLOP/s, {limits['read_gbps']:.1f} GB/s"
    work = f"{first['flops'] / 1e9:.3g} GFLOP, {first['bytes'] / 1e6:.4g} MB, at {speed} not under {first['limit_ms']:.3g} ms"
    head = f"  {'engine':26s} " + " ".join(map(str.rjust, HEADS, WIDTHS)) + "  huge pages"
    ranked = sorted((r for r in rows if r["reason"] is None), key=lambda r: r["median_ms"])
    others = [f"  {r['engine']:26s} {r['reason']}" for r in rows if r["reason"] is not None]
    verdicts = [sentence(r) for r in ranked if r["ours"] and r["to_best_peer"] and not r.get("alone")]
    verdicts += [gain(ranked, alone) for alone in ranked if alone.get("alone")]
    return "\n".join([f"{title(first)}: {work}", head, *map(_line, ranked), *others, *verdicts, ""])


def _line(row: Row) -> str:
    compared = row["to_best_peer"]
    ratio = "best peer" if row["engine"] == row["best_peer"] else ""
    if compared:
        ratio = f"{'' if compared['differs'] else '~'}{compared['ratio']:.2f}"
    huge = f"{row['huge_mb']:.0f} of {row['resident_mb']:.0f} MB" if row["resident_mb"] else ""
    times = [f"{row[name]:.4g}" for name in ("median_ms", "p10_ms", "p90_ms")]
    figures = [*times, f"{row['to_limit']:.3g}", ratio, f"{row['max_rel_err']:.1e}"]
    return f"  {row['engine']:26s} {' '.join(map(str.rjust, figures, WIDTHS))}  {huge}".rstrip()


def sentence(row: Row) -> str:
    """How one of our engines compares with the best peer; no difference is called that may be noise."""
    ours, peer, compared = row["engine"], row["best_peer"], row["to_best_peer"]
    if compared["low"] is None:
        return f"  {ours} and {peer}: too few rounds to tell noise from a difference"
    between = f"{compared['low']:.2f} to {compared['high']:.2f}"
    if not compared["differs"]:
        return f"  {ours} and {peer}, the best peer: the difference is inside the noise ({between} times the time)"
    return f"  {ours} takes {compared['ratio']:.2f} times as long as {peer}, the best peer ({between})"


def gain(ranked: Sequence[Row], alone: Row) -> str:
    """What the threads of a run gain our executable over one; nothing where it is not there itself."""
    found = [r for r in ranked if r["engine"] == "sluice" and len(r["rounds_ms"]) == len(alone["rounds_ms"])]
    if not found:
        return ""
    c = compare(alone["rounds_ms"], found[0]["rounds_ms"])
    between = "" if c.low is None else f" ({c.low:.2f} to {c.high:.2f})"
    return f"  {found[0]['threads']} threads are {c.ratio:.2f} times as fast as one{between}"


def conditions(whole: Mapping[str, Any]) -> str:
    """The machine's limits in this run, and what all engines were given."""
    limits, best = whole["limits"], whole["limits"]["best"]
    units = {"fp32_gflops": "fp32 GFLOP/s", "bf16_gflops": "bf16 GFLOP/s", "read_gbps": "GB/s read"}
    said = [
        f"no {unit.partition(' ')[0]} unit" if limits[name] is None else f"{limits[name]:.1f} {unit} (best {best[name]:.1f})"
        for name, unit in units.items()
    ]
    return (
        f"limits, in the median round: {', '.join(said)}\n"
        f"{whole['processor']}; every engine pinned to processors {', '.join(map(str, whole['cores']))}; "
        f"huge pages: {whole['huge_pages']}, asked for in every engine"
    )
