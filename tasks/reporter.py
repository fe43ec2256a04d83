"""What a run says: a line for each task that ran, with the reason; what failed, and how to run it alone; a summary."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from typing import Any

from doit.exceptions import UnmetDependency
from doit.reporter import ConsoleReporter

from tasks.build import Build, UpToDate
from tasks.builder import Builder, Outcome
from tasks.trace import Trace

MARKS = {"built": ".", "cached": "+", "already": "-"}


class Reporter(ConsoleReporter):
    """One line a task, when it has ended; on a terminal also a line that says what is running and for how long."""

    desc = "why each task ran, progress, a summary"
    builder: Builder  # set by `of`
    words: list[str]

    def __init__(self, outstream: Any, options: dict[str, Any]) -> None:
        super().__init__(outstream, options)
        self._begin = time.perf_counter()
        self._counts = dict.fromkeys(("run", "from the cache", "up to date", "failed", "not run"), 0)
        self._running: dict[str, float] = {}
        self._total = 0
        self._lock = threading.RLock()
        self._trace = Trace()
        self._terminal = outstream.isatty()
        self._shown = False
        self._done = threading.Event()

    @classmethod
    def of(cls, builder: Builder, words: list[str]) -> type[Reporter]:
        """The reporter of runs of this builder; `words` are the settings that a rerun must repeat."""
        return type("Reporter", (cls,), {"builder": builder, "words": words, "desc": cls.desc})

    def initialize(self, tasks: dict[str, Any], selected_tasks: list[str]) -> None:
        self._tasks = tasks
        pending, needed = list(selected_tasks), set()
        while pending:
            name = pending.pop()
            if name not in needed:
                needed.add(name)
                pending += tasks[name].task_dep
        self._total = sum(bool(tasks[name].actions) for name in needed)
        if self._terminal:
            threading.Thread(target=self._tick, daemon=True).start()

    def execute_task(self, task: Any) -> None:
        if not task.actions:
            return
        with self._lock:
            self._running[task.name] = time.perf_counter()
        self._trace.begin(task.name, self._why(task), sorted(task.task_dep))
        if not _is_step(task):  # it speaks for itself
            self._line(f".  {task.title()}")

    def add_success(self, task: Any) -> None:
        if not task.actions:
            return
        outcome = self.builder.outcomes.get(task.name, Outcome("built"))
        self._end(task, outcome.how)
        self._count({"built": "run", "cached": "from the cache", "already": "up to date"}[outcome.how])
        if _is_step(task):
            how = "from the cache: " if outcome.how == "cached" else ""
            self._line(f"{MARKS[outcome.how]}  {task.title():28s} {outcome.seconds:6.2f} s   {how}{self._why(task)}")
            if outcome.text.strip():
                self._line(_indented(outcome.text))

    def skip_uptodate(self, task: Any) -> None:
        if task.actions:
            self._count("up to date")

    def add_failure(self, task: Any, fail: Any) -> None:
        self._end(task, "failed")
        if isinstance(fail, UnmetDependency):
            self._counts["not run"] += bool(task.actions)
            return
        self._count("failed")
        self._line(f"!  {task.title():28s} failed   {self._why(task)}")
        self._line(_indented(str(fail.message)))
        self._line(f"   again, alone: doit {' '.join([*self.words, task.name])}")
        self.failures.append({"task": task, "exception": fail})

    def complete_run(self) -> None:
        self._done.set()
        self._erase()
        if self._trace.events:
            with contextlib.suppress(OSError):
                self._trace.write(self.builder.state / "trace.json")
        seconds = time.perf_counter() - self._begin
        counts = ", ".join(f"{count} {what}" for what, count in self._counts.items() if count)
        if counts:
            self.write(f"{counts}, {seconds:.2f} s\n")
        for text in self.runtime_errors:
            sys.stderr.write(f"{text}\n")

    def _why(self, task: Any) -> str:
        checks = [check for check, *_ in task.uptodate if isinstance(check, UpToDate)]
        return (checks[0].why or "") if checks else ""

    def _count(self, what: str) -> None:
        self._counts[what] += 1

    def _end(self, task: Any, how: str) -> None:
        with self._lock:
            self._running.pop(task.name, None)
        self._trace.end(task.name, how)

    def _line(self, text: str) -> None:
        with self._lock:
            self._erase()
            self.write(text + "\n")
            self.outstream.flush()

    def _tick(self) -> None:
        """Show what is running, ten times a second, once something has run for a moment."""
        while not self._done.wait(0.1):
            with self._lock:
                now = time.perf_counter()
                running = [f"{name} {now - begin:.0f} s" for name, begin in self._running.items() if now - begin > 0.3]
                if running and all(_is_step(self._tasks[name]) for name in self._running):
                    done = sum(self._counts.values())
                    self.write(f"\r\x1b[K[{done}/{self._total}] {', '.join(running)}"[:200])
                    self.outstream.flush()
                    self._shown = True

    def _erase(self) -> None:
        if self._shown:
            self.write("\r\x1b[K")
            self._shown = False


def interrupted(kind: type[BaseException], error: BaseException, trace: Any) -> None:
    """An excepthook that has one line for Ctrl-C; what was finished is noted already."""
    if issubclass(kind, KeyboardInterrupt):
        print("\ninterrupted", file=sys.stderr)
    else:
        sys.__excepthook__(kind, error, trace)


def _is_step(task: Any) -> bool:
    return any(isinstance(action, Build) for action in task.actions)


def _indented(text: str) -> str:
    return "\n".join(f"   {line}" for line in text.strip().splitlines())
