"""Stage table to doit tasks."""

from __future__ import annotations

import inspect
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from signal import Signals
from typing import Any

from doit.action import BaseAction
from doit.exceptions import TaskFailed

from passes import faults
from tasks.builder import Builder, StepFailed
from tasks.settings import Settings
from tasks.stages import GROUPS, Stage, stages
from tasks.steps import Step

Task = dict[str, Any]
NEEDS = {"executable": ["frontend"]}  # what a group is of no use without: an executable reads the frontend's data


class UpToDate:
    """doit's question to a step, and the answer's reason."""

    __signature__ = inspect.Signature()  # doit looks at it for every task

    def __init__(self, step: Step, builder: Builder) -> None:
        self.step = step
        self.builder = builder
        self.why: str | None = None

    def __call__(self) -> bool:
        self.why = self.builder.why(self.step)
        return self.why is None

    def __repr__(self) -> str:
        """What `doit info` shows."""
        return self.why or "up to date"


class Build(BaseAction):
    """doit's action of a step. It prints nothing: the reporter does, for one task at a time."""

    def __init__(self, step: Step, builder: Builder) -> None:
        self.step = step
        self.builder = builder
        self.out = self.err = self.result = None
        self.values: dict[str, Any] = {}

    def execute(self, out: Any = None, err: Any = None) -> TaskFailed | None:
        try:
            self.builder.outcomes[self.step.name] = self.builder.build(self.step)
        except StepFailed as error:
            return TaskFailed(str(error))
        except OSError as error:
            return TaskFailed(f"{error.filename or self.builder.folder}: {error.strerror or error}")
        except Exception as error:  # in a thread of doit's it would end the run
            return TaskFailed(faults.sentence(error))
        return None

    def __str__(self) -> str:
        return f"{self.step.run} -> {' '.join(self.step.outputs)}"


class Measure(BaseAction):
    """doit's action of a command that times something, or talks to the terminal: nothing is built meanwhile."""

    def __init__(self, command: list[str], builder: Builder, makes: str = "", means: Mapping[int, str] | None = None) -> None:
        self.command = command
        self.builder = builder
        self.makes = makes
        self.means = means or {}  # what an exit status says, where that is no failure of the command
        self.out = self.err = self.result = None
        self.values: dict[str, Any] = {}

    def execute(self, out: Any = None, err: Any = None) -> TaskFailed | None:
        if self.makes:
            Path(self.makes).unlink(missing_ok=True)  # figures of an earlier run say nothing of this one
        with self.builder.alone():
            sys.stdout.flush()
            status = subprocess.run(self.command, check=False).returncode
        if status in self.means:
            return TaskFailed(self.means[status])
        if status < 0:
            return TaskFailed(f"{' '.join(self.command)}: crashed with {Signals(-status).name}")
        return TaskFailed(f"it ended with exit status {status}, see above") if status else None

    def __str__(self) -> str:
        return " ".join(self.command)


def stage_tasks(settings: Settings, builder: Builder) -> Iterator[Task]:
    for group, purpose in GROUPS.items():
        yield {"basename": group, "name": None, "doc": purpose, "task_dep": NEEDS.get(group, [])}
    for stage in stages(settings):
        yield step_task(step_of(stage, settings), stage.purpose, builder)


def step_of(stage: Stage, settings: Settings) -> Step:
    def place(name: str) -> str:
        return name if "/" in name else str(settings.folder / name)

    return Step(
        name=f"{stage.group}:{stage.name}" if stage.name else stage.group,
        run=stage.run,
        inputs=[place(name) for name in stage.inputs],
        outputs=[str(settings.folder / name) for name in stage.outputs],
        folder=settings.folder,
        options=stage.options,
        variables=stage.variables,
    )


def step_task(step: Step, purpose: str, builder: Builder, **more: Any) -> Task:
    basename, _, name = step.name.partition(":")
    task: Task = {
        "basename": basename,
        "doc": purpose,
        "actions": [Build(step, builder)],
        "file_dep": step.inputs,
        "targets": step.outputs,
        "uptodate": [UpToDate(step, builder)],
        "clean": True,
    }
    return task | ({"name": name} if name else {}) | more
