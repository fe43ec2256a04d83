"""Earlier runs, and whether a benchmark does worse than in them.

What is compared is the ratio of PyTorch's time to ours, both of the same run: a slow hour of the machine slows both.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

ALIKE = ("benchmark", "settings", "dtype", "target", "threads", "processor", "torch")  # runs are comparable if these are equal
KEPT = 5  # comparable runs that count, the latest: the spread between them is noise as well

Line = dict[str, Any]


def load(path: Path) -> list[Line]:
    """The lines of earlier runs; what is no line of this kind, after a crash say, does not count."""
    lines = []
    for text in path.read_text().splitlines() if path.exists() else ():
        try:
            line = json.loads(text)
        except ValueError:
            continue
        if isinstance(line, dict) and {*ALIKE, "ratio", "low", "high", "regressed"} <= set(line):
            lines.append(line)
    return lines


def append(path: Path, lines: Iterable[Line]) -> None:
    torn = path.exists() and not path.read_bytes().endswith(b"\n")  # a line that was being written when its run ended
    with path.open("a") as file:
        file.write("\n" if torn else "")
        file.writelines(json.dumps(line) + "\n" for line in lines)


def regression(now: Mapping[str, Any], earlier: Sequence[Mapping[str, Any]]) -> str | None:
    """How much worse than before, in a sentence; None if it is not, if that may be noise, if there is nothing to compare with.

    It is worse if all that the ratio may be now lies below all that it may have been in each of the latest comparable runs.
    Runs that were worse themselves are no yardstick: the flag stays until the ratio is back.
    """
    if now["high"] is None:
        return None
    alike = [line for line in earlier if all(line[name] == now[name] for name in ALIKE) and not line["regressed"]]
    known = [line for line in alike if line["low"] is not None][-KEPT:]
    if not known or now["high"] >= (least := min(line["low"] for line in known)):
        return None
    runs = f"the {len(known)} comparable runs" if len(known) > 1 else "the comparable run"
    return f"{now['ratio']:.2f} of eager's speed (at most {now['high']:.2f}), at least {least:.2f} in {runs} before"
