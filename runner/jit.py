"""Run a lowered module in this process, on numpy arrays and without copying them."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

import numpy as np

from passes.mlir import execution_engine, ir, llvm
from runner.link import openmp_library


class JitError(Exception):
    """A module that cannot be compiled or called: what is missing, or what was given and what it takes."""


class Function:
    """A function of a module in the LLVM dialect, called with arrays: `function(arguments, results)`.

    Arrays are passed by their memory, so they must be of the shapes that the function takes; results are written in place.
    """

    def __init__(self, module: ir.Module, name: str) -> None:
        symbol = f"_mlir_ciface_{name}"
        found = [op for op in module.body.operations if isinstance(op, llvm.LLVMFuncOp) and op.sym_name.value == symbol]
        if not found:
            raise JitError(f"the module has no function {name!r} in the LLVM dialect with a C interface")
        self._name, self._takes = name, len(found[0].body.blocks[0].arguments)
        libraries = [str(path) for path in (openmp_library(),) if path]
        try:
            self._engine = execution_engine.ExecutionEngine(module, opt_level=3, shared_libs=libraries)
        except RuntimeError as error:
            raise JitError(f"the module of {name!r} cannot be compiled: {error}") from error
        address = self._engine.raw_lookup(symbol)
        if not address:
            raise JitError(f"the module of {name!r} calls a function that neither it nor this process has")
        self._call = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(address)

    def __call__(self, arguments: Sequence[np.ndarray], results: Sequence[np.ndarray]) -> None:
        if len(arguments) + len(results) != self._takes:
            raise JitError(
                f"{self._name!r} takes {self._takes} arrays, arguments and results together; "
                f"{len(arguments)} and {len(results)} were given"
            )
        descriptors = [_descriptor(array) for array in (*arguments, *results)]
        pointers = (ctypes.c_void_p * len(descriptors))(*[d.ctypes.data for d in descriptors])
        packed = (ctypes.c_void_p * len(descriptors))(*[ctypes.addressof(pointers) + 8 * i for i in range(len(descriptors))])
        self._call(ctypes.addressof(packed))


def _descriptor(array: np.ndarray) -> np.ndarray:
    """A memref descriptor: two pointers, an offset, sizes and strides in elements."""
    strides = [stride // array.itemsize for stride in array.strides]
    return np.array([array.ctypes.data, array.ctypes.data, 0, *array.shape, *strides], np.int64)
