"""From an edit to a verified executable, beside ninja with the same stages and hand-written dependencies."""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

from tasks.bench_build.copies import Copy, copy
from tasks.build import step_of
from tasks.settings import parse
from tasks.stages import stages

ROUNDS = 5
# Each edit goes there and back, so that every build makes what the one before it did not have.
EDITS = (
    ("a midend schedule", "passes/lower_vectors.py", "UNROLL = 4", "UNROLL = 8"),
    ("an operator lowering", "frontend/ops/tosa.py", "if exponent == 2:", "if exponent == 22:"),
    ("the runner's C++", "runner/options.h", "warmup = 5", "warmup = 6"),
)


def measure() -> list[tuple[str, str]]:
    """Warm, with the cache off: what is timed was never built before."""
    rows = [_onestep()]
    with copy() as ours, copy() as theirs:
        ninja = shutil.which("ninja")
        if ninja:
            (theirs.root / "build.ninja").write_text(_ninja_file(theirs))
        ours.doit("run")
        if ninja:
            subprocess.run([ninja, "-C", str(theirs.root), "run"], capture_output=True, check=True)
        for what, file, old, new in EDITS:
            rows.append((f"from editing {what} to a verified block", _edit(file, (old, new), ours, theirs, ninja)))
        with (ours.root / EDITS[0][1]).open("a") as text:
            text.write("\n# a comment\n")
        rows.append(("from a comment to knowing that nothing is to do", f"{ours.doit('executable').seconds:.2f} s"))
    return rows


def _edit(file: str, variants: tuple[str, str], ours: Copy, theirs: Copy, ninja: str | None) -> str:
    mine, other = [], []
    for round_ in range(ROUNDS):
        old, new = variants if round_ % 2 == 0 else variants[::-1]
        for project in (ours, theirs):
            path = project.root / file
            assert old in path.read_text(), f"{file} has no {old!r}: mend EDITS"
            path.write_text(path.read_text().replace(old, new))
        run = ours.doit("run")
        assert run.status == 0, run.text
        mine.append(run.seconds)
        if ninja:
            begin = time.perf_counter()
            subprocess.run([ninja, "-C", str(theirs.root), "run"], capture_output=True, check=True)
            other.append(time.perf_counter() - begin)
    if not other:
        return f"{statistics.median(mine):.2f} s; ninja is not installed: pip install ninja"
    ratio = statistics.median(a / b for a, b in zip(mine, other, strict=True))
    return f"{statistics.median(mine):.2f} s, ninja {statistics.median(other):.2f} s, ratio {ratio:.2f}"


def _onestep() -> tuple[str, str]:
    """One step and staged, each from clean, in turns."""
    pairs = []
    with copy() as project:
        for _ in range(3):
            seconds = []
            for group in ("onestep", "executable"):
                shutil.rmtree(project.root / "build", ignore_errors=True)
                run = project.doit(group)
                assert run.status == 0, run.text
                seconds.append(run.seconds)
            pairs.append(seconds)
    one, staged = (statistics.median(times) for times in zip(*pairs, strict=True))
    return (
        "from clean, in one step",
        f"{one:.2f} s, staged {staged:.2f} s, ratio {statistics.median(a / b for a, b in pairs):.2f}",
    )


def _ninja_file(project: Copy) -> str:
    """The stages as somebody would write them for ninja: every step depends on the packages it runs, by hand."""
    settings = parse({})
    packages = {"frontend": ["frontend", "model"], "passes": ["passes"], "runner": ["runner"], "tasks": ["tasks"]}
    lines = ["rule stage", "  command = $run", "  restat = 1", ""]
    for stage in stages(settings):
        if stage.group in ("onestep", "ir"):
            continue
        step = step_of(stage, settings)
        words = [sys.executable, "-m", "tasks.stage", step.run, "--in", *step.inputs, "--out", *step.outputs]
        words += ["--set", *(f"{k}={v}" for k, v in step.options.items())] if step.options else []
        needs = sorted(
            str(path.relative_to(project.root))
            for folder in packages[step.run.partition(".")[0]]
            for path in Path(project.root, folder).rglob("*")
            if path.suffix in (".py", ".h", ".cpp")
        )
        lines += [
            f"build {' '.join(step.outputs)}: stage {' '.join(step.inputs)} | {' '.join(needs)}",
            f"  run = {' '.join(words)}",
            "",
        ]
    program = str(settings.folder / f"{settings.model.runner}-staged")
    lines += [f"build run: stage {program} {settings.folder / 'arg0.data'}", f"  run = {program}", ""]
    return "\n".join(lines)
