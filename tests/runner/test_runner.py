"""The executable: what it prints, what it accepts, what it finds wrong."""

from __future__ import annotations

import json
import os
import re
import subprocess
import threading
from pathlib import Path

import numpy as np
import pytest

from runner.link import link, openmp_library
from runner.objects import compile_object

EXECUTABLE = "mlp-runner-staged"
DATA = ("arg0.data", "inputs.data", "expected.data")
COUNT, BYTES = 30, 128  # of the output: 3 x 10 elements of 4 bytes, padded to 64
SENTENCE = re.compile(r"[^\n]+\n")


def run(folder: Path, *options: str | Path, name: str = EXECUTABLE) -> subprocess.CompletedProcess[str]:
    command = [str(folder / name), "--iterations", "3", "--warmup", "1", *map(str, options)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def figures(path: Path) -> dict[str, float]:
    """The JSON of a run; NaN and Infinity are not JSON, although Python's reader takes them."""

    def refuse(name: str) -> float:
        raise AssertionError(f"{path} has {name}, which is not JSON")

    return json.loads(path.read_text(), parse_constant=refuse)


def change(path: Path, element: int, value: float | np.float32) -> None:
    values = np.fromfile(path, np.float32)
    values[element] = value
    values.tofile(path)


def test_the_right_answer(folder: Path) -> None:
    done = run(folder)
    assert (done.returncode, done.stderr) == (0, "")
    title, *rows = done.stdout.splitlines()
    assert re.fullmatch(r"mlp, \d+ threads, 3 calls", title)
    assert [row.split()[0] for row in rows] == ["median", "speed", "error"]
    assert re.search(r"median +[\d.]+ ms +p10 [\d.]+ +p90 [\d.]+", rows[0])
    assert re.search(r"speed +[\d.]+ GFLOP/s, [\d.]+ % of the FMA peak of [\d.]+", rows[1])
    assert re.search(r"error +\S+ absolute, \S+ relative, 1.0e-05 allowed", rows[2])


def test_json(folder: Path) -> None:
    done = run(folder, "--json", folder / "run.json", "--threads", "1")
    found = figures(folder / "run.json")
    assert done.returncode == 0
    keys = {"median_ms", "p10_ms", "p90_ms", "gflops", "peak_gflops", "max_abs_err", "max_rel_err", "threads", "model"}
    assert keys <= set(found)
    assert (found["model"], found["threads"]) == ("mlp", 1)
    assert 0 < found["p10_ms"] <= found["median_ms"] <= found["p90_ms"]
    assert found["gflops"] == pytest.approx(8640 / found["median_ms"] * 1e-6, rel=1e-4)
    assert found["gflops"] < found["peak_gflops"] < 1e5
    expected = np.fromfile(folder / "expected.data", np.float32)[:COUNT]
    assert 0 <= found["max_rel_err"] <= 1e-5
    assert found["max_rel_err"] == pytest.approx(found["max_abs_err"] / np.abs(expected).max(), rel=1e-4, abs=1e-12)


@pytest.mark.parametrize("element", [0, 13, COUNT - 1])
def test_one_wrong_element_is_found(folder: Path, element: int) -> None:
    expected = np.fromfile(folder / "expected.data", np.float32)
    change(folder / "expected.data", element, expected[element] + 1e-3 * np.abs(expected).max())
    done = run(folder, "--json", folder / "run.json")
    assert done.returncode == 1
    assert re.fullmatch(r"Wrong answer: the relative error \S+ is over the tolerance 1.0e-05\.\n", done.stderr)
    assert figures(folder / "run.json")["max_rel_err"] == pytest.approx(1e-3, rel=0.02)


def test_an_error_within_the_tolerance_passes(folder: Path) -> None:
    expected = np.fromfile(folder / "expected.data", np.float32)
    change(folder / "expected.data", 5, expected[5] + 5e-6 * np.abs(expected).max())
    assert run(folder).returncode == 0


def test_the_padding_after_an_output_does_not_matter(folder: Path) -> None:
    change(folder / "expected.data", COUNT, np.float32(np.nan))
    assert run(folder).returncode == 0


@pytest.mark.parametrize(
    ("value", "fault"), [(np.nan, "not a number"), (np.inf, "infinite where it should not be"), (-np.inf, "infinite")]
)
def test_an_expected_value_that_is_not_finite(folder: Path, value: float, fault: str) -> None:
    change(folder / "expected.data", 7, value)
    done = run(folder, "--json", folder / "run.json")
    assert done.returncode == 1
    assert done.stderr.startswith(f"Wrong answer: output0[7] is {fault}") and SENTENCE.fullmatch(done.stderr)
    figures(folder / "run.json")


@pytest.mark.parametrize("name", ["arg0.data", "inputs.data"])
def test_nan_in_what_the_model_reads(folder: Path, name: str) -> None:
    path = folder / name
    path.write_bytes(b"\xff" * path.stat().st_size)
    done = run(folder)
    assert done.returncode == 1
    assert done.stderr.startswith("Wrong answer: output0[0] is not a number") and SENTENCE.fullmatch(done.stderr)


@pytest.mark.parametrize("name", DATA)
def test_a_missing_data_file(folder: Path, name: str) -> None:
    (folder / name).unlink()
    done = run(folder)
    assert done.returncode == 2
    assert f"{folder / name}: No such file" in done.stderr and SENTENCE.fullmatch(done.stderr)


@pytest.mark.parametrize("change_by", [-64, -1, 1, 64])
@pytest.mark.parametrize("name", DATA)
def test_a_data_file_of_another_size(folder: Path, name: str, change_by: int) -> None:
    path = folder / name
    size = path.stat().st_size
    os.truncate(path, size + change_by)
    done = run(folder)
    assert done.returncode == 2
    assert f"{path}: {size + change_by} bytes, expected {size}" in done.stderr and SENTENCE.fullmatch(done.stderr)


@pytest.mark.parametrize("text", ["", "much"])
def test_a_tolerance_that_is_no_number(folder: Path, text: str) -> None:
    path = folder / "tolerance.txt"
    path.write_text(text)
    done = run(folder)
    assert done.returncode == 2 and done.stderr == f"{path}: holds no number: `doit frontend` writes it anew\n"
    path.unlink()
    done = run(folder)
    assert done.returncode == 2 and done.stderr == f"{path}: No such file or directory; `doit frontend` writes it\n"


def test_a_directory_in_the_place_of_a_data_file(folder: Path) -> None:
    (folder / "inputs.data").unlink()
    (folder / "inputs.data").mkdir()
    done = run(folder)
    assert done.returncode == 2
    assert "inputs.data: not a regular file" in done.stderr and SENTENCE.fullmatch(done.stderr)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--colour", "red"], "--colour: unknown option"),
        (["--json"], "--json: unknown, or its value is missing"),
        (["extra"], "extra: unknown"),
        (["--iterations", "0"], "--iterations 0: expected a whole number from 1"),
        (["--iterations", "many"], "--iterations many: expected a whole number"),
        (["--iterations", "3.5"], "--iterations 3.5: expected a whole number"),
        (["--iterations", "99999999999999999999"], "--iterations 99999999999999999999: expected a whole number"),
        (["--warmup", "-1"], "--warmup -1: expected a whole number from 0"),
        (["--threads", "-2"], "--threads -2: expected a whole number from 1"),
        (["--threads", "0"], "--threads 0: expected a whole number from 1"),
        (["--threads", "1000000"], "--threads 1000000: expected a whole number from 1 to 4096"),
        (["--seed", "-1"], "--seed -1: expected a whole number from 0"),
        (["--threads", ""], "--threads: its value is empty"),
        (["--json", ""], "--json: its value is empty"),
    ],
    ids=" ".join,
)
def test_a_command_line_that_cannot_be_followed(folder: Path, options: list[str], sentence: str) -> None:
    done = run(folder, *options)
    assert done.returncode == 2
    assert done.stderr.startswith(sentence) and SENTENCE.fullmatch(done.stderr)
    assert done.stdout == ""


