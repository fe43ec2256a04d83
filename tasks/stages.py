"""The compiler as a table: a row for each step, from a model file to an executable."""

from __future__ import annotations

from dataclasses import dataclass, field

from runner.link import openmp_library
from tasks.settings import Settings

PARTS = ("forward", "subgraph0")
DATA = ("arg0.data", "inputs.data", "expected.data", "tolerance.txt")
AS_WRITTEN = "as_written.data"
COMPILER = ("CPATH", "CPLUS_INCLUDE_PATH", "LIBRARY_PATH", "COMPILER_PATH", "GCC_EXEC_PREFIX")  # that g++ reads
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "ATEN_CPU_CAPABILITY")  # change the last bits of PyTorch's answers


@dataclass(frozen=True)
class Stage:
    """One step: the doit task `group:name`, or `group` where it has no name.

    run: the function, called as `run(inputs, outputs, **options)` in a process of its own.
    inputs, outputs: files of the build folder; an input with a slash is a file of the project.
    variables: environment variables that C++ code in it reads; those that Python reads are seen.
    """

    group: str
    name: str
    purpose: str
    run: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    options: dict[str, str] = field(default_factory=dict)
    variables: tuple[str, ...] = ()


GROUPS = {
    "frontend": "PyTorch to MLIR: capture the model, lower its graph, pack its weights",
    "midend": "MLIR to optimized MLIR: schedule, fuse, vectorize, bufferize, parallelize",
    "backend": "optimized MLIR to the LLVM dialect",
    "codegen": "the LLVM dialect to LLVM IR to object files, and to assembly to read",
    "executable": "the staged executable, from the object files of every stage",
    "ir": "a page for each module: its IR after each pass, what changed, and the way from a line of Python to assembly",
}


def data(settings: Settings) -> tuple[str, ...]:
    """The files that an executable reads; unless it computes in f32 it also tells how far it is from the model as written."""
    return DATA if settings.dtype == "f32" else (*DATA, AS_WRITTEN)


def openmp_option() -> dict[str, str]:
    """Which OpenMP runtime to link: another one, newly installed, makes another executable."""
    return {"openmp": str(openmp_library() or "")}


def parallel_option(settings: Settings) -> dict[str, str]:
    """For steps that run both pipelines; what is as ever is not named."""
    return {} if settings.parallel else {"parallel": "off"}


def pipelines(settings: Settings) -> tuple[str, str]:
    """The names of the midend's and the backend's passes."""
    return "midend" if settings.parallel else "midend-sequential", "backend"


def stages(settings: Settings) -> list[Stage]:
    rows = _frontend(settings)
    for part in PARTS:
        rows += _lowering(part, settings)
    return rows + _executables(settings)


def _frontend(settings: Settings) -> list[Stage]:
    model = settings.model
    path = str(model.path)
    return [
        Stage(
            "frontend",
            "capture",
            "the model's graph, weights, sample inputs, and PyTorch's answers to them",
            "frontend.capture.model:capture",
            (path,),
            ("graph.json", "weights.data", *data(settings)[1:]),
            {"model": model.module, "dtype": settings.dtype, **settings.overrides},
            THREADS,
        ),
        Stage(
            "frontend",
            "emit",
            "the graph in MLIR: what calls (forward) and what computes (subgraph0)",
            "frontend.emit:emit",
            ("graph.json",),
            ("forward.mlir", "subgraph0.mlir", "graph.log", "graph_fused.log", "signature.h"),
            {"model": model.name, "dtype": settings.dtype},
        ),
        Stage(
            "frontend",
            "pack",
            "the weights in the order and the layout that the code reads",
            "frontend.pack:pack",
            ("graph.json", "weights.data"),
            ("arg0.data",),
            {"dtype": settings.dtype},
        ),
    ]


def _lowering(part: str, settings: Settings) -> list[Stage]:
    """From one module of the frontend to its object file."""
    ends = (".mlir", "-midend.mlir", "-backend.mlir", ".ll", ".o", ".s")
    mlir, midend, backend, ll, o, s = (part + end for end in ends)
    pipeline = "passes.stages:run_pipeline"
    target, parallel = {"target": settings.target}, parallel_option(settings)
    purpose = f"tiled, vectorized, {'with OpenMP loops' if settings.parallel else 'on one thread'}"

    def options(name: str) -> dict[str, str]:
        return {"pipeline": name, **target}

    return [
        Stage("midend", part, purpose, pipeline, (mlir,), (midend,), options(pipelines(settings)[0])),
        Stage("backend", part, "in the LLVM dialect", pipeline, (midend,), (backend,), options(pipelines(settings)[1])),
        Stage("codegen", ll, "in LLVM IR", "passes.stages:translate", (backend,), (ll,)),
        Stage("codegen", o, "as object code", "runner.objects:compile_object", (ll,), (o,), target),
        Stage("codegen", s, "as assembly, to read", "runner.objects:compile_assembly", (ll,), (s,), target),
        Stage(
            "ir",
            part,
            "pass by pass, to read in a browser",
            "tasks.pages.ir:page",
            (mlir,),
            (f"ir/{part}.html",),
            target | parallel,
        ),
    ]


def timed_stages(settings: Settings) -> list[Stage]:
    """The staged executable again, with timers in subgraph0: they are put into the midend's module, the rest is as ever."""
    ends = (".mlir", ".json", "-backend.mlir", ".ll", ".o")
    timed, regions, backend, ll, o = (f"subgraph0-profile{end}" for end in ends)
    compiled, midend, target = "runner-profile.o", "subgraph0-midend.mlir", {"target": settings.target}
    pipeline, lowered = "passes.stages:run_pipeline", {"pipeline": "backend", **target}
    flags, runner = {"flags": "-DSLUICE_TIMERS"}, f"{settings.model.runner}-profile"
    objects = (compiled, "forward.o", o)
    return [
        Stage("profile", "timers", "the midend's module with timers", "passes.timers:instrument", (midend,), (timed, regions)),
        Stage("profile", "backend", "in the LLVM dialect", pipeline, (timed,), (backend,), lowered),
        Stage("profile", "ll", "in LLVM IR", "passes.stages:translate", (backend,), (ll,)),
        Stage("profile", "o", "as object code", "runner.objects:compile_object", (ll,), (o,), target),
        Stage(
            "profile",
            "runner",
            "the runner, with room for what the timers say",
            "runner.link:compile_runner",
            ("signature.h",),
            (compiled,),
            flags,
            COMPILER,
        ),
        Stage("profile", "link", "the two together", "runner.link:link", objects, (runner,), openmp_option(), COMPILER),
    ]


def _executables(settings: Settings) -> list[Stage]:
    model = settings.model
    path, compiled, openmp = str(model.path), "runner.o", openmp_option()
    return [
        Stage(
            "executable",
            compiled,
            "the runner, compiled for the model's signature",
            "runner.link:compile_runner",
            ("signature.h",),
            (compiled,),
            variables=COMPILER,
        ),
        Stage(
            "executable",
            "link",
            "the runner with the object files",
            "runner.link:link",
            (compiled, *(f"{part}.o" for part in PARTS)),
            (f"{model.runner}-staged",),
            openmp,
            COMPILER,
        ),
        Stage(
            "onestep",
            "",
            "the executable in one step: all stages in one process, no files between",
            "tasks.onestep:onestep",
            (path,),
            (*(f"{part}-onestep.o" for part in PARTS), model.runner),
            {
                "model": model.module,
                "dtype": settings.dtype,
                "target": settings.target,
                **parallel_option(settings),
                **openmp,
                **settings.overrides,
            },
            (*THREADS, *COMPILER),
        ),
    ]
