"""Executables of model files, built in this process: what `doit onestep` and `doit frontend` make, in one folder."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from frontend.capture.model import capture
from frontend.pack import pack
from runner.link import openmp_library
from tasks.onestep import onestep


def build(model: str, folder: Path, dtype: str = "f32", **settings: object) -> Path:
    """The executable of `model`, with the data that it reads beside it."""
    given = {name: str(value) for name, value in settings.items()}
    data = [folder / name for name in ("graph.json", "weights.data", "inputs.data", "expected.data", "tolerance.txt")]
    capture([], [*data, folder / "as_written.data"][: 5 if dtype == "f32" else 6], model, dtype, **given)
    pack(data[:2], [folder / "arg0.data"], dtype)
    made = [folder / name for name in ("forward.o", "subgraph0.o", "runner")]
    onestep([], made, model, dtype, "native", str(openmp_library()), **given)
    return made[-1]


def run(executable: Path, *options: str | Path) -> subprocess.CompletedProcess[str]:
    command = [str(executable), "--iterations", "3", *map(str, options)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def figures(executable: Path) -> dict[str, Any]:
    """Of a run that found the right answer."""
    path = executable.parent / "run.json"
    done = run(executable, "--json", path)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(path.read_text())
