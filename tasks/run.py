"""Tasks that run what was built: once, against PyTorch, under sanitizers, beside PyTorch."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from tasks.build import Task, stage_command
from tasks.settings import Settings
from tasks.stages import DATA, PARTS


def run_tasks(settings: Settings) -> Iterator[Task]:
    folder = settings.folder
    staged, onestep = str(folder / f"{settings.model.runner}-staged"), str(folder / settings.model.runner)
    data = [str(folder / name) for name in DATA]
    counts = [word for name, value in settings.run.items() for word in (f"--{name}", str(value))]
    yield {
        "basename": "run",
        "doc": "run the staged executable: verify every output element against PyTorch, time it, write run.json",
        "actions": [[staged, "--json", str(folder / "run.json"), *counts]],
        "file_dep": [staged, *data],
        "targets": [str(folder / "run.json")],
        "uptodate": [False],
        "verbosity": 2,
        "clean": True,
    }
    yield {
        "basename": "verify",
        "doc": "the staged and the one-step executable against PyTorch, and against each other bit by bit",
        "actions": [stage_command("runner.check:check", [staged, onestep, str(folder)], [str(folder / "verify.json")], {})],
        "file_dep": [staged, onestep, *data, "runner/check.py"],
        "targets": [str(folder / "verify.json")],
        "verbosity": 2,
        "clean": True,
    }
    yield {
        "basename": "bench",
        "doc": "the staged executable and PyTorch eager in turns, with the same threads; writes bench.json",
        "actions": [[sys.executable, "-m", "tasks.bench", staged, settings.model.name, str(folder / "bench.json"), *counts,
                     "--set", *(f"{name}={value}" for name, value in settings.overrides.items())]],
        "file_dep": [staged, *data],
        "targets": [str(folder / "bench.json")],
        "uptodate": [False],
        "verbosity": 2,
        "clean": True,
    }  # fmt: skip
    yield from _sanitize(settings, data)


def _sanitize(settings: Settings, data: list[str]) -> Iterator[Task]:
    """The runner with AddressSanitizer, LeakSanitizer and UndefinedBehaviorSanitizer, built and run."""
    folder = settings.folder
    flags = {"flags": "-g -fsanitize=address,undefined -fno-sanitize-recover=undefined"}
    header, compiled = str(folder / "signature.h"), str(folder / "runner-sanitized.o")
    executable = str(folder / f"{settings.model.runner}-sanitized")
    objects = [str(folder / f"{part}.o") for part in PARTS]
    sources = [f"runner/{name}" for name in ("runner.cpp", "tensor.h", "files.h", "options.h", "peak.h", "verify.h", "link.py")]
    yield {
        "basename": "sanitize",
        "name": None,
        "doc": "the runner under address, leak and undefined-behaviour sanitizers",
    }
    yield {
        "basename": "sanitize",
        "name": "build",
        "doc": "compile and link it",
        "actions": [
            stage_command("runner.link:compile_runner", [header], [compiled], flags),
            stage_command("runner.link:link", [compiled, *objects], [executable], flags),
        ],
        "file_dep": [header, *objects, *sources],
        "targets": [compiled, executable],
        "clean": True,
    }
    yield {
        "basename": "sanitize",
        "name": "run",
        "doc": "run it; a leak or a bad access fails",
        "actions": [[executable, "--iterations", "2", "--warmup", "1"]],
        "file_dep": [executable, *data],
        "uptodate": [False],
        "verbosity": 2,
    }
