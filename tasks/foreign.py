"""Tasks that run code, for a target whose code does not run here: each refuses with a sentence."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from doit.action import BaseAction
from doit.exceptions import TaskFailed

from passes import targets
from tasks.build import Task
from tasks.settings import Settings

HERE = (
    "executable",
    "onestep",
    "run",
    "verify",
    "bisect",
    "bench",
    "profile",
    "tune",
    "sanitize",
)  # groups that link or run code on this machine


class Refuse(BaseAction):
    """doit's action of a task that cannot be done, and why."""

    def __init__(self, sentence: str) -> None:
        self.sentence = sentence
        self.out = self.err = self.result = None
        self.values: dict[str, Any] = {}

    def execute(self, out: Any = None, err: Any = None) -> TaskFailed:
        return TaskFailed(self.sentence)

    def __str__(self) -> str:
        return self.sentence


def refuse_foreign(tasks: Iterable[Task], settings: Settings) -> Iterator[Task]:
    """The tasks, but for a foreign target one in place of each group in HERE, which needs nothing and refuses."""
    target = targets.find(settings.target)
    why = targets.missing_here(target)
    refused = set()
    for task in tasks:
        group = task["basename"]
        if not why or group not in HERE:
            yield task
        elif group not in refused:
            refused.add(group)
            yield {"basename": group, "doc": task["doc"], "actions": [Refuse(_sentence(target, group, why, settings))]}


def _sentence(target: targets.Target, group: str, why: str, settings: Settings) -> str:
    here = [targets.NATIVE, *(name for name, other in targets.TARGETS.items() if not targets.missing_here(other))]
    again = f"doit {' '.join(settings.words)} codegen"
    takes = f"{group} takes {', '.join(here)}"
    return f"target={target.name} does not run here: {why}; {takes}. `{again}` makes its assembly and objects"
