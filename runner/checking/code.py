"""Files of any stage as a function to call, in whose fresh memory every byte is 0xff: floats there are NaN."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from passes import reference, stages
from passes.targets import Target
from passes.translate import to_llvm_ir
from runner.jit import Entry, from_library
from runner.library import entry_of
from runner.link import link_library
from runner.objects import OPTIMIZATION, to_object

PLAIN = 1  # optimization of what went through the plain lowering: enough to be quick
FRESH = """
declare ptr @{taken}(i64)
define {linkage} ptr @{name}(i64 %size) {{
  %memory = call ptr @{taken}(i64 %size)
  call void @llvm.memset.p0.i64(ptr %memory, i8 -1, i64 %size, i1 false)
  ret ptr %memory
}}
"""
CONTENDED = """
@sluice_stores = internal thread_local(initialexec) global i64 0
declare i32 @sched_yield()
define internal void @sluice_enter() noinline {
  store i64 0, ptr @sluice_stores
  ret void
}
define internal void @sluice_store() noinline {
  %before = load i64, ptr @sluice_stores
  %count = add i64 %before, 1
  store i64 %count, ptr @sluice_stores
  %first = icmp ult i64 %count, 4096
  %last = and i64 %count, 4095
  %some = icmp eq i64 %last, 0
  %now = or i1 %first, %some
  br i1 %now, label %yield, label %end
yield:
  %status = call i32 @sched_yield()
  br label %end
end:
  ret void
}
"""
OUTLINED = re.compile(
    r"^define internal void @[^\n]*\.\.omp_par[^\n]*\{\n(?:.*\n)*?\}$", re.MULTILINE
)  # a parallel region's body
MEMSET = "declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)\n"
ALLOCA = re.compile(r"^( *)(%[\w.]+) = alloca (.+?)(?:, i64 (%?[\w.]+))?, align \d+$", re.MULTILINE)


class NotRunnable(Exception):
    """A file that no code can be made of: which, and why."""


def load(files: Sequence[Path], takes: Mapping[str, int], target: Target, folder: Path) -> tuple[dict[str, Entry], bool]:
    """Functions, each of so many tensors, out of files that belong together, and whether they start threads.

    MLIR of any level goes through the plain lowering; `.ll` is compiled as the build does; `.o` is linked as it is. Scratch
    files go to `folder`.
    """
    objects, parallel, unnamed = [], False, set(takes)
    for number, path in enumerate(files):
        code = path.read_bytes() if path.suffix == ".o" else _compiled(path, target)
        parallel = parallel or b"__kmpc_fork_call" in code
        unnamed -= {name for name in unnamed if f"_mlir_ciface_{name}\0".encode() in code}
        objects.append(folder / f"{number}.o")
        objects[-1].write_bytes(code)
    if unnamed:
        raise NotRunnable(f"{', '.join(map(str, files))}: no function {min(unnamed)!r} with a C interface")
    outside = (
        "".join(entry_of(name, count) for name, count in takes.items())
        + FRESH.format(name="__wrap_malloc", taken="__real_malloc", linkage="")
        + MEMSET
    )
    objects.append(folder / "entry.o")
    objects[-1].write_bytes(to_object(outside, "entry", target, PLAIN))
    library = folder / "code.so"
    link_library(objects, library, "-Wl,--wrap=malloc")
    return {name: from_library(library, name, count) for name, count in takes.items()}, parallel


def _compiled(path: Path, target: Target) -> bytes:
    if path.suffix == ".ll":
        return to_object(poisoned(path.read_text(errors="surrogateescape")), str(path), target, OPTIMIZATION)
    module = stages.read(path)
    try:
        reference.lower(module, target)
    except reference.NoReference as error:
        raise NotRunnable(f"{path}: {error}") from error
    return to_object(contended(poisoned(to_llvm_ir(module))), str(path), target, PLAIN)


def poisoned(text: str) -> str:
    """LLVM IR in which fresh memory, of heap and stack, is filled before anyone reads it.

    It is done here and not when it runs: LLVM may assume whatever it likes of memory that it knows to be fresh.
    """
    text = re.sub(r"^declare .*@malloc\(.*\n", "", text, flags=re.MULTILINE)
    text = re.sub(r"@malloc\b", "@sluice_fresh", text)
    text = ALLOCA.sub(_filled, text) + FRESH.format(name="sluice_fresh", taken="malloc", linkage="internal")
    return text if "declare void @llvm.memset.p0.i64(" in text else text + MEMSET


def contended(text: str) -> str:
    """LLVM IR whose threads let others go first before they store: one that another's store comes in between then shows."""
    return OUTLINED.sub(_yielding, text) + CONTENDED if OUTLINED.search(text) else text


def _yielding(found: re.Match[str]) -> str:
    head, entry, *rest = found[0].split("\n")
    stores = ["  call void @sluice_store()\n" + line if line.lstrip().startswith("store ") else line for line in rest]
    return "\n".join([head, entry, "  call void @sluice_enter()", *stores])


def _filled(found: re.Match[str]) -> str:
    indent, name, type_, count = found.groups()
    size = f'%"{name[1:]}.size"'
    return "\n".join(
        [
            found[0],
            f'{indent}%"{name[1:]}.end" = getelementptr {type_}, ptr null, i64 {count or 1}',
            f'{indent}{size} = ptrtoint ptr %"{name[1:]}.end" to i64',
            f"{indent}call void @llvm.memset.p0.i64(ptr {name}, i8 -1, i64 {size}, i1 false)",
        ]
    )
