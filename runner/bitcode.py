"""LLVM IR text to bitcode, by the LLVM that wrote the text.

llvmlite's LLVM is older than the one that MLIR comes with and cannot read its text, but reads its bitcode. The wheel of
MLIR's bindings exports LLVM's C interface for parsing; its bitcode writer is exported only as a C++ symbol, called here by
its mangled name, which holds for the pinned wheel and is checked.
"""

from __future__ import annotations

import ctypes
import os
from typing import Any

from passes.mlir import library_path

_WRITE = "_ZN4llvm18WriteBitcodeToFileERKNS_6ModuleERNS_11raw_ostreamEbPKNS_18ModuleSummaryIndexEbPSt5arrayIjLm5EE"
_OPEN = "_ZN4llvm14raw_fd_ostreamC1ENS_9StringRefERSt10error_code"
_CLOSE = "_ZN4llvm14raw_fd_ostreamD1Ev"
_STREAM_BYTES = 1024  # more than an llvm::raw_fd_ostream
_pointer = ctypes.c_void_p


class BadLLVMIR(Exception):
    """LLVM IR that does not parse: the file, the line, and LLVM's reason."""


def to_bitcode(text: str, name: str) -> bytes:
    """`text` as bitcode; `name` stands for it in error messages."""
    library = _library()
    context = _pointer(library.LLVMContextCreate())
    try:
        return _write(library, _parse(library, context, text, name))
    finally:
        library.LLVMContextDispose(context)


def _parse(library: Any, context: ctypes.c_void_p, text: str, name: str) -> ctypes.c_void_p:
    data = text.encode(errors="surrogateescape")
    buffer = _pointer(library.LLVMCreateMemoryBufferWithMemoryRangeCopy(data, ctypes.c_size_t(len(data)), name.encode()))
    module, message = _pointer(), ctypes.c_char_p()
    failed = library.LLVMParseIRInContext2(context, buffer, ctypes.byref(module), ctypes.byref(message))
    reason = (message.value or b"").decode(errors="replace").strip()
    library.LLVMDisposeMessage(message)
    library.LLVMDisposeMemoryBuffer(buffer)
    if failed:
        raise BadLLVMIR(reason or f"{name} is not valid LLVM IR")
    return module


def _write(library: Any, module: ctypes.c_void_p) -> bytes:
    with open(os.memfd_create("bitcode"), "rb") as file:  # in memory: LLVM ends the process when a disk is full
        stream = ctypes.create_string_buffer(_STREAM_BYTES)
        error = ctypes.create_string_buffer(16)
        path = f"/proc/self/fd/{file.fileno()}".encode()
        getattr(library, _OPEN)(stream, path, ctypes.c_size_t(len(path)), error)
        getattr(library, _WRITE)(module, stream, False, None, False, None)
        getattr(library, _CLOSE)(stream)
        bitcode = file.read()
    if not bitcode.startswith(b"BC"):
        raise OSError(f"LLVM wrote no bitcode to {path.decode()}")
    return bitcode


def _library() -> Any:
    library = ctypes.CDLL(library_path())
    missing = [name for name in (_WRITE, _OPEN, _CLOSE, "LLVMParseIRInContext2") if not hasattr(library, name)]
    if missing:
        raise ImportError(f"{library_path()} does not export {missing[0]}; install the version that pyproject.toml pins")
    library.LLVMContextCreate.restype = _pointer
    library.LLVMContextDispose.argtypes = [_pointer]
    library.LLVMCreateMemoryBufferWithMemoryRangeCopy.restype = _pointer
    library.LLVMDisposeMemoryBuffer.argtypes = library.LLVMDisposeMessage.argtypes = [_pointer]
    library.LLVMParseIRInContext2.argtypes = [
        _pointer, _pointer, ctypes.POINTER(_pointer), ctypes.POINTER(ctypes.c_char_p),
    ]  # fmt: skip
    return library
