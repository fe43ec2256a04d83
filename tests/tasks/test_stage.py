"""A stage in a process of its own: its outputs appear whole or not at all, whatever ends it."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FUNCTIONS = '''
"""Stage functions for the tests."""
import time
from passes.faults import Incomplete
from tasks.models import UnknownModel

def write(inputs, outputs, text="new"):
    for path in outputs:
        path.write_text(text + "".join(p.read_text() for p in inputs))

def half(outputs):
    with outputs[0].open("w") as file:
        file.write("half of it")

def raise_known(inputs, outputs):
    half(outputs)
    raise UnknownModel("the moon is not a model; use a planet")

def raise_unknown(inputs, outputs):
    half(outputs)
    raise ZeroDivisionError("by zero")

def end_early(inputs, outputs):
    write(inputs, outputs)
    raise Incomplete("the last half is missing")

def wait(inputs, outputs):
    half(outputs)
    print("writing", flush=True)
    time.sleep(60)
    outputs[0].write_text("the other half")

def forget_the_last(inputs, outputs):
    write(inputs, outputs[:-1])

def write_much(inputs, outputs):
    outputs[0].write_bytes(bytes(1_000_000))

def read_nowhere(inputs, outputs):
    half(outputs)
    open("/nowhere/at/all")
'''

Stage = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Where outputs go."""
    (tmp_path / "outputs").mkdir()
    return tmp_path / "outputs"


@pytest.fixture
def start(tmp_path: Path) -> Stage:
    """Start a stage with a function from above."""
    (tmp_path / "functions.py").write_text(FUNCTIONS)
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}

    def popen(function: str, *outputs: Path, words: tuple[str, ...] = (), limit: int = 0) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "tasks.stage", f"functions:{function}", "--out", *map(str, outputs), *words]
        return subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=(lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))) if limit else None,  # noqa: PLW1509
        )

    return popen


def finish(process: subprocess.Popen[str]) -> tuple[int, str]:
    """The exit status and what was said on standard error."""
    _, words = process.communicate(timeout=30)
    return process.returncode, words


def one_sentence(words: str) -> bool:
    return words.count("\n") == 1 and words.strip() != "" and "Traceback" not in words


def test_outputs_appear_on_success(start: Stage, place: Path) -> None:
    (place / "input").write_text(" text")
    words = ("--in", str(place / "input"), "--set", "text=given=with equals")
    assert finish(start("write", place / "a", place / "new folder" / "b", words=words)) == (0, "")
    assert (place / "a").read_text() == (place / "new folder" / "b").read_text() == "given=with equals text"
    assert sorted(os.listdir(place)) == ["a", "input", "new folder"]
    assert os.listdir(place / "new folder") == ["b"]


def test_an_output_is_replaced(start: Stage, place: Path) -> None:
    (place / "a").write_text("old and longer")
    assert finish(start("write", place / "a")) == (0, "")
    assert (place / "a").read_text() == "new"


@pytest.mark.parametrize("function", ["raise_known", "raise_unknown", "read_nowhere"])
@pytest.mark.parametrize("old", [None, "old"])
def test_a_failed_stage_changes_nothing(start: Stage, place: Path, function: str, old: str | None) -> None:
    if old:
        (place / "a").write_text(old)
    assert finish(start(function, place / "a", place / "b"))[0] != 0
    assert os.listdir(place) == (["a"] if old else [])
    if old:
        assert (place / "a").read_text() == old


def test_an_output_that_a_stage_forgets(start: Stage, place: Path) -> None:
    status, words = finish(start("forget_the_last", place / "a", place / "b"))
    assert status != 0
    assert one_sentence(words) and str(place / "b") in words and ".part" not in words
    assert os.listdir(place) == []


def test_a_mistake_that_the_project_knows_is_a_sentence(start: Stage, place: Path) -> None:
    status, words = finish(start("raise_known", place / "a"))
    assert (status, words) == (1, "the moon is not a model; use a planet\n")


