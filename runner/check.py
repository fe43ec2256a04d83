"""Two executables of one model against PyTorch, and against each other."""

from __future__ import annotations

import json
import subprocess
import tempfile
from pathlib import Path
from typing import Any


class WrongAnswer(Exception):
    """An executable that failed or disagrees, in its own words."""


def check(inputs: list[Path], outputs: list[Path]) -> None:
    """The build stage: staged and one-step executable on the recorded inputs of a build folder."""
    *executables, folder = inputs
    answers: dict[str, bytes] = {}
    rows: dict[str, Any] = {}
    for executable in executables:
        rows[executable.name], answers[executable.name] = _run(executable, folder)
        row = rows[executable.name]
        off = f", {row['f32_max_rel_err']:.2e} from f32" if "f32_max_rel_err" in row else ""
        print(f"{executable.name:32s} relative error {row['max_rel_err']:.2e}{off}")
    first, *others = answers
    different = [name for name in others if answers[name] != answers[first]]
    if different:
        raise WrongAnswer(f"{', '.join(different)} and {first} give different bits")
    print("the same bits from all")
    outputs[0].write_text(json.dumps(rows, indent=1) + "\n")


def _run(executable: Path, folder: Path) -> tuple[dict[str, Any], bytes]:
    with tempfile.TemporaryDirectory() as scratch:
        figures, answer = Path(scratch, "figures.json"), Path(scratch, "answer.data")
        command = [str(executable.resolve()), "--data", str(folder), "--warmup", "0", "--iterations", "1"]
        done = subprocess.run(
            [*command, "--json", str(figures), "--output", str(answer)], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise WrongAnswer(f"{executable}: exit {done.returncode}: {done.stderr.strip()}")
        return json.loads(figures.read_text()), answer.read_bytes()