def test_help(folder: Path) -> None:
    done = run(folder, "--help")
    assert done.returncode == 0
    for option in ("--warmup", "--iterations", "--threads", "--seed", "--data", "--json", "--output"):
        assert option in done.stdout


def test_a_seed_changes_the_timed_inputs_only(folder: Path) -> None:
    runs = [["--seed", "7"], ["--seed", "8"], []]
    for i, seed in enumerate(runs):
        assert run(folder, *seed, "--json", folder / f"{i}.json", "--output", folder / f"{i}.data").returncode == 0
    assert len({(folder / f"{i}.data").read_bytes() for i in range(3)}) == 1
    assert len({figures(folder / f"{i}.json")["max_abs_err"] for i in range(3)}) == 1
    change(folder / "expected.data", 0, 1000.0)
    assert run(folder, "--seed", "7").returncode == 1


def test_output(folder: Path) -> None:
    (folder / "answer.data").write_bytes(b"older and longer" * 100)
    assert run(folder, "--output", folder / "answer.data").returncode == 0
    actual, expected = (np.fromfile(folder / name, np.float32) for name in ("answer.data", "expected.data"))
    assert actual.nbytes == BYTES
    np.testing.assert_allclose(actual[:COUNT], expected[:COUNT], rtol=1e-4, atol=1e-6)
    assert not list(folder.glob("*.part"))


