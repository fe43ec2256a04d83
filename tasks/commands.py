"""doit's commands that Sluice adds: what would run and why, edits that are kept, the cache, the critical path."""

from __future__ import annotations

import os
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Any

from doit import cmd_clean as doit_clean
from doit import cmd_info as doit_info
from doit import cmd_run as doit_run
from doit.cmd_base import DoitCmdBase, check_tasks_exist
from doit.cmd_list import List
from doit.control import TaskControl
from doit.exceptions import InvalidCommand

from passes.names import nearest
from tasks import cache, records, trace
from tasks.build import Build, UpToDate
from tasks.builder import Builder
from tasks.settings import from_command_line

RUN, MAYBE, CURRENT, HELD = "run", "maybe", "up to date", "held"


class Forecast:
    """What would happen to each task if all ran now: run, maybe (when a task before it makes something new), or nothing."""

    def __init__(self, tasks: dict[str, Any], builder: Builder) -> None:
        self._tasks = tasks
        self._held = builder.held
        self._known: dict[str, tuple[str, str]] = {}

    def of(self, name: str) -> tuple[str, str]:
        """(what, why)"""
        if name not in self._known:
            self._known[name] = self._forecast(self._tasks[name])
        return self._known[name]

    def needed(self, names: Iterable[str]) -> list[str]:
        """The tasks and everything before them, in an order in which they can run."""
        order: dict[str, None] = {}

        def visit(name: str) -> None:
            if name not in order:
                for before in sorted(self._tasks[name].task_dep):
                    visit(before)
                order[name] = None

        for name in names:
            visit(name)
        return list(order)

    def _forecast(self, task: Any) -> tuple[str, str]:
        before = [name for name in sorted(task.task_dep) if self.of(name)[0] in (RUN, MAYBE)]
        if not task.actions:
            return (RUN if any(self.of(n)[0] == RUN for n in before) else MAYBE if before else CURRENT), ""
        checks = [check for check, *_ in task.uptodate if isinstance(check, UpToDate)]
        held = [path for path in task.targets if path in self._held]
        if held and len(held) == len(task.targets):
            return HELD, f"{', '.join(held)} kept as edited"
        if not checks:
            return RUN, "it always runs"
        unsettled = {path for name in before for path in self._tasks[name].targets}
        if why := checks[0].builder.why(checks[0].step, unsettled):
            return RUN, why
        if before:
            return MAYBE, f"if {', '.join(before)} gives something new"
        return (HELD, f"{', '.join(held)} kept as edited") if held else (CURRENT, "")


class Names(DoitCmdBase):
    """A command that takes names of tasks: where there is no such name it says which there are."""

    def execute(self, params: Any, args: list[str]) -> Any:
        try:
            return super().execute(params, args)
        except (InvalidCommand, KeyError):
            tasks = getattr(self, "task_list", [])
            there = {name for task in tasks for name in (task.name, *task.targets)}
            missing = [word for word in args if word not in there and "*" not in word]
            if not tasks or not missing:
                raise
            raise InvalidCommand(self._no(missing[0], [task.name for task in tasks])) from None

    def _no(self, word: str, tasks: list[str]) -> str:
        near = nearest(word, {*tasks, *self.loader.cmd_names})
        groups = ", ".join(name for name in tasks if ":" not in name)
        return f"no task, file or command {word!r}{near or f'; the tasks are {groups}.'} `doit list` says what they do"


class Run(Names, doit_run.Run):
    """doit's own."""


class Info(Names, doit_info.Info):
    """doit's own."""


class Clean(Names, doit_clean.Clean):
    """doit's own."""


class Command(DoitCmdBase):
    """A command without options of its own."""

    doc_description = None
    cmd_options = ()


class Plan(Names, Command):
    doc_purpose = "what would run, and why"
    doc_usage = "[TASK/TARGET...]"

    def _execute(self, pos_args: list[str] | None = None) -> int:
        control = TaskControl(self.task_list)
        control.process(self.sel_tasks)
        forecast = Forecast(control.tasks, builder_of(self.task_list))
        counts: dict[str, int] = {}
        for name in forecast.needed(control.selected_tasks):
            if control.tasks[name].actions:
                what, why = forecast.of(name)
                counts[what] = counts.get(what, 0) + 1
                if what != CURRENT:
                    self.outstream.write(f"{what:6s} {name:28s} {why}\n")
        self.outstream.write(", ".join(f"{count} {what}" for what, count in counts.items()) + "\n")
        return 0


class Listing(Names, List):
    """doit's list, whose status is true for groups and for what depends on something that will run.

    Commands that look like tasks are listed, too.
    """

    name = "list"

    @cached_property
    def _forecast(self) -> Forecast:
        control = TaskControl(self.task_list)
        control.process(None)
        return Forecast(control.tasks, builder_of(self.task_list))

    def execute(self, params: Any, args: list[str]) -> Any:
        status = super().execute(params, args)
        if not args and not any(params[name] for name in ("quiet", "status", "template")):
            width = 3 + max(len(task.name) for task in self.task_list if params["subtasks"] or not task.subtask_of)
            for command in (Benchmarks, Report):
                self.outstream.write(f"{command.get_name():{width}}{command.doc_purpose}\n")
        return status

    def _print_task(self, template: str, task: Any, status: bool, list_deps: bool, tasks: Any) -> None:
        if status:
            what, _ = self._forecast.of(task.name)
            letter = "I" if self.dep_manager.status_is_ignore(task) else {RUN: "R", MAYBE: "R", HELD: "H"}.get(what, "U")
            template = template.replace("{status}", letter)
        super()._print_task(template, task, False, list_deps, tasks)


