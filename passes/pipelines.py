"""The pass pipelines, as data: each is written once and used by the staged and by the one-step build."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext

from passes import faults, tilings
from passes.boundaries import distinct_results, read_only_arguments, results_as_allocated, results_of_callees
from passes.chunks import dynamic_chunks
from passes.copies import copies_to_linalg
from passes.expand_exp import expand_exp
from passes.generalize import generalize_moves
from passes.lower_products import lower_products
from passes.mlir import ir, passmanager
from passes.moves import choose_pieces, own_reshapes, slice_first, write_moved
from passes.names import nearest
from passes.panels import left_panels
from passes.parallelize import parallelize
from passes.protect_products import protect_products, restore_products
from passes.reassociate import reassociate_sums
from passes.repeats import share_operands
from passes.schedule_products import schedule_products
from passes.signless import signless_integers
from passes.starts import own_starts
from passes.steps import Pipeline, PythonPass, Step, bare, name_of, steps_of
from passes.targets import Target
from passes.unused import drop_unused_calls
from passes.widen_bf16 import widen_bf16

Around = Callable[[Step, ir.Module], AbstractContextManager[object]]  # what is entered before a pass and left behind it

_FUSE: Pipeline = (
    "func.func(linalg-fuse-elementwise-ops)",
    "func.func(linalg-fold-unit-extent-dims)",
    "canonicalize",
    "cse",
)

_LOOPS: Pipeline = (
    signless_integers,
    # TOSA to Linalg on tensors
    "func.func(tosa-infer-shapes)",
    slice_first,
    choose_pieces,
    "func.func(tosa-to-linalg-named{prefer-conv2d-kernel-layout-hwcf=false})",
    "canonicalize",
    "func.func(tosa-layerwise-constant-fold)",
    "func.func(tosa-make-broadcastable)",
    "func.func(tosa-to-linalg)",
    "func.func(tosa-to-tensor)",
    "func.func(tosa-to-arith{include-apply-rescale=true})",
    "func.func(tosa-to-scf)",
    "canonicalize",
    "cse",
    # what is computed element by element becomes one operation; products stay out of it
    generalize_moves,
    protect_products,
    *_FUSE,
    share_operands,
    left_panels,
    *_FUSE,  # what these two leave at products goes on to their neighbours
    own_reshapes,
    *_FUSE,  # and past what several read
    write_moved,
    restore_products,
    # parallel loops
    schedule_products,
    "canonicalize",
    "cse",
    "func.func(linalg-generalize-named-ops)",
    drop_unused_calls,
    reassociate_sums,
    parallelize,
    # tensors to memory
    read_only_arguments,
    "canonicalize",
    "cse",
    own_starts,  # those that cse merged
    "func.func(eliminate-empty-tensors)",
    "func.func(empty-tensor-to-alloc-tensor)",
    distinct_results,
    "one-shot-bufferize{bufferize-function-boundaries=true function-boundary-type-conversion=identity-layout-map "
    "allow-return-allocs-from-loops=true}",
    results_of_callees,
    "canonicalize",
    "cse",
    results_as_allocated,
    "buffer-results-to-out-params{hoist-static-allocs=true add-result-attr=true modify-public-functions=true}",
    "func.func(buffer-hoisting)",
    "func.func(buffer-loop-hoisting)",
    "canonicalize",
    "cse",
    lower_products,
    # loops and threads
    copies_to_linalg,
    "buffer-deallocation-pipeline",
    "convert-bufferization-to-memref",
    "canonicalize",
    "cse",
    "func.func(convert-linalg-to-loops)",
    widen_bf16,
    expand_exp,
)

_CLEAN: Pipeline = ("canonicalize", "cse")
_THREADS: Pipeline = ("func.func(scf-forall-to-parallel)", "convert-scf-to-openmp", dynamic_chunks)
_ONE_THREAD: Pipeline = ("func.func(scf-forall-to-for)",)

MIDEND: Pipeline = (*_LOOPS, *_THREADS, *_CLEAN)
SEQUENTIAL: Pipeline = (*_LOOPS, *_ONE_THREAD, *_CLEAN)  # the same loops, one part after the other

BACKEND: Pipeline = (
    "expand-strided-metadata",
    "lower-affine",
    "func.func(lower-vector-multi-reduction)",
    "convert-vector-to-scf{full-unroll=true}",
    "convert-complex-to-standard",
    "convert-scf-to-cf",
    "lower-affine",
    "convert-vector-to-llvm{enable-x86=true vector-contract-lowering=outerproduct}",
    "convert-math-to-llvm",
    "convert-math-to-libm",
    "convert-complex-to-llvm",
    "convert-arith-to-llvm",
    "convert-index-to-llvm",
    "finalize-memref-to-llvm",
    "convert-openmp-to-llvm",
    "convert-func-to-llvm",
    "convert-cf-to-llvm",
    "convert-ub-to-llvm",
    "reconcile-unrealized-casts",
    "canonicalize",
    "cse",
)

PIPELINES: dict[str, Pipeline] = {"midend": MIDEND, "backend": BACKEND}  # what a module passes through, in order
VARIANTS: dict[str, Pipeline] = {"midend-sequential": SEQUENTIAL}  # in place of one of these


class PipelineError(Exception):
    """A pipeline that cannot be built or that failed on a module: which, at which pass, and why.

    `step` is the pass that failed, as it is addressed; empty where none ran.
    """

    def __init__(self, sentence: str, step: str = "") -> None:
        super().__init__(sentence)
        self.step = step


def find(name: str) -> Pipeline:
    """The pipeline of a name."""
    if name not in (known := named()):
        raise PipelineError(f"no pipeline {name!r}; there are {', '.join(known)}{nearest(name, known)}")
    return known[name]


def named() -> dict[str, Pipeline]:
    """Every pipeline, by its name."""
    return PIPELINES | VARIANTS


def chain(parallel: bool = True) -> list[str]:
    """The names of the pipelines that a module passes through, to code for OpenMP's threads or for one."""
    return ["midend" if parallel else "midend-sequential", "backend"]