def test_a_file_that_cannot_be_read_is_a_sentence(start: Stage, place: Path) -> None:
    status, words = finish(start("read_nowhere", place / "a"))
    assert (status, words) == (1, "/nowhere/at/all: No such file or directory\n")


def test_any_other_mistake_is_a_sentence_with_its_line(start: Stage, place: Path) -> None:
    status, words = finish(start("raise_unknown", place / "a"))
    line = FUNCTIONS.splitlines().index('    raise ZeroDivisionError("by zero")') + 1
    assert (status, words) == (1, f"ZeroDivisionError: by zero ({place.parent / 'functions.py'}:{line})\n")


def test_what_a_stage_tells_of_a_mistake(start: Stage, place: Path) -> None:
    """Its sentence, and a traceback only of what nobody foresaw."""
    for function, foreseen in (("raise_known", True), ("raise_unknown", False)):
        assert finish(start(function, place / "a", words=("--tell", str(place / "told")))) == (1, "")
        told = json.loads((place / "told").read_text())
        assert ("planet" in told["sentence"]) == foreseen and ("by zero" in told["sentence"]) != foreseen
        assert ("in raise_unknown" in told["trace"]) != foreseen and not told["incomplete"]


def test_a_stage_that_is_incomplete_leaves_what_it_made(start: Stage, place: Path) -> None:
    assert finish(start("end_early", place / "a", place / "b")) == (1, "the last half is missing\n")
    assert sorted(os.listdir(place)) == ["a", "b"] and (place / "a").read_text() == "new"


@pytest.mark.parametrize("old", [None, "old"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL], ids=lambda number: number.name)
def test_a_killed_stage(start: Stage, place: Path, number: signal.Signals, old: str | None) -> None:
    """Nothing new under the output's name, not even half of it; the next run works and sweeps what was left."""
    if old:
        (place / "a").write_text(old)
    process = start("wait", place / "a")
    assert process.stdout and process.stdout.readline() == "writing\n"
    process.send_signal(number)
    status, words = finish(process)
    assert status != 0
    assert "Traceback" not in words
    assert not (place / "a").exists() if old is None else (place / "a").read_text() == old
    left = [name for name in os.listdir(place) if name != "a"]
    assert bool(left) == (number == signal.SIGKILL)
    assert finish(start("write", place / "a")) == (0, "")
    assert os.listdir(place) == ["a"]
    assert (place / "a").read_text() == "new"


def test_a_run_does_not_sweep_what_another_is_writing(start: Stage, place: Path) -> None:
    process = start("wait", place / "a")
    assert process.stdout and process.stdout.readline() == "writing\n"
    during = os.listdir(place)
    assert finish(start("write", place / "a")) == (0, "")
    assert sorted(os.listdir(place)) == sorted([*during, "a"])
    process.terminate()
    assert finish(process)[0] != 0
    assert os.listdir(place) == ["a"]


def full(start: Stage, place: Path) -> tuple[int, str]:
    """A stage that may write 4096 bytes a file and no more: Python ignores SIGXFSZ, so the write fails as on a full disk."""
    return finish(start("write_much", place / "a", limit=4096))


def test_a_full_disk_leaves_nothing(start: Stage, place: Path) -> None:
    status, words = full(start, place)
    assert status == 1
    assert one_sentence(words) and "File too large" in words
    assert os.listdir(place) == []


def test_a_full_disk_is_a_sentence_with_the_file(start: Stage, place: Path) -> None:
    assert str(place / "a") in full(start, place)[1]


@pytest.mark.parametrize(
    ("output", "words"),
    [("directory", "Is a directory"), ("file/below", "")],
)
def test_an_output_that_cannot_be(start: Stage, place: Path, output: str, words: str) -> None:
    (place / "directory").mkdir()
    (place / "file").write_text("old")
    status, said = finish(start("write", place / output))
    assert status == 1
    assert one_sentence(said) and words in said
    assert sorted(os.listdir(place)) == ["directory", "file"]