@pytest.mark.parametrize("option", ["--json", "--output"])
def test_a_file_that_cannot_be_written(folder: Path, option: str) -> None:
    done = run(folder, option, folder / "nowhere" / "file")
    assert done.returncode == 2
    assert f"{folder}/nowhere/file: cannot be written: No such file or directory" in done.stderr
    assert SENTENCE.fullmatch(done.stderr)
    (folder / "directory").mkdir()
    done = run(folder, option, folder / "directory")
    assert done.returncode == 2
    assert "directory: cannot be written: Is a directory" in done.stderr and SENTENCE.fullmatch(done.stderr)


def test_a_pipe_is_written_to_and_not_replaced(folder: Path) -> None:
    pipe = folder / "pipe"
    os.mkfifo(pipe)
    received: list[bytes] = []
    reader = threading.Thread(target=lambda: received.append(pipe.read_bytes()), daemon=True)
    reader.start()
    done = run(folder, "--output", pipe)
    assert done.returncode == 0
    assert pipe.is_fifo()
    reader.join(10)
    assert [len(data) for data in received] == [BYTES]


def test_data_is_found_from_any_folder(folder: Path, tmp_path: Path) -> None:
    """Through PATH, through a link, and with --data."""
    environment = {**os.environ, "PATH": str(folder)}
    done = subprocess.run([EXECUTABLE], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    (tmp_path / "link").symlink_to(folder / EXECUTABLE)
    assert run(tmp_path, name="link").returncode == 0
    moved = folder.rename(tmp_path / "moved")
    moved_executable = (moved / EXECUTABLE).rename(tmp_path / EXECUTABLE)
    assert run(moved_executable.parent).returncode == 2
    assert run(moved_executable.parent, "--data", moved).returncode == 0


def rebuilt(build: Path, folder: Path, text: str) -> subprocess.CompletedProcess[str]:
    """A run of the executable with `text` for subgraph0.ll."""
    (folder / "subgraph0.ll").write_text(text)
    compile_object([folder / "subgraph0.ll"], [folder / "subgraph0.o"], "native")
    link([build / "runner.o", build / "forward.o", folder / "subgraph0.o"], [folder / "rebuilt"], str(openmp_library()))
    return run(folder, name="rebuilt")


def test_wrong_code_gives_a_wrong_answer(build: Path, folder: Path) -> None:
    """An object comes from its .ll and nothing else, and code that computes something else is caught."""
    text = (build / "subgraph0.ll").read_text()
    assert rebuilt(build, folder, text).returncode == 0
    assert (folder / "subgraph0.o").read_bytes() == (build / "subgraph0.o").read_bytes()
    wrong = text.replace("tanh", "sin")
    assert wrong != text
    done = rebuilt(build, folder, wrong)
    assert done.returncode == 1
    assert done.stderr.startswith("Wrong answer: ") and SENTENCE.fullmatch(done.stderr)


def test_an_element_that_nobody_writes_is_found(build: Path, folder: Path) -> None:
    """Outputs start as NaN: code that returns at once is wrong, whatever was in memory before."""
    text = (build / "subgraph0.ll").read_text()
    emptied = re.sub(r"(define void @subgraph0\([^{]*\{\n).*?\n\}\n", r"\1  ret void\n}\n", text, count=1, flags=re.DOTALL)
    assert emptied != text
    done = rebuilt(build, folder, emptied)
    assert done.returncode == 1
    assert done.stderr.startswith("Wrong answer: output0[0] is not a number")
