"""doit's own database, of which nothing is left: what a task's success was is in the record beside its artifacts.

What remains is `doit ignore`.
"""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import Any

from doit.dependency import FileChangedChecker

from tasks import records

TASK_KEYS = ("deps:", "checker:", "result:", "_values_:")


class Records:
    """doit's backend interface. `name` is a file beside the records that lists the ignored tasks."""

    desc = "the records beside the artifacts"

    def __init__(self, name: str, codec: Any = None, **_: Any) -> None:
        self.name = name
        self._file = Path(name)
        self._ignored: dict[str, Any] = {}
        with contextlib.suppress(OSError, ValueError):
            self._ignored = dict(json.loads(self._file.read_text()))

    def get(self, task: str, dependency: str) -> Any:
        """A file's state is known to `tasks.builder`, not here."""
        if dependency == "ignore:":
            return self._ignored.get(task)
        return None if dependency in TASK_KEYS else "known"

    def set(self, task: str, dependency: str, value: Any) -> None:
        if dependency == "ignore:":
            self._ignored[task] = value
            records.write_atomically(self._file, json.dumps(self._ignored))

    def in_(self, task: str) -> bool:
        return task in self._ignored

    def remove(self, task: str) -> None:
        if self._ignored.pop(task, None) is not None:
            records.write_atomically(self._file, json.dumps(self._ignored))

    def remove_all(self) -> None:
        self._ignored.clear()
        self._file.unlink(missing_ok=True)

    def dump(self) -> None:
        """Nothing is held back."""


class Known(FileChangedChecker):
    """Files are looked at by content in `tasks.builder`; doit needs to know only whether they exist."""

    def check_modified(self, file_path: str, file_stat: os.stat_result, state: Any) -> bool:
        return False

    def get_state(self, dep: str, current_state: Any) -> None:
        return None
