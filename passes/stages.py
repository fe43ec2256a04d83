"""The build stages on MLIR: midend, backend, and translation to LLVM IR."""

from __future__ import annotations

from pathlib import Path

from passes.mlir import ir


class BadModule(Exception):
    """An MLIR file that does not parse or verify: where, and why."""


def read(path: Path) -> ir.Module:
    try:
        return ir.Module.parseFile(str(path), ir.Context())
    except ir.MLIRError as error:
        raise BadModule(f"{path} is not valid MLIR: {error}") from error


def write(module: ir.Module, path: Path) -> None:
    path.write_text(module.operation.get_asm(enable_debug_info=True))


def run_pipeline(inputs: list[Path], outputs: list[Path], pipeline: str, target: str) -> None:
    """One module through one pipeline."""
    from passes import pipelines, targets  # here, so that an edited pass does not make translation run again

    module = read(inputs[0])
    pipelines.run(module, pipeline, targets.find(target))
    write(module, outputs[0])


def translate(inputs: list[Path], outputs: list[Path]) -> None:
    """One lowered module to LLVM IR."""
    from passes.translate import to_llvm_ir

    outputs[0].write_text(to_llvm_ir(read(inputs[0])))
