"""The calls as a file for Perfetto or chrome://tracing: a lane a thread."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tasks.profile.events import Call, Share
from tasks.profile.rows import Row, Rows

MOST = 50_000  # events: more than that is slow to open
WAITING = "waiting"


def write(path: Path, name: str, threads: int, calls: Sequence[Call], rows: Rows) -> int:
    """The first calls, as many as fit, at least one; how many that were."""
    lanes = [
        {"name": "thread_name", "ph": "M", "pid": 1, "tid": thread, "args": {"name": f"thread {thread}"}}
        for thread in range(threads)
    ]
    events: list[dict[str, Any]] = []
    written = 0
    for call in calls:
        new = list(_events(call, name, rows, calls[0].begin))
        if written and len(events) + len(new) > MOST:
            break
        events += new
        written += 1
    path.write_text(json.dumps({"traceEvents": [*lanes, *events], "displayTimeUnit": "ms"}) + "\n")
    return written


def _events(call: Call, name: str, rows: Rows, origin: int) -> Iterator[dict[str, Any]]:
    def event(what: str, thread: int, begin: int, end: int, **more: Any) -> dict[str, Any]:
        times = {"ts": (begin - origin) / 1e3, "dur": (end - begin) / 1e3}
        return {"name": what, "ph": "X", "pid": 1, "tid": thread, **times, "args": more}

    yield event(name, 0, call.begin, call.end)
    for stretch in call.stretches:
        row = rows.of_region[stretch.region]
        yield event(row.label, 0, stretch.begin, stretch.end, **_said(row))
    for team in call.teams():
        for share in team:
            row = rows.of_region[share.region]
            if share.thread:
                yield event(WAITING, share.thread, *_before(share, team[0]))
                yield event(row.label, share.thread, share.begin, share.done, **_said(row))
            yield event(WAITING, share.thread, share.done, share.end)


def _before(share: Share, first: Share) -> tuple[int, int]:
    """From when the first thread began until this one was awake."""
    return min(first.begin, share.begin), share.begin


def _said(row: Row) -> dict[str, Any]:
    return {"source": row.source, "nodes": [node.name for node in row.nodes]}
