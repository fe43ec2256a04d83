"""Compiled functions as shared libraries in the user's cache, by content: another process loads what one has compiled."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from passes import targets
from runner.jit import Entry, from_library
from runner.link import link_library
from runner.objects import to_object


def folder() -> Path | None:
    """Where libraries are kept: `$XDG_CACHE_HOME/sluice/callables`; nowhere when `SLUICE_CACHE` is `off`."""
    if os.environ.get("SLUICE_CACHE") == "off":
        return None
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return Path(home, "sluice", "callables")


def cached(content: str, name: str, takes: int, to_llvm_ir: Callable[[], str], into: Path) -> Entry:
    """The function `name` of `takes` tensors, from the cache if `content`, which decides the code, was compiled before."""
    path = into / f"{hashlib.sha256(content.encode()).hexdigest()}.so"
    if not path.exists():
        into.mkdir(parents=True, exist_ok=True)
        make(to_llvm_ir(), name, takes, targets.native(), path)
    return from_library(path, name, takes)


def make(text: str, name: str, takes: int, target: targets.Target, path: Path) -> None:
    """LLVM IR to a shared library whose function `name` of `takes` tensors `from_library` finds."""
    with tempfile.TemporaryDirectory(dir=path.parent) as scratch:
        code, library = Path(scratch, "code.o"), Path(scratch, "code.so")
        code.write_bytes(to_object(text + _wrapped(name, takes), name, target))
        link_library([code], library)
        os.replace(library, path)  # whoever comes at the same time makes the same


def entry_of(name: str, takes: int) -> str:
    """The same as a module of its own, for a function that is elsewhere."""
    return f"declare void @_mlir_ciface_{name}({', '.join(['ptr'] * takes)})\n{_wrapped(name, takes)}"


def _wrapped(name: str, takes: int) -> str:
    """LLVM IR of `sluice_<name>`: the function with its arguments as `runner.jit.Frame` lays them out."""
    loads = [
        f"  %slot{i} = getelementptr ptr, ptr %frame, i64 {i}\n  %cell{i} = load ptr, ptr %slot{i}\n"
        f"  %argument{i} = load ptr, ptr %cell{i}\n"
        for i in range(takes)
    ]
    arguments = ", ".join(f"ptr %argument{i}" for i in range(takes))
    call = f"  call void @_mlir_ciface_{name}({arguments})\n  ret void\n"
    return f"\ndefine void @sluice_{name}(ptr %frame) {{\n{''.join(loads)}{call}}}\n"
