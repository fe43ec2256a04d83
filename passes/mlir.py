"""MLIR's Python bindings: the one place that names the package they come from."""

from torch_mlir import execution_engine, ir, passmanager, rewrite
from torch_mlir.dialects import arith, bufferization, func, linalg, llvm, math, memref, scf, tensor, tosa, transform
from torch_mlir.dialects.transform import interpreter as transform_interpreter

__all__ = [
    "arith", "bufferization", "execution_engine", "func", "ir", "linalg", "llvm", "math", "memref", "passmanager", "rewrite", "scf", "tensor",
    "tosa", "transform", "transform_interpreter",
]  # fmt: skip


def library_path() -> str:
    """The shared library of the bindings, which exports the C interfaces of MLIR and LLVM."""
    from torch_mlir import _mlir_libs

    return f"{_mlir_libs.__path__[0]}/libTorchMLIRAggregateCAPI.so"
