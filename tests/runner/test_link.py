"""Compiling and linking: what a missing or failing tool says."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from runner import link
from runner.check import WrongAnswer, check
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


def program(path: Path, answer: str, status: int = 0) -> Path:
    """Stands for a compiled model: `--data D --warmup 0 --iterations 1 --json J --output O`."""
    path.write_text(f"""#!/bin/sh
[ {status} = 0 ] || {{ echo 'Wrong answer: it is wrong.' >&2; exit {status}; }}
printf '{{"max_rel_err": 1e-7}}' >"$8"
printf '{answer}' >"${{10}}"
""")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def test_check_takes_equal_answers(tmp_path: Path) -> None:
    check([program(tmp_path / "a", "same"), program(tmp_path / "b", "same"), tmp_path], [tmp_path / "verify.json"])
    assert '"b"' in (tmp_path / "verify.json").read_text()


def test_check_refuses_different_answers(tmp_path: Path) -> None:
    with pytest.raises(WrongAnswer, match="b and a give different bits"):
        check([program(tmp_path / "a", "same"), program(tmp_path / "b", "samf"), tmp_path], [tmp_path / "verify.json"])
    assert not (tmp_path / "verify.json").exists()


def test_check_refuses_a_failure_in_its_words(tmp_path: Path) -> None:
    with pytest.raises(WrongAnswer, match=r"b: exit 1: Wrong answer: it is wrong\."):
        check([program(tmp_path / "a", "same"), program(tmp_path / "b", "same", 1), tmp_path], [tmp_path / "verify.json"])
    assert not (tmp_path / "verify.json").exists()
