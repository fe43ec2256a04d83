"""A search for the pass at fault, from its files to what is told of it."""

from __future__ import annotations

import itertools
import math
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from runner.bisect.progress import Progress
from runner.bisect.reduce import Pick, reduced, shows_fault
from runner.bisect.reproduce import reference_case
from runner.bisect.search import Found, Judge, passes_between, search
from runner.bisect.states import SLOW, NoStates, OutOfTime, Pass, Recorded, begun, record
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
    progress: Progress = field(default_factory=Progress)

    def run(self) -> int:
        """The exit status: 0 when all is right, 1 when a fault was found, 2 when nothing can be run."""
        with self.progress:
            for file in self.files:
                with tempfile.TemporaryDirectory(prefix="sluice-") as scratch:
                    try:
                        status = self._bisect(file, Path(scratch))
                    except (NoStates, BadCase) as error:
                        status = self._say(str(error), MISUSED)
                if status != RIGHT:
                    return status
        return RIGHT

    def _bisect(self, file: Path, scratch: Path) -> int:
        recorded = self._record(file, scratch / "states")
        cases = self.cases
        if cases is None:
            self.progress.tell(lambda: f"{file.name}: runs the file itself, on drawn inputs")
            cases = reference_case(file, recorded.made, self.target, self.timeout, scratch / "case")
        judge = self._judge(file, recorded, cases)
        start = judge(0)
        if start.said and not start.crashed:
            return self._say(f"{file}: {start.said}", MISUSED)
        if not start.right:
            nodes = "; `doit verify` tells which node is wrong" if self.cases and start.wrong else ""
            return self._say(f"{file} is not right before any pass: {start.said or _off(start)}{nodes}", FOUND)
        return self._tell(file, recorded, search(recorded, judge, self.every))

    def _record(self, file: Path, folder: Path) -> Recorded:
        from passes import pipelines

        count = sum(len(pipelines.find(name)) for name in self.pipelines)

        def doing() -> str:
            rows = begun(folder)
            now = f", {len(rows)} of {count}: {rows[-1]['pipeline']}: {rows[-1]['label']}" if rows else ""
            return f"{file.name}: runs the {count} passes of {' and '.join(self.pipelines)}{now}"

        self.progress.tell(doing)
        return record(file, folder, self.target, self.pipelines, self.function, self.timeout)

    def _judge(self, file: Path, recorded: Recorded, cases: Path) -> Judge:
        """How states are run. One that takes longer than it may is at fault only if one that is right takes far less."""
        function = first_function(cases)
        others = [other for other in self.files if other != file] if self.cases else []
        rounds = itertools.count(1)
        took: list[float] = []
        about = 1 + (recorded.last if self.every else min(recorded.last, 1 + recorded.last.bit_length()))

        def judge(state: int) -> Verdict:
            what = f"what {recorded.first_of(state)} left" if state else "what the passes were given"
            doing = f"{file.name}: run {next(rounds)} of about {about}: {what}, state {state} of {recorded.last}"
            self.progress.tell(lambda: doing)
            began, path = time.monotonic(), recorded.path(state)
            verdict = probe([*others, path], cases, function, self.target, self.timeout)
            if verdict.right:
                took.append(time.monotonic() - began)
            if verdict.late and self.timeout < SLOW * max(took, default=math.inf):
                raise OutOfTime(f"{file}: to run {what} takes", self.timeout)
            return replace(verdict, said=verdict.said.removeprefix(f"{path}: "))

        return judge

    def _tell(self, file: Path, recorded: Recorded, found: Found) -> int:
        if found.wrong is not None:
            return self._tell_wrong(file, recorded, found)
        if recorded.failed:
            given = "whether what it was given is right cannot be told" if found.unknown else "what it was given is right"
            self._say(f"{file}: {recorded.failed} {recorded.fate}; {given}", FOUND)
            return self._reproduce(file, recorded, recorded.failed, recorded.last)
        if found.unknown:
            first = passes_between(recorded, found)[0]
            sentence = f"{file}: right before {first}; what passes leave from there on cannot be run: {found.unknown}"
            return self._say(sentence, MISUSED)
        return self._say(_all_right(file, recorded, self.every), RIGHT)

    def _tell_wrong(self, file: Path, recorded: Recorded, found: Found) -> int:
        suspects = passes_between(recorded, found)
        why = found.verdict.said or _off(found.verdict)
        how = "all in order" if self.every else "by halves"
        self._say(f"{file}: right before {suspects[0]}, wrong after {suspects[-1]}: {why}", FOUND)
        self._say(f"  {found.tried} of {recorded.last} states between {len(recorded.passes)} passes were run, {how}", FOUND)
        if recorded.failed:
            self._say(f"  later on, {recorded.failed} {recorded.fate}", FOUND)
        if len(suspects) > 1:
            between = f"the {len(suspects)} passes from the one to the other"
            self._say(f"  what {between} leave cannot be run by itself: {found.unknown}", FOUND)
        return self._reproduce(file, recorded, suspects[0], found.right)

    def _reproduce(self, file: Path, recorded: Recorded, culprit: Pass, before: int) -> int:
        """Leave what the pass was given, cut down as far as it goes, with the command that shows the fault."""
        operations = recorded.made["operations"]
        failed = culprit == recorded.failed
        hangs, raises = failed and recorded.late, failed and recorded.raised
        given = (recorded.path(0), recorded.made["function"], culprit, self.pipelines, self.target, self.timeout, hangs)

        def trying(picks: Sequence[Pick]) -> None:
            cuts = f"{len(picks)} cut{'s' if len(picks) > 1 else ''} of up to {max(map(len, picks))}"
            doing = f"{file.name}: cuts down what {culprit} was given: tries {cuts} of {len(operations)} operations"
            self.progress.tell(lambda: doing)

        pick = reduced(operations, shows_fault(*given, tell=trying))
        left = recorded.folder / "left.mlir"
        if pick:
            shows_fault(*given, keep=left)([pick])
        else:
            _as_text(recorded.path(before), left)
        self.into.mkdir(parents=True, exist_ok=True)
        path = _placed(left, self.into, f"{file.stem}-before-{culprit.label.replace('#', '-')}")
        shown, command = self._shown(path, culprit, hangs)
        if pick and shown and not raises:  # Python's error is the pass's own
            self._say(f"  the operation: {_described(operations[pick[-1]])}", FOUND)
        if pick:
            self._say(f"  cut down to {len(pick)} of {len(operations)} operations: {path}", FOUND)
        else:
            self._say(f"  no part of it shows the fault on drawn inputs; what the pass was given, whole: {path}", FOUND)
        does = "shows it" if shown else "repeats it, on drawn inputs, which are right"
        return self._say(f"  this {does}: {command}", FOUND)

    def _shown(self, path: Path, culprit: Pass, hangs: bool) -> tuple[bool, str]:
        """Whether the command that should show the fault does, and that command."""
        words = ["-m", "passes", "run", str(path), "--pipeline", culprit.pipeline, "--only", culprit.label, "--check"]
        words += [] if self.target == "native" else ["--target", self.target]
        limit = ["--timeout", f"{min(self.timeout, LONGEST) if hangs else self.timeout:g}"]
        words += limit if hangs else []
        text = f"python {shlex.join(words)}"
        self.progress.tell(lambda: f"tries {text}")
        done = subprocess.run([sys.executable, *words, *([] if hangs else limit)], capture_output=True, check=False)
        return done.returncode == 1, text

    def _say(self, sentence: str, status: int) -> int:
        self.progress.say(sentence, wrong=status == MISUSED)
        return status


def _all_right(file: Path, recorded: Recorded, every: bool) -> str:
    passes = len(recorded.passes)
    if every:
        return f"{file}: right after each of {passes} passes ({recorded.last} changed something)"
    return f"{file}: right after the last of {passes} passes; --every, with doit every=on, looks behind each of them"


def _described(operation: dict[str, Any]) -> str:
    node = f", node {operation['node']}" if operation["node"] else ""
    return f"{operation['op']}{node}" + (f" at {operation['source']}" if operation["source"] else "")


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
