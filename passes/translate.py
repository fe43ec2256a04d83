"""LLVM-dialect MLIR to LLVM IR text."""

from __future__ import annotations

from passes.mlir import ir, llvm

LOWERED = ("llvm", "omp")


class NotLowered(Exception):
    """Operations that LLVM IR cannot express, each with where it comes from."""


def to_llvm_ir(module: ir.Module) -> str:
    """LLVM IR of a module that the backend has lowered. The translation itself would crash on anything else."""
    left: dict[str, str] = {}

    def visit(op: ir.Operation) -> ir.WalkResult:
        if op.name.split(".")[0] not in LOWERED and op.name != "builtin.module":
            left.setdefault(op.name, str(op.location))
        return ir.WalkResult.ADVANCE

    module.operation.walk(visit)
    if left:
        rows = "\n".join(f"  {name} at {location}" for name, location in left.items())
        raise NotLowered(
            f"the backend left operations that are not {' or '.join(LOWERED)}; lower them in passes/pipelines.py:\n{rows}"
        )
    return llvm.translate_module_to_llvmir(module.operation)
