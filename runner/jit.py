"""Run a lowered module in this process, on the caller's memory and without copying it."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from runner.link import openmp_library


class JitError(Exception):
    """A module that cannot be compiled or called: what is missing, or what was given and what it takes."""


class Entry:
    """A function's machine code in this process: its address, how many tensors it takes, and what keeps it alive."""

    def __init__(self, address: int, owner: object, takes: int) -> None:
        self.takes = takes
        self.call = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(address)
        self._owner = owner


def from_module(module: Any, name: str) -> Entry:
    """The function of a module in the LLVM dialect, compiled now."""
    from passes.mlir import execution_engine, llvm

    symbol = f"_mlir_ciface_{name}"
    found = [op for op in module.body.operations if isinstance(op, llvm.LLVMFuncOp) and op.sym_name.value == symbol]
    if not found:
        raise JitError(f"the module has no function {name!r} in the LLVM dialect with a C interface")
    libraries = [str(path) for path in (openmp_library(),) if path]
    try:
        engine = execution_engine.ExecutionEngine(module, opt_level=3, shared_libs=libraries)
    except RuntimeError as error:
        raise JitError(f"the module of {name!r} cannot be compiled: {error}") from error
    address = engine.raw_lookup(symbol)
    if not address:
        raise JitError(f"the module of {name!r} calls a function that neither it nor this process has")
    return Entry(address, engine, len(found[0].body.blocks[0].arguments))


def from_library(path: Path, name: str, takes: int) -> Entry:
    """The function of a shared library that `runner.library` made."""
    try:
        library = ctypes.CDLL(str(path))
        function = getattr(library, f"sluice_{name}")
    except (OSError, AttributeError) as error:
        raise JitError(f"{path} has no function {name!r} that can be loaded: {error}; delete it") from error
    address = ctypes.cast(function, ctypes.c_void_p).value
    assert address is not None
    return Entry(address, library, takes)


class Frame:
    """The arguments of one call: a memref descriptor for each tensor (two pointers, an offset, sizes, strides), made once.

    Descriptor i begins at word `starts[i]` of `words`; a caller sets pointers, sizes and strides there and calls the entry
    with `address`. A frame is for one call at a time.
    """

    def __init__(self, ranks: Sequence[int]) -> None:
        self.starts: list[int] = []
        size = 0
        for rank in ranks:
            self.starts.append(size)
            size += 3 + 2 * rank
        self.words = (ctypes.c_int64 * max(size, 1))()
        base = ctypes.addressof(self.words)
        self._pointers = (ctypes.c_void_p * len(ranks))(*[base + 8 * start for start in self.starts])
        first = ctypes.addressof(self._pointers)
        self._packed = (ctypes.c_void_p * len(ranks))(*[first + 8 * i for i in range(len(ranks))])
        self.address = ctypes.addressof(self._packed)

    def shape(self, number: int, sizes: Sequence[int], strides: Sequence[int] | None = None) -> None:
        """Set a descriptor's sizes and its strides in elements (those of a contiguous tensor unless they are given)."""
        if strides is None:
            strides, step = [], 1
            for size in reversed(sizes):
                strides.insert(0, step)
                step *= size
        start, rank = self.starts[number] + 3, len(sizes)
        self.words[start : start + 2 * rank] = [*sizes, *strides]


class Function:
    """A function of a module in the LLVM dialect, called with arrays: `function(arguments, results)`.

    Arrays are passed by their memory, so they must be of the shapes that the function takes; results are written in place.
    """

    def __init__(self, module: Any, name: str) -> None:
        self._name = name
        self._entry = from_module(module, name)
        self._takes = self._entry.takes

    def __call__(self, arguments: Sequence[np.ndarray], results: Sequence[np.ndarray]) -> None:
        if len(arguments) + len(results) != self._takes:
            raise JitError(
                f"{self._name!r} takes {self._takes} arrays, arguments and results together; "
                f"{len(arguments)} and {len(results)} were given"
            )
        call(self._entry, [*arguments, *results])


def call(entry: Entry, arrays: Sequence[np.ndarray]) -> None:
    """Call machine code with as many arrays as it takes, by their memory."""
    frame = Frame([array.ndim for array in arrays])
    for number, array in enumerate(arrays):
        start = frame.starts[number]
        frame.words[start] = frame.words[start + 1] = array.ctypes.data
        frame.shape(number, array.shape, [stride // array.itemsize for stride in array.strides])
    entry.call(frame.address)
