"""The compiler as a table: a row for each step, from a model file to an executable."""

from __future__ import annotations

from dataclasses import dataclass, field

from tasks.settings import Settings

PARTS = ("forward", "subgraph0")
DATA = ("arg0.data", "inputs.data", "expected.data")


@dataclass(frozen=True)
class Stage:
    """One step.

    group, name: the doit task `group:name`, or `group` where it has no name. run: the function, called as run(inputs, outputs, **options) in a process of
    its own. inputs, outputs: files of the build folder; an input with a slash is a file of the project. sources: packages
    and files whose code the step runs.
    """

    group: str
    name: str
    purpose: str
    run: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    sources: tuple[str, ...]
    options: dict[str, str] = field(default_factory=dict)


GROUPS = {
    "frontend": "PyTorch to MLIR: capture the model, lower its graph, pack its weights",
    "midend": "MLIR to optimized MLIR: schedule, fuse, vectorize, bufferize, parallelize",
    "backend": "optimized MLIR to the LLVM dialect",
    "codegen": "the LLVM dialect to LLVM IR to object files",
    "executable": "the staged executable, from the object files of every stage",
    "onestep": "the executable in one step: all stages in one process, no files between",
}


def stages(settings: Settings) -> list[Stage]:
    model = settings.model
    runner = model.runner
    frontend = ("frontend", "passes/mlir.py", "passes/__init__.py")
    named = {"model": model.name, "tolerance": str(model.tolerance)}
    rows = [
        Stage("frontend", "capture", "the model's graph, weights, sample inputs, and PyTorch's answers to them",
              "frontend.capture.model:capture", (str(model.path),), ("graph.json", "weights.data", *DATA[1:]),
              (*frontend, str(model.path), "model/__init__.py"), {"model": model.name, **settings.overrides}),
        Stage("frontend", "emit", "the graph in MLIR: what calls (forward) and what computes (subgraph0)", "frontend.emit:emit",
              ("graph.json",), ("forward.mlir", "subgraph0.mlir", "graph.log", "graph_fused.log", "signature.h"), frontend, named),
        Stage("frontend", "pack", "the weights in the order and the layout that the code reads", "frontend.pack:pack",
              ("graph.json", "weights.data"), ("arg0.data",), frontend),
    ]  # fmt: skip
    for part in PARTS:
        rows += [
            Stage("midend", part, "tiled, vectorized, bufferized, with OpenMP loops", "passes.stages:run_pipeline",
                  (f"{part}.mlir",), (f"{part}-midend.mlir",), ("passes",), {"pipeline": "midend", "target": settings.target}),
            Stage("backend", part, "in the LLVM dialect", "passes.stages:run_pipeline",
                  (f"{part}-midend.mlir",), (f"{part}-backend.mlir",), ("passes",), {"pipeline": "backend", "target": settings.target}),
            Stage("codegen", f"{part}.ll", "in LLVM IR", "passes.stages:translate",
                  (f"{part}-backend.mlir",), (f"{part}.ll",), ("passes",)),
            Stage("codegen", f"{part}.o", "as object code", "runner.objects:compile_object",
                  (f"{part}.ll",), (f"{part}.o",), ("runner", "passes/mlir.py")),
        ]  # fmt: skip
    objects = tuple(f"{part}.o" for part in PARTS)
    return [
        *rows,
        Stage("executable", "runner.o", "the runner, compiled for the model's signature", "runner.link:compile_runner",
              ("signature.h",), ("runner.o",), ("runner",)),
        Stage("executable", "link", "the runner with the object files", "runner.link:link",
              ("runner.o", *objects), (f"{runner}-staged",), ("runner",)),
        Stage("onestep", "", GROUPS["onestep"], "tasks.onestep:onestep", (str(model.path),),
              (*(f"{part}-onestep.o" for part in PARTS), runner),
              (*frontend, "passes", "runner", "tasks/onestep.py", str(model.path)),
              {**named, "target": settings.target, **settings.overrides}),
    ]  # fmt: skip
