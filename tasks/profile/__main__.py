"""`python -m tasks.profile LIMITS FIGURES TRACE FLAMES [WORD ...]`: the words are doit's, LIMITS measures the machine.

The other three are the files to write.
"""

from __future__ import annotations

import json
import linecache
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from frontend import serialize
from frontend.prepare import prepare
from tasks.bench.machine import cores
from tasks.bench.measure import WARMUP
from tasks.bench.process import Failed
from tasks.bench.results import limits_of
from tasks.profile import flame, report, trace
from tasks.profile.events import read
from tasks.profile.figures import figures
from tasks.profile.measure import Measured, measure
from tasks.profile.rows import add_times, rows_of
from tasks.settings import Settings, parse


def main() -> int:
    limits, output, trace_json, svg, *words = sys.argv[1:]
    for path in (output, trace_json, svg):
        Path(path).unlink(missing_ok=True)  # those of an earlier run say nothing of this one
    settings = parse(dict(word.split("=", 1) for word in words))
    folder, threads = settings.folder, settings.run.get("threads", len(os.sched_getaffinity(0)))
    os.sched_setaffinity(0, cores(threads))  # every process from here on inherits it
    graph = prepare(serialize.load(folder / "graph.json"), settings.dtype).graph
    rows = rows_of(graph, json.loads((folder / "subgraph0-profile.json").read_text()))
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        try:
            measured = _measured(settings, threads, Path(limits), Path(scratch, "events"))
        except Failed as failure:
            print(failure, file=sys.stderr)
            return 1
        calls = read(Path(scratch, "events"), measured.numbers)
    add_times(rows, calls)
    found = figures(measured, calls, rows, limits_of(measured.limits), settings.dtype)
    found = {"model": settings.model.name, "dtype": settings.dtype, "threads": threads, **found}
    traced = trace.write(Path(trace_json), graph.name, threads, calls, rows)
    flame.write(Path(svg), _frames(graph.name, found))
    Path(output).write_text(json.dumps(found, indent=1, allow_nan=False) + "\n")
    _print(settings, found, traced)
    return 0


def _measured(settings: Settings, threads: int, limits: Path, events: Path) -> Measured:
    folder, run = settings.folder, settings.run
    plain, timed = (folder / f"{settings.model.runner}-{kind}" for kind in ("staged", "profile"))
    logs = folder / "profile-logs"
    return measure(plain, timed, limits, events, logs, threads, run.get("iterations"), run.get("warmup", WARMUP))


def _frames(name: str, found: dict[str, Any]) -> flame.Frame:
    """The model's function, the lines of its source, their operators; and in each what threads waited."""
    lines: dict[str, flame.Frame] = {}
    for row in found["rows"]:
        value = row["avg_ms"] + row["waiting_ms"]
        file, _, line = row["source"].rpartition(":")
        text = linecache.getline(file, int(line)).strip() if line else ""
        place = lines.setdefault(row["source"], flame.Frame(f"{row['source']}  {text}".strip() or "no line", 0.0))
        place.value += value
        idle = [flame.Frame("waiting", row["waiting_ms"])] if row["waiting_ms"] else []
        place.children.append(flame.Frame(row["operator"], value, " ".join(row["nodes"]), idle))
    return flame.Frame(name, found["whole"]["avg_ms"], children=list(lines.values()))


def _print(settings: Settings, found: dict[str, Any], traced: int) -> None:
    console, threads = report.console(), found["threads"]
    dtype = "" if found["dtype"] == "f32" else f" in {found['dtype']}"
    tolerance = float((settings.folder / "tolerance.txt").read_text())
    console.print(
        f"{found['model']}{dtype}, {threads} thread{'s' * (threads > 1)}, {found['calls']} calls; "
        f"every element within {tolerance:.1e} of PyTorch's"
    )
    console.print(report.table(found))
    for sentence in report.notes(found):
        console.print(sentence)
    calls = "all calls" if traced == found["calls"] else f"the first {traced} calls"
    console.print(
        f"{settings.folder}/: profile.json, profile-trace.json ({calls}, for Perfetto), profile.svg (flame graph)",
        soft_wrap=True,
    )


if __name__ == "__main__":
    sys.exit(main())
