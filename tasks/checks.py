"""Tasks that check the project itself."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from tasks.build import Task

COVERAGE = "build/coverage/coverage.json"
PYTHON_SOURCES = ("dodo.py", "tasks", "frontend", "passes", "runner", "model", "tests")


def check_tasks() -> Iterator[Task]:
    yield {
        "basename": "test",
        "doc": "the tests, and lint before them",
        "actions": [[sys.executable, "-m", "pytest", "-q"]],
        "task_dep": ["lint"],
        "verbosity": 2,
    }
    yield {
        "basename": "bench_build",
        "doc": "what the task graph costs, beside bare doit and ninja, and whether kills and edits leave it right (15 minutes)",
        "actions": [[sys.executable, "-m", "tasks.bench_build"]],
        "verbosity": 2,
    }
    yield {
        "basename": "coverage",
        "doc": "the importer on every operator of PyTorch's database, and torch-mlir beside it (an hour)",
        "actions": [[sys.executable, "-m", "tests.coverage", "--out", COVERAGE, "--page", "docs/coverage.md", "--peer", "2"]],
        "verbosity": 2,
    }
    yield {
        "basename": "lint",
        "doc": "ruff's rules and format, and mypy's types",
        "actions": [
            [sys.executable, "-m", "ruff", "check", "--quiet", *PYTHON_SOURCES],
            [sys.executable, "-m", "ruff", "format", "--check", "--quiet", *PYTHON_SOURCES],
            [sys.executable, "-m", "mypy"],
        ],
        "verbosity": 2,
    }
