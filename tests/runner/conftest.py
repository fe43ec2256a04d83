"""A small model, built once for all tests of the runner."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXECUTABLE = "mlp-runner-staged"


@pytest.fixture(scope="session")
def build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The build folder of `mlp`: tests read it and write elsewhere."""
    root = tmp_path_factory.mktemp("build")
    command = [sys.executable, "-m", "doit", f"build={root}", "model=mlp", "frontend", "executable"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return root / "mlp"


@pytest.fixture
def folder(build: Path, tmp_path: Path) -> Path:
    """The executable and its data in a folder of their own, for a test to damage."""
    place = tmp_path / "copy"
    place.mkdir()
    for name in (EXECUTABLE, "arg0.data", "inputs.data", "expected.data", "tolerance.txt"):
        shutil.copy2(build / name, place / name)
    return place
