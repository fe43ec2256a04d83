"""The runner under address, leak and undefined-behaviour sanitizers: clean as it is, and caught when it is not."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from runner import link

ROOT = Path(__file__).parents[2]
FLAGS = "-g -fsanitize=address,undefined -fno-sanitize-recover=undefined"
AFTER = "  Options options = parse(count, arguments);\n"
PLANTED = {
    "leak": ("  std::fill_n(new char[4321], 4321, static_cast<char>(count));\n", "LeakSanitizer: detected memory leaks"),
    "overflow": ("  std::vector<char> small(8); small.data()[8 + count] = 1;\n", "AddressSanitizer: heap-buffer-overflow"),
    "undefined": ("  int big = 2147483647; big += count; options.seed = big;\n", "signed integer overflow"),
}


def skip_if_leaks_cannot_be_found(words: str) -> None:
    if "LeakSanitizer has encountered a fatal error" in words or "LeakSanitizer does not work under ptrace" in words:
        pytest.skip("LeakSanitizer cannot trace its own process here")


def test_the_runner_is_clean(build: Path) -> None:
    command = [sys.executable, "-m", "doit", f"build={build.parent}", "model=mlp", "sanitize"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    skip_if_leaks_cannot_be_found(done.stdout + done.stderr)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "sanitize:run" in done.stdout and "mlp, " in done.stdout
    symbols = subprocess.run(["nm", build / "mlp-runner-sanitized"], capture_output=True, text=True, check=True).stdout
    assert "__asan_init" in symbols and "__ubsan_handle" in symbols


@pytest.mark.parametrize("fault", PLANTED)
def test_a_planted_fault_is_found(build: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, fault: str) -> None:
    sources = folder / "runner"
    shutil.copytree(ROOT / "runner", sources, ignore=shutil.ignore_patterns("__pycache__"))
    line, words = PLANTED[fault]
    text = (sources / "runner.cpp").read_text()
    assert text.count(AFTER) == 1
    (sources / "runner.cpp").write_text(text.replace(AFTER, AFTER + line))
    monkeypatch.setattr(link, "SOURCES", sources)
    link.compile_runner([build / "signature.h"], [folder / "faulty.o"], FLAGS)
    link.link(
        [folder / "faulty.o", build / "forward.o", build / "subgraph0.o"],
        [folder / "faulty"],
        str(link.openmp_library()),
        FLAGS,
    )
    command = [str(folder / "faulty"), "--iterations", "1", "--warmup", "0"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    skip_if_leaks_cannot_be_found(done.stderr)
    assert done.returncode != 0
    assert words in done.stderr
