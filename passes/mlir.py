"""MLIR's Python bindings: the one place that names the package they come from.

Each part is imported when it is first asked for: a stage that only needs the core starts in half the time.
"""

from __future__ import annotations

import importlib
from typing import Any

PACKAGE = "torch_mlir"

_PARTS = {
    **{name: f"{PACKAGE}.{name}" for name in ("execution_engine", "ir", "passmanager", "rewrite")},
    **{
        name: f"{PACKAGE}.dialects.{name}"
        for name in (
            "arith", "bufferization", "builtin", "complex", "func", "linalg", "llvm", "math", "memref", "scf", "tensor",
            "tosa", "transform", "vector", "x86",
        )
    },
    "transform_interpreter": f"{PACKAGE}.dialects.transform.interpreter",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _PARTS:
        raise AttributeError(f"passes.mlir has no {name!r}; it has {', '.join(sorted(_PARTS))}")
    return importlib.import_module(_PARTS[name])


def library_path() -> str:
    """The shared library of the bindings, which exports the C interfaces of MLIR and LLVM."""
    folder = importlib.import_module(f"{PACKAGE}._mlir_libs").__path__[0]
    return f"{folder}/libTorchMLIRAggregateCAPI.so"
