"""Tasks that run what was built, whenever they are asked for: against PyTorch, beside it, with timers, with sanitizers."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

from passes import targets, tilings
from tasks.build import Measure, Task, step_of, step_task
from tasks.builder import Builder
from tasks.settings import Settings
from tasks.stages import COMPILER, PARTS, openmp_option, timed_stages
from tasks.stages import data as data_of
from tasks.steps import Step
from tasks.verify import verify_tasks

ROUNDS = 15  # of timings of each candidate
LIMITS = "machine-limits"
SANITIZERS = {"flags": "-fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined"}


def run_tasks(settings: Settings, builder: Builder) -> Iterator[Task]:
    folder, model = settings.folder, settings.model
    staged = str(folder / f"{model.runner}-staged")
    data = [str(folder / name) for name in data_of(settings)]
    counts = [word for name, value in settings.run.items() for word in (f"--{name}", str(value))]
    run_json, again = str(folder / "run.json"), " ".join(["doit", *settings.words])
    wrong = f"the answer is wrong, see above: `{again} verify` tells from which stage on, `{again} bisect` from which pass"
    yield _always(
        "run",
        "run the staged executable: verify every output element against PyTorch, time it, write run.json",
        Measure([staged, "--json", run_json, *counts], builder, run_json, means={1: wrong}),
        [staged, *data],
        run_json,
    )
    yield from verify_tasks(settings, builder)
    yield from _bench(settings, builder, [staged, *data])
    yield from _profile(settings, builder, [staged, *data])
    yield _tune(settings, builder)
    yield from _sanitize(settings, builder, data)


def _always(name: str, purpose: str, action: Measure, needs: list[str], makes: str) -> Task:
    return {
        "basename": name,
        "doc": purpose,
        "actions": [action],
        "file_dep": needs,
        "targets": [makes],
        "uptodate": [False],
        "clean": True,
    }


def _bench(settings: Settings, builder: Builder, needs: list[str]) -> Iterator[Task]:
    """Our executable beside other engines, and the program that measures the machine's limits."""
    limits, bench_json = str(settings.folder / LIMITS), str(settings.root / "bench" / "bench.json")
    yield {"basename": "bench", "name": None, "doc": "ours, PyTorch and other engines in turns, beside the machine's limits"}
    step = Step("bench:limits", "runner.link:compile_limits", [], [limits], settings.folder, variables=COMPILER)
    yield step_task(step, "the program that measures the machine's limits", builder)
    action = Measure(_python("tasks.bench", limits, bench_json, *settings.words), builder, bench_json)
    yield _always("bench", "measure; writes bench.json and a plot", action, [limits, *needs], bench_json) | {"name": "run"}


def _profile(settings: Settings, builder: Builder, needs: list[str]) -> Iterator[Task]:
    """The executable with timers around the operators, built from the midend's module, and its run beside the one without."""
    purpose = "how long each operator takes: a table, profile.json, a trace for Perfetto and a flame graph"
    yield {"basename": "profile", "name": None, "doc": purpose}
    stages = timed_stages(settings)
    for stage in stages:
        yield step_task(step_of(stage, settings), stage.purpose, builder)
    made = ("graph.json", LIMITS, *(name for stage in stages for name in stage.outputs))
    needs = [*needs, *(str(settings.folder / name) for name in made)]
    makes, *more = (str(settings.folder / name) for name in ("profile.json", "profile-trace.json", "profile.svg"))
    action = Measure(_python("tasks.profile", str(settings.folder / LIMITS), makes, *more, *settings.words), builder, makes)
    task = _always("profile", "run it, in turns with the one without timers", action, needs, makes)
    yield task | {"name": "run", "targets": [makes, *more]}


def _tune(settings: Settings, builder: Builder) -> Task:
    module, table = str(settings.folder / "subgraph0.mlir"), str(tilings.path(targets.find(settings.target)))
    threads, rounds = settings.run.get("threads", os.cpu_count()), settings.run.get("iterations", ROUNDS)
    words = [f"target={settings.target}", f"threads={threads}", f"rounds={rounds}", f"search={','.join(settings.search)}"]
    command = _python("tasks.stage", "runner.tune:tune", "--in", module, "--out", table, "--set", *words)
    return {
        "basename": "tune",
        "doc": "time the model's products in other tilings; faster ones go into tuned/, which the midend reads",
        "actions": [Measure(command, builder)],
        "file_dep": [module],
        "uptodate": [False],
    }


def _sanitize(settings: Settings, builder: Builder, data: list[str]) -> Iterator[Task]:
    """The runner with AddressSanitizer, LeakSanitizer and UndefinedBehaviorSanitizer, built and run."""
    folder, link = settings.folder, "runner.link:link"
    compiled, executable = str(folder / "runner-sanitized.o"), str(folder / f"{settings.model.runner}-sanitized")
    objects = [str(folder / f"{part}.o") for part in PARTS]
    compile_step = Step(
        "sanitize:compile", "runner.link:compile_runner", [str(folder / "signature.h")], [compiled], folder, SANITIZERS
    )
    link_step = Step("sanitize:link", link, [compiled, *objects], [executable], folder, SANITIZERS | openmp_option())
    purpose = "the runner under address, leak and undefined-behaviour sanitizers"
    yield {"basename": "sanitize", "name": None, "doc": purpose}
    yield step_task(compile_step, "the runner, with sanitizers", builder)
    yield step_task(link_step, "the runner with sanitizers and the object files", builder)
    yield {
        "basename": "sanitize",
        "name": "run",
        "doc": "run it; a leak or a bad access fails",
        "actions": [Measure([executable, "--iterations", "2", "--warmup", "1"], builder)],
        "file_dep": [executable, *data],
        "uptodate": [False],
    }


def _python(module: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", module, *arguments]
