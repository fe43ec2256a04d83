"""Tasks that compare what was built with PyTorch, stage by stage and pass by pass."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from doit.action import BaseAction
from doit.exceptions import TaskFailed

from passes import faults
from runner.checking import ENDS, PARTS
from tasks.build import Measure, Task, step_of, step_task
from tasks.builder import Builder, StepFailed
from tasks.reporter import MARKS
from tasks.settings import Settings
from tasks.stages import DATA, THREADS, Stage, pipelines, stages

BISECTED = {1: "there is a fault, told above", 2: "nothing could be found out, for the reason above"}  # by exit status


def verify_tasks(settings: Settings, builder: Builder) -> Iterator[Task]:
    yield {
        "basename": "verify",
        "name": None,
        "doc": "every stage against PyTorch on the same inputs; at the frontend, every node",
    }
    for stage in knowledge(settings):
        yield step_task(step_of(stage, settings), stage.purpose, builder)
    known = [str(settings.folder / name) for name in (*DATA, "nodes.data", "cases.json", "places.json")]
    yield {
        "basename": "verify",
        "name": "run",
        "doc": "run each stage's artifacts and compare; writes verify.json",
        "actions": [Verify(settings, builder)],
        "file_dep": known,
        "targets": [str(settings.folder / "verify.json")],
        "uptodate": [False],
        "clean": True,
    }
    parts = [str(settings.folder / f"{part}.mlir") for part in reversed(PARTS)]
    words = [
        *parts,
        "--cases",
        str(settings.folder / "cases.json"),
        "--target",
        settings.target,
        "--timeout",
        str(settings.timeout),
        *(word for name in pipelines(settings) for word in ("--pipeline", name)),
    ]
    words += ["--into", str(settings.folder / "bisect"), *(["--every"] if settings.every else [])]
    yield {
        "basename": "bisect",
        "doc": "the first pass after which the model's numbers are wrong, with a file and a command that show it",
        "actions": [Measure([sys.executable, "-m", "passes", "bisect", *words], builder, means=BISECTED)],
        "file_dep": [*parts, *known],
        "uptodate": [False],
    }


def knowledge(settings: Settings) -> list[Stage]:
    """What only verification needs to know of a model; other builds do without."""
    return [
        Stage(
            "verify",
            "values",
            "eager PyTorch's value of every node",
            "frontend.capture.values:values",
            ("graph.json", "weights.data", "inputs.data", "tolerance.txt"),
            ("nodes.data", "nodes.json"),
            {"dtype": settings.dtype},
            THREADS,
        ),
        Stage(
            "verify",
            "cases",
            "how the compiled functions are called, and where each node's value is",
            "frontend.nodes:cases",
            ("graph.json", "nodes.json"),
            ("cases.json", "places.json"),
            {"dtype": settings.dtype},
        ),
    ]


class Verify(BaseAction):
    """doit's action: build every stage as far as it goes, so that one that cannot be built hides no other, and verify them."""

    def __init__(self, settings: Settings, builder: Builder) -> None:
        self.settings, self.builder = settings, builder
        self.out = self.err = self.result = None
        self.values: dict[str, Any] = {}

    def execute(self, out: Any = None, err: Any = None) -> TaskFailed | None:
        folder, model = self.settings.folder, self.settings.model
        path = folder / "verify.json"
        path.unlink(missing_ok=True)
        failed = self._build()
        words = [str(folder), str(folder / f"{model.runner}-staged"), str(folder / model.runner)]
        words += ["--target", self.settings.target, "--timeout", str(self.settings.timeout), "--json", str(path)]
        for stage, sentence in _missing(failed, folder).items():
            words += ["--missing", stage, sentence]
        with self.builder.alone():
            sys.stdout.flush()
            status = subprocess.run([sys.executable, "-m", "runner.checking", *words], check=False).returncode
        if status == 1 and path.exists():
            return TaskFailed(_next(json.loads(path.read_text()), self.settings))
        return TaskFailed(f"runner.checking: exit status {status}") if status else None

    def _build(self) -> dict[str, str]:
        """Why files could not be made, by their paths."""
        failed: dict[str, str] = {}
        for stage in stages(self.settings):
            step = step_of(stage, self.settings)
            if step.outputs[0].endswith((".s", ".html")):  # to read, not to run
                continue
            if broken := next((failed[path] for path in step.inputs if path in failed), ""):
                failed |= dict.fromkeys(step.outputs, broken.partition(": ")[0])  # the sentence stands where it belongs
                continue
            try:
                why = self.builder.why(step)
                outcome = self.builder.build(step)
            except StepFailed as error:
                failed |= dict.fromkeys(step.outputs, faults.brief(f"not built, {step.name} failed: {error}"))
            else:
                if outcome.how != "already":
                    print(f"{MARKS[outcome.how]}  {step.name:28s} {outcome.seconds:6.2f} s   {why}\n{outcome.text}", end="")
        return failed

    def __str__(self) -> str:
        return f"verify {self.settings.folder}"


def _next(rows: dict[str, dict[str, Any]], settings: Settings) -> str:
    """What to do about the stages that are not right."""
    words = {stage: row["verdict"] for stage, row in rows.items()}
    first = next((stage for stage, word in words.items() if word == "wrong"), "")
    given = [word for word in settings.words if not word.startswith("timeout=")]
    again = " ".join(["doit", *given])
    found = []
    if first in ("frontend", "nodes"):
        found.append("the numbers are wrong before any pass: the line of `nodes` has the first node that is wrong, if one is")
    elif first:
        found.append(f"wrong from {first} on: `{again} bisect` finds the pass, if it is one")
    if "cannot be run" in words.values():
        found.append("what cannot be run has a line above that says why")
    if "out of time" in words.values():
        found.append(f"`{again} timeout=SECONDS verify` gives each run more than {settings.timeout}")
    return "; ".join(found)


def _missing(failed: dict[str, str], folder: Path) -> dict[str, str]:
    """The same by the names of stages."""
    found = {Path(path).name: why for path, why in failed.items() if not Path(path).suffix}
    files = {str(folder / f"{part}{end}"): stage for stage, end in ENDS.items() for part in PARTS}
    return found | {stage: failed[path] for path, stage in files.items() if path in failed}
