"""The C++ runner: compiled against a model's signature, linked with its objects and an OpenMP runtime."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

SOURCES = Path(__file__).parent
COMPILE = ["g++", "-std=c++17", "-O2", "-march=native", "-ffp-contract=fast", "-Wall", "-Wextra", "-Wno-psabi"]
OPENMP_LIBRARIES = ("libomp.so", "libomp.so.5", "libiomp5.so")


class ToolError(Exception):
    """A tool that is missing or that failed: its command, its words, and the cure."""


def compile_runner(inputs: list[Path], outputs: list[Path], flags: str = "") -> None:
    """The build stage: the runner with the header of one model, `inputs[0]`."""
    header = inputs[0]
    source = SOURCES / "runner.cpp"
    _call([*COMPILE, *flags.split(), f"-I{header.parent}", f"-I{SOURCES}", "-c", str(source), "-o", str(outputs[0])])


def link(inputs: list[Path], outputs: list[Path], flags: str = "") -> None:
    """The build stage: objects to an executable."""
    openmp = openmp_library()
    objects = [str(path) for path in inputs]
    _call(
        [
            "g++",
            *flags.split(),
            "-o",
            str(outputs[0]),
            *objects,
            str(openmp),
            f"-Wl,-rpath,{openmp.parent}",
            "-lm",
            "-pthread",
        ]
    )


def openmp_library() -> Path:
    """An OpenMP runtime with LLVM's entry points: the system's libomp, else the one that pip installed here."""
    places = [
        *_system_libraries(),
        *sorted(Path("/usr/lib").glob("llvm-*/lib"), reverse=True),
        Path(sys.prefix) / "lib",
    ]
    for place in places:
        for name in OPENMP_LIBRARIES:
            if (place / name).exists():
                return place / name
    raise ToolError(
        "no OpenMP runtime with LLVM's entry points (g++'s libgomp has none): "
        "run `apt-get install libomp-dev` or `pip install intel-openmp`"
    )


def _system_libraries() -> list[Path]:
    return [Path(p) for p in ("/usr/local/lib", f"/usr/lib/{os.uname().machine}-linux-gnu", "/usr/lib64", "/usr/lib")]


def _call(command: list[str]) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise ToolError(f"{command[0]} is not installed: run `apt-get install g++`") from error
    if done.returncode:
        raise ToolError(f"{' '.join(command)} failed:\n{done.stderr.strip()}")
    if done.stderr:
        print(done.stderr.strip(), file=sys.stderr)
