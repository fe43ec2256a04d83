"""Cut a file down to as few operations as still show what a pass does wrong."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from runner.bisect import trial
from runner.bisect.states import Pass
from runner.checking.child import process

Pick = tuple[int, ...]
Shows = Callable[[Sequence[Pick]], list[bool]]


def shows_fault(
    file: Path,
    function: str,
    culprit: Pass,
    pipelines: Sequence[str],
    target: str,
    timeout: float,
    hangs: bool = False,
    keep: Path | None = None,
    tell: Callable[[Sequence[Pick]], None] = lambda picks: None,
) -> Shows:
    """Which cuts of a file, up to the first that does, show what the pass does wrong: other numbers, a crash, or that it
    does not end.

    `hangs`: it is that it does not end. With `keep` what the pass was given is left there. `tell` hears of cuts that are tried.
    """

    def shows(picks: Sequence[Pick]) -> list[bool]:
        if not picks:
            return []
        tell(picks)
        with tempfile.TemporaryDirectory(prefix="sluice-") as scratch:
            folder = Path(scratch)
            (folder / trial.PICKS).write_text(json.dumps(picks))
            words = [str(file), scratch, "--target", target, "--function", function, "--pipelines", ",".join(pipelines)]
            words += ["--until", culprit.pipeline, culprit.label, *(["--hangs"] if hangs else [])]
            ended = process("runner.bisect.trial", words, timeout)
            if keep and (folder / "before.mlir").exists():
                shutil.copyfile(folder / "before.mlir", keep)
            if not ended.said:
                return [right is False for right in json.loads((folder / trial.RIGHT).read_text())]
            lines = (folder / trial.PROGRESS).read_text().splitlines() or ["[null, null]"]
        place, cut = json.loads(lines[-1])
        if place == trial.AFTER and cut is not None:  # the code of this one crashed or did not end
            return [number == cut for number in range(len(picks))]
        if len(picks) == 1:
            return [(place == trial.PASS and culprit.state < 0) or (place == trial.AFTER and ended.crashed)]
        half = len(picks) // 2
        first = shows(picks[:half])
        return first + ([False] * (len(picks) - half) if any(first) else shows(picks[half:]))

    return shows


def reduced(operations: Sequence[dict[str, Any]], shows: Shows) -> Pick:
    """The operations of the smallest cut that was found; empty when not even all of them together show the fault."""
    groups = _groups(operations)
    pick = _first(groups, shows(groups))
    depth = 1
    while not pick and depth <= len(groups):
        wider = [_with_producers(group, operations, groups, depth) for group in groups]
        pick = _first(wider, shows(wider))
        depth *= 2
    return _thinned(pick, shows) if pick else ()


def _first(picks: Sequence[Pick], found: Sequence[bool]) -> Pick:
    return next((pick for pick, hit in zip(picks, found, strict=True) if hit), ())


def _groups(operations: Sequence[dict[str, Any]]) -> list[Pick]:
    """The operations of each node; one without a node's name is alone."""
    groups: dict[str, list[int]] = {}
    for number, op in enumerate(operations):
        if not op["free"]:
            groups.setdefault(op["node"] or f"#{number}", []).append(number)
    return [tuple(group) for group in groups.values()]


def _with_producers(group: Pick, operations: Sequence[dict[str, Any]], groups: Sequence[Pick], depth: int) -> Pick:
    """A group and those that it uses, so many steps back."""
    home = {number: other for other in groups for number in other}
    found, edge = set(group), set(group)
    for _ in range(depth):
        used = {before for number in edge for before in operations[number]["uses"] if before in home}
        edge = {number for before in used for number in home[before]} - found
        found |= edge
    return tuple(sorted(found))


def _thinned(pick: Pick, shows: Shows) -> Pick:
    """Drop parts, from halves down to single operations, while the rest still shows the fault."""
    parts = 2
    while len(pick) > 1:
        size = -(-len(pick) // parts)
        chunks = [pick[i : i + size] for i in range(0, len(pick), size)]
        rests = [tuple(n for n in pick if n not in chunk) for chunk in chunks]
        smaller = _first(rests, shows(rests))
        if smaller:
            pick, parts = smaller, max(parts - 1, 2)
        elif size == 1:
            break
        else:
            parts = min(2 * parts, len(pick))
    return pick
