"""Build steps: decide whether one must run, take it from the cache or run it in a process of its own, note what it used."""

from __future__ import annotations

import atexit
import fcntl
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from signal import Signals
from threading import Condition, Lock
from typing import IO

from tasks import records
from tasks.cache import Cache
from tasks.digests import Digests, kind_of, signature
from tasks.records import Record
from tasks.steps import Step

TOLD = "told.json"  # what a stage says of itself
NEVER = "not built here yet"
CHANGED = "what it was made from changed meanwhile; the next run makes it again\n"


class StepFailed(Exception):
    """A step that failed: why, in a sentence. `incomplete`: its outputs are of use all the same."""

    def __init__(self, sentence: str, incomplete: bool = False) -> None:
        super().__init__(sentence)
        self.incomplete = incomplete


@dataclass(frozen=True)
class Outcome:
    """How a step ended: `built`, `cached` or `already` (another doit built it meanwhile); what it printed; in what time."""

    how: str
    text: str = ""
    seconds: float = 0.0


class Builder:
    """All steps of one run on one build folder."""

    def __init__(self, folder: Path, cache: Cache | None) -> None:
        self.folder = folder
        self.outcomes: dict[str, Outcome] = {}
        self.state = folder / records.FOLDER
        self.digests = Digests(self.state / "digests.json")
        self.cache = cache
        self._lock = Lock()
        self._steps: dict[str, Lock] = {}
        self._quiet = Condition()
        self._busy = 0
        atexit.register(self.close)
        self._lock_file: IO[str] | None = None

    def why(self, step: Step, unsettled: Collection[str] = ()) -> str | None:
        """Why the step must run, or None when its outputs are what they would be made to be; see `records.difference`."""
        record = records.load(records.path_of(step))
        held = self.held
        if held and all(path in held and os.path.exists(path) for path in step.outputs):
            return None
        return records.difference(record, step, self.digests, held, unsettled) if record else NEVER

    def build(self, step: Step) -> Outcome:
        """Make the step's outputs; raises StepFailed, whose sentence is then in `records.log_of(step)`."""
        with self._quiet:
            self._busy += 1
        try:
            with self._lock:
                turn = self._steps.setdefault(step.name, Lock())
            with turn:  # two tasks may want the same
                return self._build(step)
        finally:
            with self._quiet:
                self._busy -= 1
                self._quiet.notify_all()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """While no step is being built, and none begins."""
        with self._quiet:
            self._quiet.wait_for(lambda: not self._busy)
            yield

    def _build(self, step: Step) -> Outcome:
        if self._take_turn():
            self.digests = Digests(self.state / "digests.json")
            self.__dict__.pop("held", None)
        if self.why(step) is None:
            return Outcome("already")
        begin = time.perf_counter()
        before = {path: signature(os.stat(path)) for path in step.inputs}
        inputs = {path: self.digests.again(path, kind_of(path)) for path in step.inputs}
        staging = self.state / "staging" / step.name.replace(":", "-")
        shutil.rmtree(staging, ignore_errors=True)
        staging.mkdir(parents=True)
        records.log_of(step).unlink(missing_ok=True)
        try:
            hit = self.cache.fetch(step, inputs, self.digests, staging) if self.cache else None
            text = "" if hit else self._run(step, staging)
            record = hit or self._record(step, inputs, staging, time.perf_counter() - begin)
            if any(signature(os.stat(path)) != was for path, was in before.items()):
                record = None
            text += self._publish(step, record, staging)
            if record is None:
                text += CHANGED
            elif self.cache and not hit:
                self.cache.store(step, record)
        except StepFailed as error:
            if error.incomplete:
                self._publish(step, None, staging)
            raise
        finally:
            shutil.rmtree(staging, ignore_errors=True)
        return Outcome("cached" if hit else "built", text, time.perf_counter() - begin)

    def close(self) -> None:
        """At the end of the process, whichever command it ran."""
        self.digests.save()
        if self.cache:
            self.cache.close()
        if self._lock_file:
            self._lock_file.close()

    # ---- edits that are kept

    @cached_property
    def held(self) -> dict[str, str]:
        """The artifacts that somebody keeps as they edited them, with the time of that."""
        try:
            held = json.loads((self.state / "held.json").read_text())
        except (OSError, ValueError):
            return {}
        return held if isinstance(held, dict) else {}

    def hold(self, path: str, keep: bool) -> None:
        if keep:
            self.held[path] = time.strftime("%Y-%m-%d %H:%M:%S")
        else:
            self.held.pop(path, None)
        records.write_atomically(self.state / "held.json", json.dumps(self.held))

    # ---- one step

    def _take_turn(self) -> bool:
        """Let one doit at a time build in a folder; true when this one had to wait."""
        with self._lock:
            if self._lock_file:
                return False
            self.state.mkdir(parents=True, exist_ok=True)
            file = open(self.state / "lock", "a+")  # noqa: SIM115
            self._lock_file = file
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return False
            except BlockingIOError:
                print(f"another doit is building in {self.folder}; waiting for it", file=sys.stderr)
                fcntl.flock(file, fcntl.LOCK_EX)
                return True

    def _run(self, step: Step, staging: Path) -> str:
        outputs = [str(staging / Path(path).name) for path in step.outputs]
        options = [f"{name}={value}" for name, value in step.options.items()]
        command = [sys.executable, "-m", "tasks.stage", step.run, "--in", *step.inputs, "--out", *outputs]
        command += ["--tell", str(staging / TOLD), *(["--set", *options] if options else [])]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        if done.returncode:
            raise self._failure(step, staging, done)
        return done.stdout

    def _failure(self, step: Step, staging: Path, done: subprocess.CompletedProcess[str]) -> StepFailed:
        """Why a step failed. Its log has that, too, and whatever it printed, and the traceback of what nobody foresaw."""
        try:
            told = json.loads((staging / TOLD).read_text())
            more = told["trace"]
        except (FileNotFoundError, ValueError):  # it did not come to it
            told = {"sentence": _fate(done), "trace": "", "incomplete": False}
            more = done.stdout.strip().removesuffix(told["sentence"])
        log = records.log_of(step)
        parts = [text.replace(f"{staging}/", f"{self.folder}/") for text in (told["sentence"], done.stdout, told["trace"])]
        with suppress(OSError):
            log.write_text("\n\n".join(text for text in parts if text.strip()))
        return StepFailed(f"{parts[0]}; see {log}" if more else parts[0], told["incomplete"])

    def _record(self, step: Step, inputs: dict[str, str | None], staging: Path, seconds: float) -> Record | None:
        """What the step used and made; None when something that it used was changed while it ran."""
        uses = json.loads((staging / TOLD).read_text())
        began = uses.pop("began")
        known = {os.path.realpath(path) for path in inputs}
        files = {path: kind for path, kind in uses["files"].items() if os.path.realpath(path) not in known}
        used = {path: [kind, self.digests.again(path, kind)] for path, kind in files.items()}
        if any(_changed_since(path, began) for path in used):
            return None
        return Record(
            run=step.run,
            options=step.options,
            machine=records.machine(),
            inputs=inputs,
            outputs={path: self.digests.of(str(staging / Path(path).name)) for path in step.outputs},
            used=used,
            absent=uses["absent"],
            packages={name: self.digests.again(records.package_path(name), "record") for name in uses["packages"]},
            programs=uses["programs"],
            variables=uses["variables"] | {name: os.environ.get(name) for name in (*step.variables, "PYTHONPATH")},
            seconds=seconds,
        )

    def _publish(self, step: Step, record: Record | None, staging: Path) -> str:
        """Put the outputs in place. Whenever this is interrupted there is no record, so the step runs again.

        Returns a sentence for each edited output that gave way.
        """
        said = ""
        old = records.load(records.path_of(step))
        held = self.held
        for path in step.outputs:
            if path in held and not os.path.exists(path):
                self.hold(path, False)  # what was held is gone
            if old and path in old.outputs and path not in held and self.digests.of(path) not in (None, old.outputs[path]):
                saved = _free_name(path)
                shutil.copy2(path, saved)
                said += f"the edit of {path} is saved as {saved}; to build from it: cp {saved} {path} && doit keep {path}\n"
        Path(records.path_of(step)).unlink(missing_ok=True)
        for path in step.outputs:
            made = staging / Path(path).name
            if path in held and Path(path).exists():
                continue
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            os.replace(made, path)
            self.digests.forget(path)
            if record and (digest := record.outputs[path]):
                self.digests.put(path, digest)
        if record:
            records.save(record, records.path_of(step))
        return said


def _fate(done: subprocess.CompletedProcess[str]) -> str:
    """How a process ended that did not say why."""
    if done.returncode < 0:
        return f"it crashed with {Signals(-done.returncode).name}"
    said = [line.strip() for line in done.stdout.splitlines() if line.strip()]
    return said[-1] if said else f"it ended with exit status {done.returncode}"


def _changed_since(path: str, began: int) -> bool:
    """Whether a file that a step used was written after it began."""
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return True
    return max(status.st_mtime_ns, status.st_ctime_ns) > began


def _free_name(path: str) -> str:
    """A name beside an edited file to save it under: `x.mlir.edited`, `x.mlir.edited-2`."""
    name, count = f"{path}.edited", 1
    while os.path.exists(name):
        count += 1
        name = f"{path}.edited-{count}"
    return name
