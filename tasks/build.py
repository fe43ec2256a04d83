"""Stage table to doit tasks."""

from __future__ import annotations

import os
import platform
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

from doit.tools import config_changed

from tasks.settings import Settings
from tasks.stages import GROUPS, Stage, stages

Task = dict[str, Any]


def stage_tasks(settings: Settings) -> Iterator[Task]:
    rows = stages(settings)
    for group, purpose in GROUPS.items():
        yield {"basename": group, "name": None, "doc": purpose}
    for row in rows:
        yield stage_task(row, settings)


def stage_task(stage: Stage, settings: Settings) -> Task:
    inputs = [_place(name, settings) for name in stage.inputs]
    outputs = [_place(name, settings) for name in stage.outputs]
    command = stage_command(stage.run, inputs, outputs, stage.options)
    task: Task = {
        "basename": stage.group,
        "doc": stage.purpose,
        "actions": [command],
        "file_dep": [*inputs, *_sources(stage.sources)],
        "targets": outputs,
        "uptodate": [config_changed({"command": " ".join(command[1:]), "machine": fingerprint()})],
        "clean": True,
    }
    return task | ({"name": stage.name} if stage.name else {})


def stage_command(run: str, inputs: Iterable[str], outputs: Iterable[str], options: dict[str, str]) -> list[str]:
    settings = [f"{name}={value}" for name, value in options.items()]
    command = [sys.executable, "-m", "tasks.stage", run, "--in", *inputs, "--out", *outputs]
    return [*command, "--set", *settings] if settings else command


def _place(name: str, settings: Settings) -> str:
    return name if "/" in name else str(settings.folder / name)


def _sources(names: Iterable[str]) -> list[str]:
    """The files of packages, and of files themselves: every edit in them counts."""
    found: set[str] = {"tasks/stage.py"}
    for name in names:
        path = Path(name)
        found |= {str(p) for p in path.rglob("*") if p.suffix in (".py", ".cpp", ".h")} if path.is_dir() else {name}
    return sorted(found)


@cache
def fingerprint() -> str:
    """What else an artifact depends on: the interpreter, the installed packages, the processor."""
    packages = sorted(name for name in os.listdir(sysconfig.get_path("purelib")) if name.endswith(".dist-info"))
    cpuinfo = Path("/proc/cpuinfo")
    processor = (
        next((line for line in cpuinfo.read_text().splitlines() if line.startswith("flags")), "") if cpuinfo.exists() else ""
    )
    return "\n".join([sys.version, platform.machine(), processor, *packages])
