"""Run pipelines on a file in a process of its own and keep what each pass leaves.

`python -m runner.bisect.states FILE FOLDER --target T [--pipeline NAME]... [--function NAME]`
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from passes import faults
from runner.checking.child import guarded, process

JOURNAL, MADE = "journal.jsonl", "made.json"
NOT_LEFT = -1  # the state of a pass that did not come back
SLOW = 4  # times what everything before took: what takes longer than that, and than it may, is taken for something without end


@dataclass(frozen=True)
class Pass:
    """A pass as it is addressed, and the number of the state that it left."""

    pipeline: str
    label: str
    state: int

    def __str__(self) -> str:
        return f"{self.pipeline}: {self.label}"


@dataclass(frozen=True)
class Recorded:
    """What ran: `passes` that came back, then perhaps one that did not, `failed`, with its `fate` in words.

    `raised`: that was an error of Python's in one of our passes; `late`: it did not end.
    State 0 is the file itself. A pass that changes nothing leaves no state of its own.
    """

    folder: Path
    passes: tuple[Pass, ...]
    failed: Pass | None = None
    fate: str = ""
    raised: bool = False
    late: bool = False

    @property
    def last(self) -> int:
        return self.passes[-1].state if self.passes else 0

    def path(self, state: int) -> Path:
        return self.folder / f"{state}.mlir"

    def first_of(self, state: int) -> Pass:
        """The pass that left a state."""
        return next(p for p in self.passes if p.state == state)

    @property
    def made(self) -> dict[str, Any]:
        """The function that is run, what it takes and returns, and its operations."""
        found: dict[str, Any] = json.loads((self.folder / MADE).read_text())
        return found


class NoStates(Exception):
    """A file that no pass can be run on: why."""


class OutOfTime(NoStates):
    """Nothing was found out in the time that there was."""

    def __init__(self, what: str, seconds: float) -> None:
        more = "--timeout SECONDS, with doit timeout=SECONDS, gives more"
        super().__init__(f"ran out of time: {what} longer than {seconds:g} s; {more}")


def begun(folder: Path) -> list[dict[str, Any]]:
    """The passes that ran so far, in order, as their rows of the journal; the last one may be running."""
    path = folder / JOURNAL
    text = path.read_text() if path.exists() else ""
    rows = {(row["pipeline"], row["label"]): row for row in map(json.loads, text[: text.rfind("\n") + 1].splitlines())}
    return list(rows.values())


def record(file: Path, folder: Path, target: str, pipelines: Sequence[str], function: str, timeout: float) -> Recorded:
    """Run the pipelines on a file and keep the states in a folder; raises NoStates when nothing can be run on it, OutOfTime
    when it takes too long and no pass stands out."""
    folder.mkdir(parents=True, exist_ok=True)
    words = [str(file), str(folder), "--target", target, "--function", function]
    words += [word for name in pipelines for word in ("--pipeline", name)]
    start = time.monotonic()
    ended = process("runner.bisect.states", words, timeout)
    rows = begun(folder)
    running = bool(rows) and rows[-1]["state"] == NOT_LEFT
    if ended.late and (not running or timeout < (1 + SLOW) * (rows[-1]["began"] - start)):
        at = f", of which {len(rows)} were begun, the last of them {rows[-1]['pipeline']}: {rows[-1]['label']}," if rows else ""
        raise OutOfTime(f"{file}: its passes{at} take", timeout)
    if ended.said and not running:
        raise NoStates(f"{file}: {ended.said}" if ended.crashed else ended.said)
    passes = [Pass(row["pipeline"], row["label"], row["state"]) for row in rows]
    if not running:
        return Recorded(folder, tuple(passes))
    raised, said = rows[-1]["raised"], ended.said or "it ends the process as if all were done"
    fate = f"raises {raised}" if raised else said if ended.crashed else f"fails: {said}"
    return Recorded(folder, tuple(passes[:-1]), passes[-1], fate, bool(raised), ended.late)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--target", required=True)
    parser.add_argument("--pipeline", action="append", default=[])
    parser.add_argument("--function", default="")
    given = parser.parse_args()
    with (given.folder / JOURNAL).open("w", buffering=1) as journal:
        return guarded(lambda: _run(given, journal))


def _run(given: argparse.Namespace, journal: IO[str]) -> None:
    from passes import pipelines, reference, slices, stages, targets
    from passes.steps import Step

    target = targets.find(given.target)
    for name in given.pipeline:
        pipelines.find(name)
    module = stages.read(given.file)
    try:
        function = slices.function_of(module, given.function)
        takes, returns = slices.signature(function)
    except slices.NoSlices as error:
        raise slices.NoSlices(f"{given.file}: {error}") from error
    made = {"function": function.opview.name.value, "takes": takes, "returns": returns, "operations": _described(function)}
    (given.folder / MADE).write_text(json.dumps(made))
    with module.context:
        reference.with_interface(module.operation, target)
    states = [_bytes(module)]
    (given.folder / "0.mlir").write_bytes(states[-1])

    @contextmanager
    def around(step: Step, module: Any) -> Iterator[None]:
        row = {"pipeline": name, "label": step.label, "state": NOT_LEFT, "began": time.monotonic(), "raised": ""}
        journal.write(json.dumps(row) + "\n")
        try:
            yield
        except Exception as error:
            journal.write(json.dumps({**row, "raised": _raised(error)}) + "\n")
            raise
        now = _bytes(module)
        if now != states[-1]:
            (given.folder / f"{len(states)}.mlir").write_bytes(now)
            states.append(now)
        journal.write(json.dumps({**row, "state": len(states) - 1}) + "\n")

    for name in given.pipeline:
        pipelines.run(module, name, target, around=around)


def _raised(error: Exception) -> str:
    """An error and the line of a pass of ours that it comes from; empty if it does not come from one."""
    return faults.sentence(error) if faults.place(error) else ""


def _described(function: Any) -> list[dict[str, Any]]:
    """The function's operations; none where it cannot be cut."""
    from passes import slices

    try:
        return [asdict(op) for op in slices.describe(function)]
    except slices.NoSlices:
        return []


def _bytes(module: Any) -> bytes:
    from io import BytesIO

    file = BytesIO()
    module.operation.write_bytecode(file)
    return file.getvalue()


if __name__ == "__main__":
    sys.exit(main())
