"""A graph to code in this process: the executables' own pipelines, and a cache across processes."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.metadata import version
from pathlib import Path

from frontend.graph import Graph, TensorType
from frontend.lower import REGISTRIES, lower
from frontend.registry import Registry
from frontend.results import result_types, told_by_data
from frontend.transforms.drop_no_ops import drop_no_ops
from frontend.transforms.merge_linears import merge_linears
from frontend.transforms.pack_linears import pack_linears
from passes import pipelines, targets, tilings, translate
from passes.mlir import ir
from runner import jit, library, objects


@dataclass(frozen=True)
class Code:
    """A compiled graph: `entry` takes the parameters, the inputs and memory for `results`; it is None when nothing is computed.

    `graph` is what was compiled: its outputs are the distinct values among `results`, and `outputs` says for each output of the
    original graph which result it is, or which argument. The last results are what the symbols in `found` turn out to be.
    """

    graph: Graph
    entry: jit.Entry | None
    results: list[TensorType]
    outputs: list[int | str]
    found: list[str]


def compile_graph(graph: Graph, registries: Sequence[Registry] = REGISTRIES) -> Code:
    """Compile for this machine. Weights of linears are packed: see `frontend.parameters.stored` and the returned graph."""
    graph = replace(graph, lowered_by={}).perform([drop_no_ops, pack_linears, merge_linears, drop_no_ops])
    arguments = set(graph.arguments())
    computed = list(dict.fromkeys(ref for ref in graph.outputs if ref.name not in arguments))
    outputs = [ref.name if ref.name in arguments else computed.index(ref) for ref in graph.outputs]
    graph.outputs = computed
    entry = _entry(graph, registries) if computed else None
    return Code(graph, entry, result_types(graph), outputs, told_by_data(graph))


def _entry(graph: Graph, registries: Sequence[Registry]) -> jit.Entry:
    target = targets.native()
    module = lower(graph, registries)
    into = library.folder()
    if into is None:
        _run_pipelines(module, target)
        return jit.from_module(module, graph.name)

    def to_llvm_ir() -> str:
        _run_pipelines(module, target)
        return translate.to_llvm_ir(module)

    takes = len(graph.arguments()) + len(result_types(graph))
    content = "\n".join([str(module), repr(target), *objects.words_of(target), tilings.text(target), _sources()])
    return library.cached(content, graph.name, takes, to_llvm_ir, into)


def _run_pipelines(module: ir.Module, target: targets.Target) -> None:
    for name in pipelines.PIPELINES:
        pipelines.run(module, name, target)


@cache
def _sources() -> str:
    """A digest of what decides the code besides the module: passes, runner, and the compilers' versions."""
    digest = hashlib.sha256()
    for module in (pipelines, library):
        for path in sorted(Path(str(module.__file__)).parent.glob("*.py")):
            digest.update(path.read_bytes())
    return " ".join([digest.hexdigest(), version("torch-mlir"), version("llvmlite")])
