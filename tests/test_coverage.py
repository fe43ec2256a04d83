"""A sample of the measure on PyTorch's operator database: one sample of each operator, and whether the measure can fail."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.coverage.report import compared, figures, page

ROOT = Path(__file__).parents[1]
RIGHT = 0.9  # of the operators


def measure(tmp_path: Path, *options: str) -> dict[str, Any]:
    out = tmp_path / "coverage.json"
    command = [sys.executable, "-m", "tests.coverage", "--out", str(out), *options]
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    return json.loads(out.read_text())


def test_one_sample_of_every_operator(tmp_path: Path) -> None:
    whole = measure(tmp_path, "--samples", "1", "--dtypes", "f32")
    totals = whole["totals"]
    bad = {name: reasons for name, reasons in whole["failures"].items() if not reasons[0].startswith("unsupported")}
    assert not bad and totals["wrong"] == totals["crashed"] == 0
    assert totals["operators"] > 600 and totals["right"] >= RIGHT * totals["operators"]


def test_a_changed_result_does_not_pass(tmp_path: Path) -> None:
    """The negative control: with every result perturbed, only results without elements are equal."""
    names = "add,softmax,matmul,argmax,eq,cat,nn.functional.conv2d,fft.fft,linalg.qr,sort,any,cumsum"
    whole = measure(tmp_path, "--samples", "2", "--dtypes", "f32", "--perturb", "--ops", names)
    assert whole["totals"]["operators"] == len(names.split(","))
    assert whole["totals"]["passed"] == 0 and whole["totals"]["wrong"] == whole["totals"]["samples"]


@pytest.mark.parametrize("name", ["linalg.svd", "linalg.eigh", "linalg.eig"])
def test_a_changed_factorisation_does_not_pass(name: str) -> None:
    """Only what is determined is compared there, and a change shows in that."""
    import torch

    from tests.coverage.compare import difference
    from tests.coverage.samples import OPERATORS

    matrix = torch.randn(4, 4)
    expected = list(OPERATORS[name].op(matrix + matrix.mT))
    assert difference(OPERATORS[name], expected, expected) is None
    for changed in range(len(expected)):
        actual = [r * 1.01 + 1 if i == changed else r for i, r in enumerate(expected)]
        assert difference(OPERATORS[name], actual, expected) is not None


NONE = dict.fromkeys(("wrong", "unsupported", "crashed"), 0)


def rows(*results: str) -> list[dict[str, Any]]:
    return [
        {"sample": number, "result": result, "missing": "aten.a.b" * (result == "unsupported")}
        for number, result in enumerate(results)
    ]


def test_the_figures() -> None:
    ours = {"one": rows("passed", "random", "passed"), "two": rows("passed", "wrong", "unsupported"), "dice": rows("random")}
    whole = figures({"f32": ours}, {"one": rows("crashed", "random")})
    assert whole["ops"]["one"] == {"samples": 2, "passed": 2} | NONE
    expected = {"operators": 2, "right": 1, "samples": 5, "passed": 3} | NONE | {"wrong": 1, "unsupported": 1}
    assert whole["totals"] == expected and whole["random"] == ["dice"] and whole["missing"] == {"aten.a.b": 1}
    assert whole["peer"]["sluice"]["samples"] == 1 and whole["peer"]["totals"]["crashed"] == 1
    assert "| float32 | 2 | 1 (50.0%) | 5 | 3 | 1 | 1 | 0 |" in page(whole)
    assert compared(ours, {})["totals"]["operators"] == 0


@pytest.mark.parametrize(("how", "why"), [("os.abort()", "signal 6"), ("os._exit(3)", "exit 3")])
def test_a_worker_that_dies_costs_one_sample(monkeypatch: pytest.MonkeyPatch, how: str, why: str) -> None:
    from tests.coverage import run

    program = f"""
import json, os, sys
job = json.loads(input())
for number in range(job["first"], 3):
    print(json.dumps({{"begin": number}}), flush=True)
    if number == 1: {how}
    print(json.dumps({{"sample": number, "result": "passed"}}), flush=True)
print(json.dumps({{"done": True}}), flush=True)
"""
    monkeypatch.setattr(run, "COMMAND", [sys.executable, "-c", program])
    found: list[Any] = []
    run.run([{"op": "any"}], 1, lambda job, answers: found.extend(answers))
    assert [row["result"] for row in found] == ["passed", "crashed", "passed"] and found[1]["why"] == why
