"""The build stages on MLIR: midend, backend, and translation to LLVM IR."""

from __future__ import annotations

import shlex
from pathlib import Path

from passes import faults
from passes.mlir import ir


class BadModule(Exception):
    """An MLIR file that does not parse or verify: where, and why."""


def read(path: Path) -> ir.Module:
    try:
        with path.open("rb"):  # the system's own reason, where there is nothing to parse
            module = ir.Module.parseFile(str(path), ir.Context())
    except OSError as error:
        raise BadModule(f"{path}: {error.strerror}; expected a file of MLIR") from error
    except ir.MLIRError as error:
        raise BadModule(f"{path} is not valid MLIR: {faults.sentence(error)}") from error
    if not len(module.body.operations):
        raise BadModule(f"{path} holds no operation; expected a module with a function, such as `doit frontend` makes")
    _locate_unwritten(module, f'loc("{path}":')
    return module


def text(module: ir.Module) -> str:
    return module.operation.get_asm(enable_debug_info=True)


def write(module: ir.Module, path: Path) -> None:
    path.write_text(text(module))


def run_pipeline(inputs: list[Path], outputs: list[Path], pipeline: str, target: str) -> None:
    """One module through one pipeline."""
    from passes import pipelines, targets  # here, so that an edited pass does not make translation run again

    module = read(inputs[0])
    try:
        pipelines.run(module, pipeline, targets.find(target))
    except pipelines.PipelineError as error:
        if not error.step:
            raise
        words = [str(inputs[0]), "--pipeline", pipeline, "--target", target, "--stop-after", error.step]
        raise pipelines.PipelineError(f"{error}; `python -m passes run {shlex.join(words)}` repeats it", error.step) from error
    write(module, outputs[0])


def translate(inputs: list[Path], outputs: list[Path]) -> None:
    """One lowered module to LLVM IR."""
    from passes.translate import to_llvm_ir

    outputs[0].write_text(to_llvm_ir(read(inputs[0])))


def _locate_unwritten(module: ir.Module, here: str) -> None:
    """What text says no location of, loops' variables and terminators, is where its parent is, not at a line of this file.

    So a module that was written and read again becomes, to the byte, what it would have become without.
    """

    def unwritten(value: ir.Operation | ir.Value) -> bool:
        return str(value.location).startswith(here)

    def visit(op: ir.Operation) -> ir.WalkResult:
        if op.regions and not unwritten(op):
            for block in (block for region in op.regions for block in region):
                for argument in filter(unwritten, block.arguments):
                    argument.set_location(op.location)
                for last in filter(unwritten, ([block.operations[-1]] if len(block.operations) else [])):
                    last.operation.location = op.location
        return ir.WalkResult.ADVANCE

    module.operation.walk(visit)
