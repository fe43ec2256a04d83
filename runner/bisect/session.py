"""A search for the pass at fault, from its files to what is told of it."""

from __future__ import annotations

import itertools
import shlex
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from runner.bisect.reduce import reduced, shows_fault
from runner.bisect.reproduce import reference_case
from runner.bisect.search import Found, passes_between, search
from runner.bisect.states import NoStates, Pass, Recorded, record
from runner.checking.cases import BadCase, first_function
from runner.checking.probe import Verdict, probe

RIGHT, FOUND, MISUSED = 0, 1, 2
LONGEST = 20.0  # seconds, to show that a pass does not end


@dataclass(frozen=True)
class Session:
    """`cases`: what is right, and for which inputs; without it, what a file computes by the plain lowering, on drawn inputs.

    `into`: the folder for what shows the fault.
    """

    files: tuple[Path, ...]
    cases: Path | None
    pipelines: tuple[str, ...]
    target: str
    timeout: float
    into: Path
    function: str = ""
    every: bool = False

    def run(self) -> int:
        """The exit status: 0 when all is right, 1 when a fault was found, 2 when nothing can be run."""
        for file in self.files:
            with tempfile.TemporaryDirectory(prefix="sluice-") as scratch:
                status = self._bisect(file, Path(scratch))
            if status != RIGHT:
                return status
        return RIGHT

    def _bisect(self, file: Path, scratch: Path) -> int:
        try:
            recorded = record(file, scratch / "states", self.target, self.pipelines, self.function, self.timeout)
        except NoStates as error:
            return _say(str(error) if str(error).startswith(str(file)) else f"{file}: {error}", MISUSED)
        cases, said = self.cases, ""
        if cases is None:
            cases, said = reference_case(file, recorded.made, self.target, self.timeout, scratch / "case")
        if said:
            return _say(f"{file}: the plain lowering is what is right, but its code {said}", MISUSED)
        try:
            function = first_function(cases)
        except BadCase as error:
            return _say(str(error), MISUSED)
        others = [other for other in self.files if other != file] if self.cases else []

        def judge(state: int) -> Verdict:
            return probe([*others, recorded.path(state)], cases, function, self.target, self.timeout)

        start = judge(0)
        if start.said and not start.crashed:
            return _say(f"{file}: {start.said}", MISUSED)
        if not start.right:
            nodes = "; `doit verify` tells which node is wrong" if self.cases else ""
            return _say(f"{file} is not right before any pass: {start.said or _off(start)}{nodes}", FOUND)
        found = search(recorded, judge, self.every)
        return self._tell(file, recorded, found)

    def _tell(self, file: Path, recorded: Recorded, found: Found) -> int:
        if found.unknown and found.wrong is None:
            first = passes_between(recorded, found)[0]
            return _say(
                f"{file}: right before {first}; what passes leave from there on cannot be run: {found.unknown}", MISUSED
            )
        if found.wrong is None and recorded.failed is None:
            return _say(_all_right(file, recorded, self.every), RIGHT)
        if found.wrong is None:
            assert recorded.failed is not None
            print(f"{file}: {recorded.failed} {recorded.fate}; what it was given is right")
            return self._reproduce(file, recorded, recorded.failed, recorded.last)
        suspects = passes_between(recorded, found)
        why = found.verdict.said or _off(found.verdict)
        how = "all in order" if self.every else "by halves"
        print(f"{file}: right before {suspects[0]}, wrong after {suspects[-1]}: {why}")
        print(f"  {found.tried} of {recorded.last} states between {len(recorded.passes)} passes were run, {how}")
        if recorded.failed:
            print(f"  later on, {recorded.failed} {recorded.fate}")
        if len(suspects) > 1:
            print(f"  what the {len(suspects)} passes from the one to the other leave cannot be run by itself: {found.unknown}")
        return self._reproduce(file, recorded, suspects[0], found.right)

    def _reproduce(self, file: Path, recorded: Recorded, culprit: Pass, before: int) -> int:
        """Leave what the pass was given, cut down as far as it goes, with the command that shows the fault."""
        made = recorded.made
        operations = made["operations"]
        hangs = "does not end" in recorded.fate and culprit == recorded.failed
        given = (recorded.path(0), made["function"], culprit, self.pipelines, self.target, self.timeout, hangs)
        pick = reduced(operations, shows_fault(*given))
        self.into.mkdir(parents=True, exist_ok=True)
        stem = f"{file.stem}-before-{culprit.label.replace('#', '-')}"
        if pick:
            shows_fault(*given, keep=recorded.folder / "cut.mlir")([pick])
            path = _placed(recorded.folder / "cut.mlir", self.into, stem)
            last = operations[pick[-1]]
            node = f", node {last['node']}" if last["node"] else ""
            line = f" at {last['source']}" if last["source"] else ""
            print(f"  the operation: {last['op']}{node}{line}")
            print(f"  cut down to {len(pick)} of {len(operations)} operations: {path}")
        else:
            _as_text(recorded.path(before), recorded.folder / "whole.mlir")
            path = _placed(recorded.folder / "whole.mlir", self.into, stem)
            print(f"  no part of it shows the fault on drawn inputs; what the pass was given, whole: {path}")
        return self._show(path, culprit, hangs)

    def _show(self, path: Path, culprit: Pass, hangs: bool) -> int:
        words = ["-m", "passes", "run", str(path), "--pipeline", culprit.pipeline, "--only", culprit.label, "--check"]
        words += [] if self.target == "native" else ["--target", self.target]
        limit = ["--timeout", f"{min(self.timeout, LONGEST) if hangs else self.timeout:g}"]
        shown = subprocess.run([sys.executable, *words, *limit], capture_output=True, check=False)
        words += limit if hangs else []
        text = f"python {shlex.join(words)}"
        print(
            f"  this shows it: {text}"
            if shown.returncode == 1
            else f"  this repeats it, on drawn inputs, which are right: {text}"
        )
        return FOUND


def _all_right(file: Path, recorded: Recorded, every: bool) -> str:
    passes = len(recorded.passes)
    if every:
        return f"{file}: right after each of {passes} passes ({recorded.last} changed something)"
    return f"{file}: right after the last of {passes} passes; --every, with doit every=on, looks behind each of them"


def _off(verdict: Verdict) -> str:
    worst = verdict.worst
    assert worst is not None
    how = worst.fault or f"off by {worst.error:.2e}, {worst.tolerance:.1e} allowed"
    return f"{worst.place} is {worst.actual}, expected {worst.expected}: {how}"


def _placed(made: Path, folder: Path, stem: str) -> Path:
    """A file under a name that nothing else has yet: what somebody edited stays."""
    for number in itertools.count(1):
        path = folder / f"{stem}{'' if number == 1 else f'.{number}'}.mlir"
        if not path.exists() or path.read_bytes() == made.read_bytes():
            path.write_bytes(made.read_bytes())
            return path
    raise AssertionError("numbers end")


def _as_text(state: Path, path: Path) -> None:
    from passes import stages

    stages.write(stages.read(state), path)


def _say(sentence: str, status: int) -> int:
    print(sentence, file=sys.stderr if status == MISUSED else sys.stdout)
    return status