def build(pipeline: Pipeline, target: Target, context: ir.Context, name: str = "pipeline") -> passmanager.PassManager:
    manager = passmanager.PassManager("builtin.module", context)
    for entry in pipeline:
        if isinstance(entry, str):
            try:
                manager.add(entry)
            except ValueError as error:
                raise PipelineError(_unknown(name, entry, error)) from error
        else:
            _add(manager, entry, target)
    return manager


def run(
    module: ir.Module,
    name: str,
    target: Target,
    steps: Iterable[Step] | None = None,
    around: Around = lambda step, module: nullcontext(),
    verify: bool = True,
) -> None:
    """Run a pipeline of PIPELINES, or some steps of it, on a module, in place; the module is verified after each pass.

    Raises PipelineError for whatever a pass raises, and BadTable for a table of tilings that it cannot read.
    """
    steps = list(steps_of(find(name)) if steps is None else steps)
    with module.context, ir.Location.unknown():
        managers = [build((step.entry,), target, module.context, name) for step in steps]
        for step, manager in zip(steps, managers, strict=True):
            manager.enable_verifier(verify)
            try:
                with around(step, module):
                    manager.run(module.operation)
            except tilings.BadTable:  # a file is at fault, which it names, and no pass
                raise
            except Exception as error:
                raise PipelineError(f"{name}: {step.label}: {faults.sentence(error)}", step.label) from error


def _add(manager: passmanager.PassManager, function: PythonPass, target: Target) -> None:
    def call(op: ir.Operation, _pass: object) -> None:
        with op.context, op.location:
            function(op, target)

    manager.add(call, name=name_of(function), argument=f"sluice-{name_of(function)}")


def _unknown(pipeline: str, entry: str, error: ValueError) -> str:
    hint = nearest(bare(entry), {bare(e) for p in PIPELINES.values() for e in p} - {bare(entry)})
    return f"{pipeline}: no pass {entry!r}{hint} ({' '.join(str(error).split())})"
