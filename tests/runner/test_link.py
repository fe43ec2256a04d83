"""Compiling and linking: what a missing or failing tool says."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner import link
from runner.link import ToolError, compile_runner, openmp_library


def test_no_compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolError, match="is not installed: run `apt-get install"):
        compile_runner([tmp_path / "signature.h"], [tmp_path / "runner.o"])


def test_a_header_that_does_not_compile(tmp_path: Path) -> None:
    (tmp_path / "signature.h").write_text("this is not C++\n")
    with pytest.raises(ToolError, match=r"failed:\n[\s\S]*signature\.h:1"):
        compile_runner([tmp_path / "signature.h"], [tmp_path / "runner.o"])
    assert not (tmp_path / "runner.o").exists()


def test_an_object_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match=r"nothing\.o"):
        link.link([tmp_path / "nothing.o"], [tmp_path / "program"], str(openmp_library()))
    assert not (tmp_path / "program").exists()


def test_no_openmp_runtime(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Path(str(openmp_library())).is_file()
    monkeypatch.setattr(link, "OPENMP_LIBRARIES", ("libnone.so",))
    assert openmp_library() is None
    with pytest.raises(ToolError, match=r"no OpenMP runtime.*apt-get install libomp-dev"):
        link.link([], [Path("program")], "")
