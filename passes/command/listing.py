"""What each pass of the pipelines does, in a line."""

from __future__ import annotations

import inspect

from passes import pipelines
from passes.steps import PythonPass, bare, steps_of

# MLIR's bindings do not tell what its passes do: these are the summaries of its documentation, mlir.llvm.org/docs/Passes.
UPSTREAM = {
    "buffer-deallocation-pipeline": "add the deallocation of every allocated buffer, by ownership, and simplify it",
    "buffer-hoisting": "move allocations up to where they dominate all uses, out of nested regions",
    "buffer-loop-hoisting": "move allocations out of loops",
    "buffer-results-to-out-params": "turn results that are memory into arguments that the caller allocates",
    "canonicalize": "fold and simplify operations by their own rules until nothing changes",
    "convert-arith-to-llvm": "arith to the LLVM dialect",
    "convert-bufferization-to-memref": "what is left of bufferization to memref",
    "convert-cf-to-llvm": "branches between blocks to the LLVM dialect",
    "convert-complex-to-llvm": "complex numbers to the LLVM dialect",
    "convert-complex-to-standard": "arithmetic on complex numbers to arith and math on their parts",
    "convert-func-to-llvm": "functions and calls to the LLVM dialect",
    "convert-index-to-llvm": "index arithmetic to the LLVM dialect",
    "convert-linalg-to-loops": "linalg on memory to scf.for",
    "convert-math-to-libm": "what is left of math to calls of libm",
    "convert-math-to-llvm": "math to intrinsics of LLVM",
    "convert-openmp-to-llvm": "types within OpenMP operations to those of the LLVM dialect",
    "convert-scf-to-cf": "structured loops and conditions to branches between blocks",
    "convert-scf-to-openmp": "scf.parallel to OpenMP's parallel regions and loops",
    "convert-ub-to-llvm": "undefined values to the LLVM dialect",
    "convert-vector-to-llvm": "vectors to the LLVM dialect",
    "convert-vector-to-scf": "transfers of several dimensions to loops, here unrolled",
    "cse": "merge operations that compute the same",
    "eliminate-empty-tensors": "let results be computed in the memory that they will be inserted into",
    "empty-tensor-to-alloc-tensor": "tensor.empty to memory that will be allocated",
    "expand-strided-metadata": "views of memory to explicit offsets, sizes and strides",
    "finalize-memref-to-llvm": "memory, loads and stores to the LLVM dialect",
    "linalg-fold-unit-extent-dims": "drop dimensions of extent one",
    "linalg-fuse-elementwise-ops": "merge what computes element by element with what reads it",
    "linalg-generalize-named-ops": "named linalg operations to linalg.generic",
    "lower-affine": "affine loops, conditions and subscripts to scf and arith",
    "lower-vector-multi-reduction": "reductions over several dimensions of a vector to one at a time",
    "one-shot-bufferize": "tensors to memory, copied only where a value is still needed",
    "reconcile-unrealized-casts": "drop casts between types that cancel out",
    "scf-forall-to-for": "scf.forall on memory to scf.for",
    "scf-forall-to-parallel": "scf.forall on memory to scf.parallel",
    "tosa-infer-shapes": "carry known shapes through TOSA operations",
    "tosa-layerwise-constant-fold": "fold TOSA operations on constants",
    "tosa-make-broadcastable": "reshape operands of TOSA operations to equal ranks",
    "tosa-to-arith": "TOSA's constants and rescaling to arith",
    "tosa-to-linalg": "TOSA to linalg.generic on tensors",
    "tosa-to-linalg-named": "TOSA's products, convolutions and pools to named linalg operations",
    "tosa-to-scf": "TOSA's conditions and loops to scf",
    "tosa-to-tensor": "TOSA's reshapes, slices, concatenations and pads to tensor",
}


def summary(entry: str | PythonPass) -> str:
    """What a pass does: ours say it in their docstring."""
    if isinstance(entry, str):
        return UPSTREAM.get(bare(entry), "")
    first = inspect.cleandoc(entry.__doc__ or "").partition("\n")[0]
    return first[:1].lower() + first[1:].rstrip(".")


def text(only: str | None = None) -> str:
    """Every pipeline, or one, with its passes in order, as they are addressed."""
    chosen = pipelines.named() if only is None else {only: pipelines.find(only)}
    lines = []
    for name, pipeline in chosen.items():
        steps = steps_of(pipeline)
        lines.append(f"{name}, {len(steps)} passes")
        lines += [f"{i:4d}  {step.label:34s}{summary(step.entry)}".rstrip() for i, step in enumerate(steps, 1)]
    return "\n".join(lines) + "\n"
