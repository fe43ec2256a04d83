"""Every source file edited in three ways: what runs must be what the edit can change, and nothing may be stale."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from tasks.bench_build.copies import Copy, copy

GROUPS = ("model=mlp", "executable", "onestep")
FOLDERS = ("model", "frontend", "passes", "runner", "tasks")
STEPS = {
    "frontend:capture": "frontend.capture.model:capture",
    "frontend:emit": "frontend.emit:emit",
    "frontend:pack": "frontend.pack:pack",
    "midend:forward": "passes.stages:run_pipeline",
    "midend:subgraph0": "passes.stages:run_pipeline",
    "backend:forward": "passes.stages:run_pipeline",
    "backend:subgraph0": "passes.stages:run_pipeline",
    "codegen:forward.ll": "passes.stages:translate",
    "codegen:subgraph0.ll": "passes.stages:translate",
    "codegen:forward.o": "runner.objects:compile_object",
    "codegen:subgraph0.o": "runner.objects:compile_object",
    "executable:runner.o": "runner.link:compile_runner",
    "executable:link": "runner.link:link",
    "onestep": "tasks.onestep:onestep",
}
# What a step imports once it runs, named here by hand: the measure must not ask the machinery that it measures.
PIPELINE = ("passes.pipelines", "passes.targets")
WHILE_RUNNING = {
    "frontend:capture": ["model.mlp"],
    **dict.fromkeys(("midend:forward", "midend:subgraph0", "backend:forward", "backend:subgraph0"), PIPELINE),
    **dict.fromkeys(("codegen:forward.ll", "codegen:subgraph0.ll"), ("passes.translate",)),
    "onestep": [
        *("model.mlp", "frontend.capture.model", "frontend.emit", "runner.link", "runner.objects", "passes.translate"),
        *PIPELINE,
    ],
}
CPP_STEPS = {"executable:runner.o", "onestep"}


def measure(files: Iterable[str] = ()) -> list[tuple[str, str]]:
    """`files` limits the measure to some."""
    stale, wasted, edits = [], [], 0
    with copy() as project:
        project.doit(*GROUPS)
        importers = _importers(project)
        for name in files or _sources(project):
            path = project.root / name
            before = path.read_text()
            expected = CPP_STEPS if path.suffix in (".h", ".cpp") else importers.get(name, set())
            for kind, text in _edits(path.suffix, before).items():
                edits += 1
                path.write_text(text)
                run = project.doit(*GROUPS)
                wanted = expected if kind == "semantic" else set()
                if run.status or wanted - run.ran:
                    stale.append(f"{name} ({kind}): {', '.join(sorted(wanted - run.ran)) or run.text[-300:]} did not run")
                if run.ran - wanted:
                    wasted.append(f"{name} ({kind}): {', '.join(sorted(run.ran - wanted))}")
            path.write_text(before)
            project.doit(*GROUPS)
        differ = _differences(project)
    details = [("", line) for line in [*stale, *wasted, *differ]]
    return [
        (f"{edits} edits of every source file", f"{len(stale)} stale, {len(wasted)} wasteful, {len(differ)} artifacts differ"),
        *details,
    ]


def _edits(suffix: str, text: str) -> dict[str, str]:
    comment, code = (
        ("// a comment", "inline int mutation() { return 1; }") if suffix != ".py" else ("# a comment", "MUTATION = 1")
    )
    return {"comment": f"{text}{comment}\n", "touch": text, "semantic": f"{text}\n{code}\n"}


def _sources(project: Copy) -> list[str]:
    found = [path for folder in FOLDERS for path in (project.root / folder).rglob("*") if path.suffix in (".py", ".h", ".cpp")]
    return sorted(str(path.relative_to(project.root)) for path in found)


def _importers(project: Copy) -> dict[str, set[str]]:
    """The steps that import each file, as the interpreter itself tells it."""
    importers: dict[str, set[str]] = {}
    for step, run in STEPS.items():
        modules = ["tasks.stage", run.partition(":")[0], *WHILE_RUNNING.get(step, [])]
        tell = "import sys; print('\\n'.join(m.__file__ for m in sys.modules.values() if getattr(m, '__file__', None)))"
        program = "; ".join([*(f"import {module}" for module in modules), tell])
        told = subprocess.run([sys.executable, "-c", program], cwd=project.root, capture_output=True, text=True, check=True)
        for line in told.stdout.splitlines():
            if Path(line).is_relative_to(project.root):
                importers.setdefault(os.path.relpath(line, project.root), set()).add(step)
    return importers


def _differences(project: Copy) -> list[str]:
    """Artifacts that are not what a build from scratch makes."""
    with copy() as fresh:
        fresh.doit(*GROUPS)
        mine, other = project.artifacts("mlp"), fresh.artifacts("mlp")
    return [f"{name} differs from a build from scratch" for name in sorted(mine) if mine[name] != other.get(name)]
