"""The C++ runner: compiled against a model's signature, linked with its objects and an OpenMP runtime."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

SOURCES = Path(__file__).parent
COMPILE = ["g++", "-std=c++17", "-O2", "-march=native", "-ffp-contract=fast", "-Wall", "-Wextra", "-Wno-psabi"]
OPENMP_LIBRARIES = ("libomp.so", "libomp.so.5", "libiomp5.so")
NO_OPENMP = (
    "no OpenMP runtime with LLVM's entry points (g++'s libgomp has none): "
    "run `apt-get install libomp-dev` or `pip install intel-openmp`"
)


class ToolError(Exception):
    """A tool that is missing or that failed: its command, its words, and the cure."""


def compile_runner(inputs: list[Path], outputs: list[Path], flags: str = "") -> list[Path]:
    """The build stage: the runner with the header of one model, `inputs[0]`. Returns the headers that it included."""
    with tempfile.NamedTemporaryFile("r", suffix=".d") as depfile:
        includes = ["-iquote", str(inputs[0].parent), "-iquote", str(SOURCES)]  # a file called `new` there is not <new>
        depends = ["-MD", "-MF", depfile.name, "-MT", "x"]
        _call([*COMPILE, *flags.split(), *includes, *depends, "-c", str(SOURCES / "runner.cpp"), "-o", str(outputs[0])])
        return [Path(word) for word in depfile.read().replace("\\\n", " ").split()[1:]]


def compile_limits(inputs: list[Path], outputs: list[Path]) -> list[Path]:
    """The build stage: the program that measures the machine's limits. Returns what it was made of."""
    source = SOURCES / "limits.cpp"
    _call([*COMPILE, "-iquote", str(SOURCES), str(source), "-o", str(outputs[0]), "-pthread"])
    return [source, *(SOURCES / name for name in ("files.h", "options.h", "peak.h"))]


def link(inputs: list[Path], outputs: list[Path], openmp: str, flags: str = "") -> list[Path]:
    """The build stage: objects and the library `openmp` to an executable. Returns the files that the linker read."""
    if not openmp:
        raise ToolError(NO_OPENMP)
    libraries = [openmp, f"-Wl,-rpath,{Path(openmp).parent}", "-lm", "-pthread"]
    said = _call(["g++", *flags.split(), "-o", str(outputs[0]), *map(str, inputs), *libraries, "-Wl,--trace"])
    return [Path(line) for line in said.splitlines() if Path(line).is_file()]


def link_library(codes: Sequence[Path], output: Path, flags: str = "") -> None:
    """Object files to a shared library."""
    openmp = openmp_library()
    if openmp is None:
        raise ToolError(NO_OPENMP)
    libraries = [str(openmp), f"-Wl,-rpath,{openmp.parent}", "-lm", "-pthread"]
    _call(["g++", "-shared", *flags.split(), "-o", str(output), *map(str, codes), *libraries])


def openmp_library() -> Path | None:
    """An OpenMP runtime with LLVM's entry points: the system's libomp, else the one that pip installed here."""
    places = [*_system_libraries(), *sorted(Path("/usr/lib").glob("llvm-*/lib"), reverse=True), Path(sys.prefix) / "lib"]
    found = (place / name for place in places for name in OPENMP_LIBRARIES if (place / name).exists())
    return next(found, None)


def _system_libraries() -> list[Path]:
    return [Path(p) for p in ("/usr/local/lib", f"/usr/lib/{os.uname().machine}-linux-gnu", "/usr/lib64", "/usr/lib")]


def _call(command: list[str]) -> str:
    """What a command prints; its warnings go on to standard error."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    except FileNotFoundError as error:
        raise ToolError(f"{command[0]} is not installed: run `apt-get install g++`") from error
    if done.returncode:
        raise ToolError(f"{' '.join(command)} failed:\n{done.stderr.strip()}")
    if done.stderr:
        print(done.stderr.strip(), file=sys.stderr)
    return done.stdout
