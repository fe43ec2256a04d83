"""A small project with steps of its own, built by the same machinery as the compiler."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]

DODO = """
import json
from pathlib import Path
from tasks.build import step_task
from tasks.builder import Builder
from tasks.cache import Cache, default_store
from tasks.database import Known
from tasks.reporter import Reporter
from tasks.steps import Step
import os

FOLDER = Path("out")
BUILDER = Builder(FOLDER, Cache(default_store()) if os.environ.get("SLUICE_CACHE") != "off" else None)
DOIT_CONFIG = {"backend": "records", "dep_file": str(BUILDER.state / "ignored.json"), "check_file_uptodate": Known,
               "reporter": Reporter.of(BUILDER, ()), "continue": True, "par_type": "thread"}

def task_steps():
    for row in json.loads(Path("steps.json").read_text()):
        yield step_task(Step(folder=FOLDER, **row), row["name"], BUILDER)
"""

PYPROJECT = (ROOT / "pyproject.toml").read_text().partition("[tool.doit.plugins.command]")[2].partition("[tool.pytest")[0]

STAGES = '''
import os, subprocess, sys, time
import helper

def join(inputs, outputs, pause="0", suffix=""):
    time.sleep(float(pause))
    text = helper.mark("".join(path.read_text() for path in inputs)) + suffix
    for path in outputs:
        path.write_text(text[: len(text) // 2])
        time.sleep(float(pause) / 4)
        path.write_text(text)

def fail(inputs, outputs):
    outputs[0].write_text("half")
    print("about to fail")
    raise ValueError("it cannot be done")

def crash(inputs, outputs):
    os.abort()

def look(inputs, outputs):
    """Uses a variable, a data file, a program and a module that may be missing."""
    try:
        import fast
        kind = "fast"
    except ImportError:
        kind = "slow"
    said = subprocess.run(["greet"], capture_output=True, text=True).stdout.strip()
    outputs[0].write_text(" ".join([os.environ.get("COLOUR", "none"), open("table.txt").read(), said, kind]))

def remark(inputs, outputs):
    """Uses a file that may be missing."""
    try:
        outputs[0].write_text(open("remark.txt").read())
    except FileNotFoundError:
        outputs[0].write_text("none")
'''


def copied(to: Path) -> Path:
    """The project itself, for a test to make mistakes in."""
    for folder in ("tasks", "frontend", "passes", "runner", "model"):
        shutil.copytree(ROOT / folder, to / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("dodo.py", "pyproject.toml"):
        shutil.copy(ROOT / name, to)
    return to


class Project:
    """A folder with steps; `doit` says which tasks ran and which came from the cache."""

    def __init__(self, root: Path, environment: Mapping[str, str]) -> None:
        self.root = root
        self.environment = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
        self.output = ""
        self.cached: set[str] = set()
        for name, text in (
            ("dodo.py", DODO),
            ("pyproject.toml", "[tool.doit.plugins.command]" + PYPROJECT),
            ("stages.py", STAGES),
        ):
            (root / name).write_text(text)
        (root / "helper.py").write_text("def mark(text):\n    return f'<{text}>'\n")
        (root / "source.txt").write_text("source")

    def steps(self, *rows: Mapping[str, object]) -> None:
        (self.root / "steps.json").write_text(json.dumps(rows))

    def chain(self, count: int, **options: str) -> None:
        """source.txt -> out/0 -> out/1 -> ..."""
        files = ["./source.txt", *(f"out/{i}" for i in range(count))]
        self.steps(
            *(
                {"name": f"s{i}", "run": "stages:join", "inputs": [files[i]], "outputs": [files[i + 1]], "options": options}
                for i in range(count)
            )
        )

    def start(self, *words: str, **more: Any) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "doit", *words]
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, **more}
        return subprocess.Popen(command, cwd=self.root, env=self.environment, text=True, **streams)

    def doit(self, *words: str, status: int = 0) -> set[str]:
        """The tasks that ran."""
        process = self.start(*words)
        self.output, _ = process.communicate(timeout=120)
        assert process.returncode == status, self.output
        lines = self.output.splitlines()
        self.cached = {line.split()[1] for line in lines if line.startswith("+  ")}
        return {line.split()[1] for line in lines if line.startswith(".  ")}

    def read(self, name: str) -> str:
        return (self.root / name).read_text()

    def write(self, name: str, text: str) -> None:
        (self.root / name).write_text(text)
