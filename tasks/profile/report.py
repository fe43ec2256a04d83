"""The figures as people read them: a table, and what stands below it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from tasks.profile.figures import warnings

WIDTH = 128  # where no terminal says how wide it is
HEADS = ("min", "max", "%", "GFLOP/s", "% peak", "GB/s", "% read")
SHORT = 0.1  # milliseconds, below which a call is told in microseconds
WORD = 40  # letters of a name that is not broken
FEW = 3  # nodes of one operator, so many are named


def console() -> Console:
    """On paper as on the screen: no markup, names may hold brackets."""
    found = Console(highlight=False, markup=False, soft_wrap=False)
    return found if found.is_terminal else Console(highlight=False, markup=False, width=WIDTH)


def table(found: Mapping[str, Any]) -> Table:
    """Operators by the time they take, then what is no operator's, then the whole."""
    shown = Table(box=SIMPLE, show_footer=False, padding=(0, 1, 0, 0), pad_edge=False)
    longest = max((len(word) for row in found["rows"] for word in row["operator"].split()), default=0)
    shown.add_column("operator", overflow="fold", min_width=min(longest, WORD))
    shown.add_column("source", no_wrap=True)
    scale, unit = (1e3, "µs") if found["whole"]["avg_ms"] < SHORT else (1.0, "ms")
    for head in ("calls", f"avg {unit}", *HEADS):
        shown.add_column(head, justify="right", no_wrap=True)
    for row in sorted(found["rows"], key=lambda row: -row["share"]):
        speed = (f"{row['gflops']:.1f}", _percent(row["of_peak"])) if row["flops"] else ("", "")
        rate = (f"{row['gbps']:.1f}", _percent(row["of_read"])) if row["bytes"] else ("", "")
        shown.add_row(row["operator"], _place(row["source"]), str(row["calls"]), *_times(row, scale), *speed, *rate)
    calls = str(found["calls"])
    for name in ("waiting", "elsewhere"):
        shown.add_row(name, "", calls, *_times(found[name], scale), style="dim")
    shown.add_section()
    shown.add_row("a call", "", calls, *_times(found["whole"], scale), style="bold")
    return shown


def notes(found: Mapping[str, Any]) -> list[str]:
    """Sentences for below the table."""
    limits, cost = found["limits"], found["cost"]
    between = "" if cost["low"] is None else f" ({100 * cost['low']:.1f} to {100 * cost['high']:.1f})"
    said = []
    if found["no_code"]:
        said.append(f"no code of their own: {', '.join(_by_operator(found['no_code']))}")
    over = "; over 100 % comes from the caches" if any(row["of_read"] > 1 for row in found["rows"]) else ""
    said += [
        f"limits: {limits['gflops']:.1f} GFLOP/s, {limits['gbps']:.1f} GB/s read{over}",
        f"the parts are {100 * found['parts_of_whole']:.1f} % of the whole; "
        f"the timers cost {100 * cost['share']:.1f} %{between} of the {found['plain_ms']:.4g} ms without",
    ]
    return said + [f"WARNING: {sentence}" for sentence in warnings(found)]


def _by_operator(nodes: Sequence[str]) -> list[str]:
    """`cat, mul_3, 36 unsqueeze`: nodes by the names that are numbered alike."""
    alike: dict[str, list[str]] = {}
    for node in nodes:
        alike.setdefault(re.sub(r"_\d+$", "", node), []).append(node)
    return [text for name, some in alike.items() for text in (some if len(some) <= FEW else [f"{len(some)} {name}"])]


def _times(row: Mapping[str, float], scale: float) -> Sequence[str]:
    return (*(f"{scale * row[name]:.4f}" for name in ("avg_ms", "min_ms", "max_ms")), _percent(row["share"]))


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"


def _place(source: str) -> str:
    """`file.py:12`, without the folders."""
    return PurePath(source).name
