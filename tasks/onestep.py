"""Every stage in one process: what the staged build does with files, done in memory."""

from __future__ import annotations

import importlib
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path


def onestep(
    inputs: list[Path],
    outputs: list[Path],
    /,
    model: str,
    dtype: str,
    target: str,
    openmp: str,
    parallel: str = "on",
    **settings: str,
) -> list[Path]:
    """A model file to the object files of its two modules and the executable. Returns what C++ code read."""
    from frontend.capture.model import configure, files_of, graph_of
    from frontend.emit import emit_graph
    from runner.link import compile_runner, link

    forward_o, subgraph_o, executable = outputs
    module = importlib.import_module(f"model.{model}")
    emitted = emit_graph(graph_of(module, configure(module, settings), dtype), model.rpartition(".")[2], dtype)
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(1) as pool:
        header, runner_o = Path(folder, "signature.h"), Path(folder, "runner.o")
        header.write_text(emitted.header)
        compiled = pool.submit(compile_runner, [header], [runner_o])
        for part, output in ((emitted.forward, forward_o), (emitted.subgraph0, subgraph_o)):
            output.write_bytes(_object(part, target, parallel == "on", output.name))
        headers = compiled.result()
        return files_of(module) + headers + link([runner_o, forward_o, subgraph_o], [executable], openmp)


def _object(module: object, target: str, parallel: bool, name: str) -> bytes:
    from passes import pipelines, targets, translate
    from runner.objects import to_object

    machine = targets.find(target)
    for pipeline in pipelines.chain(parallel):
        pipelines.run(module, pipeline, machine)
    return to_object(translate.to_llvm_ir(module), name, machine)
