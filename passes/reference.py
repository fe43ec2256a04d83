"""The plain lowering that verification trusts: a module of any level to the LLVM dialect by upstream's passes, unscheduled.

It takes what any pass of the pipelines leaves: TOSA, linalg, scf.forall, memory, vectors, OpenMP, the LLVM dialect. It does
nothing of what the pipelines are about: nothing is fused, tiled or moved, and no memory is freed. What is parallel already
stays parallel, so that races show.
"""

from __future__ import annotations

from passes import pipelines
from passes.boundaries import results_of_callees
from passes.copies import copies_to_linalg
from passes.mlir import ir
from passes.protect_products import COMPUTED, HIDDEN
from passes.schedule import find_all
from passes.signless import signless_integers
from passes.steps import Pipeline
from passes.targets import Target


def with_interface(module: ir.Operation, target: Target) -> None:
    """Give each function that has a body the C interface by which it is called."""
    for op in find_all(module, "func.func"):
        if not op.opview.is_external:
            op.attributes["llvm.emit_c_interface"] = ir.UnitAttr.get()


def hidden_products(module: ir.Operation, target: Target) -> None:
    """Read the casts that keep products apart: not by the pass that restores them, which may be the one at fault."""
    from passes.mlir import linalg

    for op in find_all(module, "builtin.unrealized_conversion_cast"):
        if HIDDEN in op.attributes:
            left, right, start = op.operands
            with ir.InsertionPoint(op), op.location:
                product = linalg.contract(left, right, outs=[start], indexing_maps=op.attributes[HIDDEN])
            op.results[0].replace_all_uses_with(product)
            op.erase()
        elif COMPUTED in op.attributes:
            op.results[0].replace_all_uses_with(op.operands[0])
            op.erase()


REFERENCE: Pipeline = (
    signless_integers,
    with_interface,
    hidden_products,
    "func.func(tosa-infer-shapes)",
    "func.func(tosa-to-linalg-named{prefer-conv2d-kernel-layout-hwcf=false})",
    "func.func(tosa-make-broadcastable)",
    "func.func(tosa-to-linalg)",
    "func.func(tosa-to-tensor)",
    "func.func(tosa-to-arith{include-apply-rescale=true})",
    "func.func(tosa-to-scf)",
    "func.func(empty-tensor-to-alloc-tensor)",
    "one-shot-bufferize{bufferize-function-boundaries=true function-boundary-type-conversion=identity-layout-map "
    "allow-return-allocs-from-loops=true}",
    results_of_callees,
    "buffer-results-to-out-params{hoist-static-allocs=true add-result-attr=true modify-public-functions=true}",
    copies_to_linalg,
    "convert-bufferization-to-memref",
    "func.func(convert-linalg-to-loops)",
    "func.func(scf-forall-to-parallel)",
    "convert-scf-to-openmp",
    "canonicalize",
    "expand-strided-metadata",
    "lower-affine",
    "func.func(lower-vector-multi-reduction)",
    "convert-vector-to-scf{full-unroll=true}",
    "convert-complex-to-standard",
    "convert-scf-to-cf",
    "lower-affine",
    # 16-bit floats compute in f32 and are rounded after each operation, as PyTorch does
    "arith-emulate-unsupported-floats{source-types=bf16,f16 target-type=f32}",
    "math-extend-to-supported-types{extra-types=f64 target-type=f32}",
    "arith-expand{include-bf16=true}",
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
)


class NoReference(Exception):
    """A module that the plain lowering does not take: at which of its passes it ended, and why."""


def lower(module: ir.Module, target: Target) -> None:
    """To the LLVM dialect, in place."""
    with module.context, ir.Location.unknown():
        for entry in REFERENCE:
            try:
                pipelines.build((entry,), target, module.context, "reference").run(module.operation)
            except ir.MLIRError as error:
                raise NoReference(f"the plain lowering cannot take it: {entry}: {_first(error)}") from error


def _first(error: ir.MLIRError) -> str:
    """What is wrong, without the operation's text."""
    found = error.error_diagnostics
    return f"{found[0].message} at {found[0].location}" if found else str(error)
