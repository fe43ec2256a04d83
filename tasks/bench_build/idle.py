"""What doit costs when there is nothing to do, beside a doit of the same number of tasks without any of this."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tasks.bench_build.copies import ROOT, copy

ROUNDS = 9

BARE = """
def task_t():
    for i in range({count}):
        yield {{"name": str(i), "actions": [f"cp f{{i}} f{{i + 1}}"], "file_dep": [f"f{{i}}"], "targets": [f"f{{i + 1}}"]}}
"""

STEPS = """
from pathlib import Path
from tasks.build import step_task
from tasks.builder import Builder
from tasks.database import Known
from tasks.reporter import Reporter
from tasks.steps import Step

BUILDER = Builder(Path("out"), None)
DOIT_CONFIG = {{"backend": "records", "dep_file": str(BUILDER.state / "ignored.json"), "check_file_uptodate": Known,
               "reporter": Reporter.of(BUILDER, ()), "par_type": "thread", "num_process": 2}}

def task_steps():
    names = ["./source", *(f"out/{{i}}" for i in range({count}))]
    for i in range({count}):
        yield step_task(Step(f"s{{i}}", "stages:copy", [names[i]], [names[i + 1]], Path("out")), "a copy", BUILDER)
"""


def measure() -> list[tuple[str, str]]:
    rows = []
    with tempfile.TemporaryDirectory() as place:
        for count in (30, 1000):
            bare, ours = _bare(Path(place, f"bare{count}"), count), _ours(Path(place, f"ours{count}"), count)
            rows.append((f"nothing to do, {count} generated tasks", _compare(ours, bare)))
        with copy() as project:
            project.doit("model=mlp", "executable")
            listed = project.doit("model=mlp", "list", "--all", "-q").text.splitlines()
            bare = _bare(Path(place, "bare"), len(listed))
            environment = {"PYTHONPATH": str(project.root)}
            rows.append(
                (
                    f"nothing to do, the compiler's {len(listed)}",
                    _compare((project.root, ["model=mlp", "executable"], environment), bare),
                )
            )
    return rows


Place = tuple[Path, list[str], dict[str, str]]


def _bare(folder: Path, count: int) -> Place:
    folder.mkdir()
    (folder / "dodo.py").write_text(BARE.format(count=count))
    (folder / "f0").write_text("x")
    _run((folder, [], {}))
    return folder, [], {}


def _ours(folder: Path, count: int) -> Place:
    folder.mkdir()
    (folder / "dodo.py").write_text(STEPS.format(count=count))
    backend = '[tool.doit.plugins.backend]\nrecords = "tasks.database:Records"\n'
    (folder / "pyproject.toml").write_text(backend)
    (folder / "stages.py").write_text("def copy(inputs, outputs):\n    outputs[0].write_bytes(inputs[0].read_bytes())\n")
    (folder / "source").write_text("x")
    place: Place = (folder, [], {"PYTHONPATH": str(ROOT)})
    _run((folder, ["s0"], place[2]))
    _multiply(folder, count)
    _run(place)
    return place


def _multiply(folder: Path, count: int) -> None:
    """Give every step the record of the first, so that a thousand need not run."""
    state = folder / "out" / ".state"
    first = json.loads((state / "s0.json").read_text())
    (digest,) = first["inputs"].values()
    for i in range(1, count):
        (folder / "out" / str(i)).write_text("x")
        record = first | {"inputs": {f"out/{i - 1}": digest}, "outputs": {f"out/{i}": digest}}
        (state / f"s{i}.json").write_text(json.dumps(record))


def _run(place: Place) -> float:
    folder, words, environment = place
    begin = time.perf_counter()
    variables = {**os.environ, "SLUICE_CACHE": "off", **environment}
    subprocess.run([sys.executable, "-m", "doit", *words], cwd=folder, env=variables, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - begin


def _compare(ours: Place, bare: Place) -> str:
    pairs = [(_run(ours), _run(bare)) for _ in range(ROUNDS)]
    mine, other = (statistics.median(times) * 1e3 for times in zip(*pairs, strict=True))
    ratio = statistics.median(a / b for a, b in pairs)
    return f"{mine:.0f} ms, bare doit {other:.0f} ms, ratio {ratio:.2f}"
