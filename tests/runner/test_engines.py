"""Engines of a bench: how they compare answers, refuse, and time; our executable as one of them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from runner.engines.serve import CannotRun, Job, max_rel_err, sentence

ROOT = Path(__file__).parents[2]
EXECUTABLE = "mlp-runner-staged"


def test_the_error_is_relative_to_the_largest_element() -> None:
    expected = np.array([[1.0, -4.0], [0.5, 2.0]])
    assert max_rel_err([expected.astype(np.float32)], [expected]) == 0
    assert max_rel_err([expected + np.array([[0, 0], [0.1, 0]])], [expected]) == pytest.approx(0.025)


def test_the_worst_output_counts() -> None:
    small, large = np.array([1.0, 0.5]), np.array([100.0])
    assert max_rel_err([small + np.array([0, 0.01]), large], [small, large]) == pytest.approx(0.01)


NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("actual", "expected"),
    [([NAN, 1], [0, 1]), ([0, 1], [NAN, 1]), ([INF, 1], [0, 1]), ([0, 1], [INF, 1]), ([INF], [-INF])],
)
def test_what_is_not_finite_where_it_should_be(actual: list[float], expected: list[float]) -> None:
    assert max_rel_err([np.array(actual)], [np.array(expected, float)]) is None


def test_what_is_not_finite_where_it_should_not_be() -> None:
    same = np.array([NAN, INF, 2.0])
    assert max_rel_err([same.astype(np.float32)], [same]) == 0
    assert max_rel_err([np.array([NAN, INF, 2.2])], [same]) == pytest.approx(0.1)


def test_integers_and_booleans_are_exact() -> None:
    assert max_rel_err([np.array([1, 2])], [np.array([1, 2])]) == 0
    assert max_rel_err([np.array([1, 3])], [np.array([1, 2])]) is None
    assert max_rel_err([np.array([True])], [np.array([False])]) is None


def test_outputs_that_are_missing_or_of_another_shape() -> None:
    a = np.zeros((2, 3))
    assert max_rel_err([], [a]) is None
    assert max_rel_err([a.T], [a]) is None
    assert max_rel_err([a, a], [a]) is None
    assert max_rel_err([], []) == 0


def test_an_error_in_one_line() -> None:
    assert sentence(ValueError("\n  first\nsecond")) == "ValueError: first"
    assert sentence(ValueError("\x1b[96mfirst\x1b[0m")) == "ValueError: first"
    assert sentence(ValueError("it failed\nfile:1:2: error: bad\nnote: why")) == "ValueError: file:1:2: error: bad"
    assert sentence(CannotRun("runs f32 only")) == "runs f32 only"
    assert len(sentence(ValueError("x" * 1000))) < 250


def job(folder: Path, executable: Path, **more: Any) -> Job:
    plain = {"model": "mlp", "settings": {}, "dtype": "f32", "threads": 1, "folder": str(folder), "executable": str(executable)}
    return Job(**plain, outputs=[([3, 10], "f32")], **more)


def test_a_dtype_that_an_engine_has_not(tmp_path: Path) -> None:
    given = job(tmp_path, tmp_path)
    given.takes("f32", "bf16")
    with pytest.raises(CannotRun, match="runs bf16 only, not f32"):
        given.takes("bf16")


class Asked:
    """A process of an engine, with its answers."""

    def __init__(self, module: str, given: Job) -> None:
        path = given.file("job.json")
        path.write_text(json.dumps(given.__dict__))
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, str(path)], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def answer(self) -> dict[str, Any]:
        assert self._process.stdout
        return json.loads(self._process.stdout.readline())

    def ask(self, **request: Any) -> dict[str, Any]:
        assert self._process.stdin
        print(json.dumps(request), file=self._process.stdin, flush=True)
        return self.answer()

    def close(self) -> int:
        self._process.communicate(timeout=60)
        return self._process.returncode


@pytest.fixture
def reference(folder: Path) -> Iterator[Path]:
    """A build's folder with what engines are compared with."""
    expected = np.fromfile(folder / "expected.data", np.float32)[:30].reshape(3, 10)
    np.savez(folder / "reference.npz", expected.astype(np.float64))
    yield folder


def test_our_executable_is_an_engine(reference: Path) -> None:
    asked = Asked("runner.engines.executable", job(reference, reference / EXECUTABLE))
    ready = asked.answer()
    assert ready["ready"] and ready["first_ms"] > 0 and 0 <= ready["max_rel_err"] < 1e-5
    times = asked.ask(iterations=7, warmup=1)["ms"]
    assert len(times) == 7 and all(ms > 0 for ms in times)
    last = asked.ask(check=True)
    assert 0 <= last["max_rel_err"] < 1e-5 and 0 <= last["huge_mb"] <= last["resident_mb"]
    assert asked.close() == 0


def test_a_wrong_answer_is_told(reference: Path) -> None:
    weights = np.fromfile(reference / "arg0.data", np.float32)
    (weights * 1.5).tofile(reference / "arg0.data")
    asked = Asked("runner.engines.executable", job(reference, reference / EXECUTABLE))
    assert asked.answer()["max_rel_err"] > 0.01
    assert asked.close() == 0


def test_an_executable_that_does_not_run(reference: Path) -> None:
    (reference / "inputs.data").unlink()
    asked = Asked("runner.engines.executable", job(reference, reference / EXECUTABLE))
    assert asked.answer() == {"reason": f"{reference / EXECUTABLE}: exit status 2", "applies": True}
    assert asked.close() == 0


def test_serving_writes_the_outputs_of_the_last_call(folder: Path) -> None:
    command = [str(folder / EXECUTABLE), "--serve", "--output", str(folder / "answer.data")]
    done = subprocess.run(command, input="2\n3\n", capture_output=True, text=True, check=True)
    assert [len(line.split()) for line in done.stdout.splitlines()] == [2, 3]
    expected, actual = (np.fromfile(folder / name, np.float32)[:30] for name in ("expected.data", "answer.data"))
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


def test_serving_ends_with_the_verdict(folder: Path) -> None:
    expected = np.fromfile(folder / "expected.data", np.float32)
    (expected * 2).tofile(folder / "expected.data")
    done = subprocess.run([str(folder / EXECUTABLE), "--serve"], input="1\n", capture_output=True, text=True, check=False)
    assert done.returncode == 1 and done.stderr.startswith("Wrong answer: ")
