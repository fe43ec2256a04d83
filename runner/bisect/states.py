"""Run pipelines on a file in a process of its own and keep what each pass leaves.

`python -m runner.bisect.states FILE FOLDER --target T [--pipeline NAME]... [--function NAME]`
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from runner.checking.child import guarded, process

JOURNAL, MADE = "journal.jsonl", "made.json"


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

    State 0 is the file itself. A pass that changes nothing leaves no state of its own.
    """

    folder: Path
    passes: tuple[Pass, ...]
    failed: Pass | None = None
    fate: str = ""

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


def record(file: Path, folder: Path, target: str, pipelines: Sequence[str], function: str, timeout: float) -> Recorded:
    """Run the pipelines on a file and keep the states in a folder; raises NoStates when nothing can be run on it."""
    folder.mkdir(parents=True, exist_ok=True)
    words = [str(file), str(folder), "--target", target, "--function", function]
    words += [word for name in pipelines for word in ("--pipeline", name)]
    ended = process("runner.bisect.states", words, timeout)
    journal = folder / JOURNAL
    rows = [json.loads(line) for line in journal.read_text().splitlines()] if journal.exists() else []
    if not rows and ended.said:
        raise NoStates(f"{file}: {ended.said}" if ended.crashed else ended.said)
    passes = [Pass(**row) for row in rows if row["state"] is not None]
    begun = [(row["pipeline"], row["label"]) for row in rows if row["state"] is None]
    if not ended.said:
        return Recorded(folder, tuple(passes))
    fate = ended.said if ended.crashed else f"fails: {ended.said}"
    return Recorded(folder, tuple(passes), Pass(*begun[-1], state=-1), fate)


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
        journal.write(json.dumps({"pipeline": name, "label": step.label, "state": None}) + "\n")
        yield
        now = _bytes(module)
        if now != states[-1]:
            (given.folder / f"{len(states)}.mlir").write_bytes(now)
            states.append(now)
        journal.write(json.dumps({"pipeline": name, "label": step.label, "state": len(states) - 1}) + "\n")

    for name in given.pipeline:
        pipelines.run(module, name, target, around=around)


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