class Keep(Command):
    doc_purpose = "hold an artifact as you edited it: later stages build from it"
    doc_usage = "FILE..."
    keep = True

    def _execute(self, pos_args: list[str] | None = None) -> int:
        made = {path: task for task in self.task_list for path in task.targets}
        builder = builder_of(self.task_list)
        for word in pos_args or self._nothing():
            path = os.path.relpath(word) if os.path.isabs(word) else os.path.normpath(word)
            path = path if path in made else word
            if path not in made:
                raise InvalidCommand(
                    f"{word}: no task makes it; `doit list --all` shows the tasks, `doit info TASK` what one makes"
                )
            if self.keep and not os.path.exists(path):
                raise InvalidCommand(f"{path}: it is not there; `doit {made[path].name}` makes it")
            builder.hold(path, self.keep)
            self.outstream.write(f"{path}: {'held as it is now' if self.keep else f'{made[path].name} makes it again'}\n")
        return 0

    def _nothing(self) -> list[str]:
        raise InvalidCommand(f"name a file: doit {self.name} {self.doc_usage}")


class Unkeep(Keep):
    doc_purpose = "give an artifact that was held back to the task that makes it"
    keep = False


class Benchmarks(Command):
    doc_purpose = "the decoder block, its parts and common kernels: built, checked, timed beside PyTorch; `list` names them"
    doc_usage = "[NAME...|list] [size=mini|small|medium|large] [timeout=SECONDS] [threads=N] [rounds=N]"

    def _execute(self, pos_args: list[str] | None = None) -> int:
        from tasks.benchmarks.run import main  # here: it takes what only measuring needs

        return main(pos_args or [], from_command_line(), self.outstream)


class Forget(Names, Command):
    doc_purpose = "forget that tasks succeeded: they are built again"
    doc_usage = "[TASK...]"

    def _execute(self, pos_args: list[str] | None = None) -> int:
        check_tasks_exist({task.name: task for task in self.task_list}, pos_args or [])
        for task in self.task_list:
            for action in task.actions:
                if isinstance(action, Build) and (not pos_args or {task.name, task.subtask_of} & set(pos_args)):
                    Path(records.path_of(action.step)).unlink(missing_ok=True)
                    self.outstream.write(f"forgot {task.name}\n")
        return 0


class CacheCommand(Command):
    doc_purpose = "the outputs of earlier builds: `stats` or `clear`"
    doc_usage = "stats|clear"
    name = "cache"

    def _execute(self, pos_args: list[str] | None = None) -> int:
        store = cache.default_store()
        if pos_args == ["clear"]:
            store.clear()
            self.outstream.write(f"{store.root}: empty\n")
        elif pos_args == ["stats"]:
            sizes = [path.stat().st_size for path in store.files()]
            used, limit = sum(sizes) / 2**20, store.limit / 2**20
            self.outstream.write(f"{store.root}: {len(sizes)} files, {used:.1f} of {limit:.0f} MiB\n")
        else:
            raise InvalidCommand(f"cache {' '.join(pos_args or [])}: expected {self.doc_usage}")
        return 0


class CriticalPath(Command):
    doc_purpose = "the chain of tasks that took longest in the last run"
    doc_usage = ""
    name = "critical"

    def _execute(self, pos_args: list[str] | None = None) -> int:
        path = builder_of(self.task_list).state / "trace.json"
        if not path.exists():
            raise InvalidCommand(f"{path}: not there; a run that builds something leaves it")
        chain = trace.critical_path(path)
        for name, seconds in chain:
            self.outstream.write(f"{seconds:8.2f} s  {name}\n")
        self.outstream.write(f"{sum(seconds for _, seconds in chain):8.2f} s  in all; {path} opens in Perfetto\n")
        return 0


class Report(Command):
    doc_purpose = "a site of the tasks, their times, and all that was measured"
    doc_usage = ""

    def _execute(self, pos_args: list[str] | None = None) -> int:
        from tasks.pages.report import Node, write  # jinja2 is slow to import

        control = TaskControl(self.task_list)
        control.process(None)
        settings, forecast = from_command_line(), Forecast(control.tasks, builder_of(self.task_list))
        took = trace.seconds(settings.folder / records.FOLDER / "trace.json")
        nodes = []
        for name in forecast.needed(task.name for task in self.task_list if task.file_dep and task.actions):
            task = control.tasks[name]
            if not task.actions:
                continue
            builds = [action.step for action in task.actions if isinstance(action, Build)]
            record = records.load(records.path_of(builds[0])) if builds else None
            what, why = forecast.of(name) if builds else ("on demand", "")
            fault = records.fault(builds[0]) if builds and what in (RUN, MAYBE) else ""
            what = "failed" if fault else {RUN: "would run", MAYBE: "may run"}.get(what, what)
            seconds = record.seconds if record else took.get(name)
            nodes.append(Node(name, task.doc, what, fault or why, seconds, tuple(sorted(task.task_dep))))
        self.outstream.write(f"{write(nodes, settings.folder, settings.root, settings.words)}\n")
        return 0


def builder_of(tasks: list[Any]) -> Builder:
    """The builder that the tasks of this run share."""
    return next(action.builder for task in tasks for action in task.actions if isinstance(action, Build))
