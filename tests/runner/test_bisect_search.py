"""The search for a pass at fault among states that are made up, and the trial of cuts."""

from __future__ import annotations

import argparse
import io
import json
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from passes import pipelines
from passes.steps import steps_of
from runner.bisect import session, trial
from runner.bisect.search import Found, search
from runner.bisect.states import OutOfTime, Pass, Recorded
from runner.checking.probe import Finding, Verdict

SOURCE = """
func.func @net(%x: tensor<4xf32>) -> tensor<4xf32> {
  %a = tosa.tanh %x : (tensor<4xf32>) -> tensor<4xf32>
  %b = tosa.exp %a : (tensor<4xf32>) -> tensor<4xf32>
  %c = tosa.sigmoid %b : (tensor<4xf32>) -> tensor<4xf32>
  return %c : tensor<4xf32>
}
"""


def verdict(kind: str) -> Verdict:
    finding = Finding("r", "", "", 1.0, 0.0, (0,), "1", "0", "", kind == "right")
    return Verdict(said="cannot be lowered") if kind == "unknown" else Verdict((finding,))


def searched(states: str, every: bool) -> tuple[Found, list[int]]:
    """`states` has a letter for each: right, wrong or unknown."""
    kinds = {"r": "right", "w": "wrong", "u": "unknown"}
    recorded = Recorded(Path(), tuple(Pass("p", str(i), i) for i in range(1, len(states))))
    run: list[int] = []

    def judge(state: int) -> Verdict:
        run.append(state)
        return verdict(kinds[states[state]])

    return search(recorded, judge, every), run


@pytest.mark.parametrize(
    ("states", "every", "right", "wrong"),
    [
        ("rrrrwwww", False, 3, 4),
        ("rw", False, 0, 1),
        ("rrrrrrrr", False, 7, None),
        ("rrwrrrrr", False, 7, None),  # it ends right
        ("rrwrrrrr", True, 1, 2),
        ("rrruuuww", False, 2, 6),
        ("rrrwwuuu", False, 2, 3),
        ("rrrruuuu", False, 3, None),
        ("r", False, 0, None),
        ("r", True, 0, None),
    ],
)
def test_search(states: str, every: bool, right: int, wrong: int | None) -> None:
    found, run = searched(states, every)
    assert (found.right, found.wrong) == (right, wrong)
    assert len(run) == len(set(run)) == found.tried
    between = states[right + 1 : wrong] if wrong else states[right + 1 :]
    assert bool(found.unknown) == ("u" in between)


def test_a_search_runs_few_states() -> None:
    found, run = searched("r" * 40 + "w" * 60, False)
    assert (found.right, found.wrong) == (39, 40) and len(run) < 10


def test_cuts_behind_the_first_that_shows_it_are_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "net.mlir").write_text(SOURCE)
    (tmp_path / trial.PICKS).write_text(json.dumps([[0], [1], [2]]))
    first = steps_of(pipelines.find("midend"))[0].label
    verdicts = iter([True, False])
    monkeypatch.setattr(trial, "finding", lambda *about: SimpleNamespace(right=next(verdicts)))
    given = argparse.Namespace(file=tmp_path / "net.mlir", folder=tmp_path, target="native", function="net", hangs=False)
    given.pipelines, given.until = "midend", ("midend", first)
    trial._run(given, io.StringIO())
    assert json.loads((tmp_path / trial.RIGHT).read_text()) == [True, False, None]


@pytest.mark.parametrize(("timeout", "blamed"), [(0.02, False), (60.0, True)])
def test_code_is_without_end_only_beside_code_that_ends_much_sooner(
    timeout: float, blamed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def probe(files: list[Path], *about: object) -> Verdict:
        if files[-1].stem == "0":
            time.sleep(0.05)
            return Verdict()
        return Verdict(said="does not end within its time", crashed=True, late=True)

    monkeypatch.setattr(session, "probe", probe)
    (tmp_path / "cases.json").write_text('[{"function": "f"}]')
    recorded = Recorded(tmp_path, (Pass("p", "one", 1),))
    searching = session.Session((Path("x.mlir"),), tmp_path / "cases.json", ("p",), "native", timeout, tmp_path)
    judge = searching._judge(Path("x.mlir"), recorded, tmp_path / "cases.json")
    assert judge(0).right
    if blamed:
        assert judge(1).crashed
    else:
        with pytest.raises(OutOfTime, match=r"x.mlir: to run what p: one left takes longer than 0.02 s; --timeout SECONDS"):
            judge(1)
