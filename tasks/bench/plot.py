"""Rows as a picture: a roofline, and the engines' times over the limit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from frontend.limits import PEAKS
from tasks.bench.report import case_of, title
from tasks.bench.results import Row

OURS, PEER, ROOF = "tab:red", "tab:blue", "0.35"


def plot(whole: Mapping[str, Any], folder: Path) -> list[Path]:
    """Writes `bench.png` and `bench.svg`; raises ModuleNotFoundError without matplotlib."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    ranked = [row for row in whole["rows"] if row["reason"] is None]
    groups = [list(group) for _, group in groupby(ranked, case_of)]
    figure = Figure(figsize=(11, 4 + 2.6 * len(groups)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(1 + len(groups), 1, height_ratios=[4, *[2.6] * len(groups)], squeeze=False)[:, 0]
    _roofline(axes[0], groups, whole["limits"])
    for place, group in zip(axes[1:], groups, strict=True):
        _bars(place, group)
    paths = [folder / "bench.png", folder / "bench.svg"]
    for path in paths:
        figure.savefig(path, dpi=150)
    return paths


def _roofline(axes: Any, groups: Sequence[Sequence[Row]], limits: Mapping[str, Any]) -> None:
    """Speed over arithmetic intensity, with the roofs of the dtypes that were run."""
    rows = [row for group in groups for row in group]
    intensities = [row["flops"] / row["bytes"] for row in rows if row["flops"]]
    roofs = {PEAKS[row["dtype"]] for row in rows} | {"fp32_gflops"}
    peaks = {name: limits[name] for name in sorted(roofs) if limits[name]}
    ridge = max(peaks.values()) / limits["read_gbps"]
    low, high = min([*intensities, ridge]) / 4, max([*intensities, ridge]) * 4
    for name, peak in peaks.items():
        corner = peak / limits["read_gbps"]
        axes.plot(
            [min(low, corner), corner, high], [min(low, corner) * limits["read_gbps"], peak, peak], color=ROOF, linewidth=1.2
        )
        axes.annotate(
            f"{name.partition('_')[0]} {peak:.0f} GFLOP/s", (high, peak), ha="right", va="bottom", fontsize=8, color=ROOF
        )
    axes.annotate(
        f"{limits['read_gbps']:.0f} GB/s",
        (low, low * limits["read_gbps"]),
        xytext=(6, 2),
        textcoords="offset points",
        fontsize=8,
    )
    for group, marker in zip(groups, "osD^vP*X<>" * len(groups), strict=False):
        for row in (r for r in group if r["flops"]):
            speed, color = row["flops"] / row["median_ms"] * 1e-6, OURS if row["ours"] else PEER
            axes.plot(row["flops"] / row["bytes"], speed, marker, color=color, alpha=0.7, markersize=6, linestyle="none")
        label = f"{title(group[0])}"
        axes.plot([], [], marker, color="0.5", linestyle="none", label=label)
    axes.set(xscale="log", yscale="log", xlabel="FLOP per byte", ylabel="GFLOP/s", title="Roofline (red: Sluice, blue: peers)")
    axes.legend(fontsize=8, loc="lower right")


def _bars(axes: Any, group: Sequence[Row]) -> None:
    """Medians from the fastest down, with p10 and p90, and the limit as a line."""
    ordered = sorted(group, key=lambda row: -row["median_ms"])
    medians = [row["median_ms"] for row in ordered]
    spread = [[r["median_ms"] - r["p10_ms"] for r in ordered], [r["p90_ms"] - r["median_ms"] for r in ordered]]
    colors = [OURS if row["ours"] else PEER for row in ordered]
    axes.barh([row["engine"] for row in ordered], medians, xerr=spread, color=colors, alpha=0.8, error_kw={"linewidth": 0.8})
    limit = group[0]["limit_ms"]
    axes.axvline(limit, color=ROOF, linewidth=1.2, linestyle="--")
    axes.annotate(f"limit {limit:.3g}", (limit, 1), xycoords=("data", "axes fraction"), va="bottom", ha="center", fontsize=7)
    axes.set_title(title(group[0]), fontsize=9, loc="right")
    axes.set_xlabel("ms (median, p10 to p90)", fontsize=8)
    axes.tick_params(labelsize=8)
