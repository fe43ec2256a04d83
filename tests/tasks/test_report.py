"""The site of `doit report`, in a browser: tasks and how they stand, what was measured, and what makes what is missing."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from runner.checking import report as checking
from runner.checking.probe import Finding, Verdict
from runner.checking.stages import Row
from tasks.bench.statistics import compare
from tasks.benchmarks import report as benchmarks
from tasks.benchmarks.result import FAILED, PASSED, Result
from tasks.pages.report import HIGH, SECTIONS, WIDE, Node, picture, write
from tests.browser import Browser, browser, chromium

__all__ = ["browser", "chromium"]

ROOT = Path(__file__).parents[2]


def doit(root: Path, *words: str) -> str:
    command = [sys.executable, "-m", "doit", f"build={root}", "model=mlp", *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()[-1]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the IR's pages are built, and measurements stand that nobody made."""
    root = tmp_path_factory.mktemp("build")
    doit(root, "ir")
    (root / "mlp/verify.json").write_text(
        json.dumps({"passed": True, "stages": [{"name": "emit", "error": 1.25e-7, "more": None}]})
    )
    (root / "mlp/profile.json").write_text("{broken")
    (root / "bench").mkdir()
    (root / "bench/bench.json").write_text(json.dumps({"rows": [{"engine": "<b>ours</b>", "rounds_ms": [1.0] * 99}]}))
    (root / "bench/bench.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg" width="9000" height="90"/>')
    assert doit(root, "report") == str(root / "report/index.html")
    return root


@pytest.fixture
def page(browser: Browser, root: Path) -> Browser:
    return opened(browser, root)


def opened(browser: Browser, root: Path, **how: int | bool) -> Browser:
    browser.open(root / "report/index.html", **how)  # type: ignore[arg-type]
    browser.wait("document.readyState === 'complete'")
    return browser


def test_the_tasks_and_how_they_stand(page: Browser) -> None:
    tasks = page.script(
        "return [...document.querySelectorAll('.task')].map((g) => [g.dataset.task, g.classList[1], g.textContent])"
    )
    found = {name: (status, text) for name, status, text in tasks}
    assert found["ir:subgraph0"][0] == "up-to-date" and " s, up to date" in found["ir:subgraph0"][1]
    assert found["midend:forward"][0] == "would-run" and "not built here yet" in found["midend:forward"][1]
    assert found["run"][0] == "on-demand"
    assert not {"test", "lint", "coverage"} & found.keys(), "they are about the project, not about a model"


def test_what_was_measured_is_shown_and_what_was_not_says_how(page: Browser) -> None:
    assert "1.25e-07" in page.text("#verify") and "emit" in page.text("#verify")
    assert "<b>ours</b>" in page.text("#bench") and "99 values" in page.text("#bench")
    assert page.script("return document.querySelector('#bench img').naturalWidth") > 0
    assert "profile.json cannot be read" in page.text("#profile [role=alert]")
    for name in ("run", "benchmarks"):
        assert page.text(f"#{name} .missing").startswith("Not there yet: doit build=") and f"model=mlp {name}" in page.text(
            f"#{name}"
        )


SPAN = {"avg_ms": 8.125, "min_ms": 7.5, "max_ms": 12.0, "share": 1.0}
PRODUCT = {**SPAN, "operator": "linear mm", "source": "model/mlp.py:30", "share": 0.875, "flops": 9, "bytes": 9}
PRODUCT |= {"gflops": 475.25, "of_peak": 0.917, "gbps": 24.125, "of_read": 1.5}
COPY = {**PRODUCT, "operator": "permute_1", "share": 0.0625, "flops": 0}
PROFILE = {"model": "mlp", "dtype": "f32", "threads": 2, "calls": 120, "whole": SPAN, "rows": [COPY, PRODUCT], "waiting": SPAN}
PROFILE |= {"elsewhere": SPAN, "plain_ms": 8.0, "cost": {"share": 0.009}, "limits": {"gflops": 518.2, "gbps": 46.2}}
WHOLE = {"began": "2026-01-01T00:00:00", "seconds": 9.0, "size": "mini", "dtype": "f32", "threads": 2, "processor": "Zen"}
WHOLE |= {"torch": "2.13", "passed": 1, "failed": 1, "skipped": 0, "regressed": 1}


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site of what the commands write."""
    root = tmp_path_factory.mktemp("measured")
    (root / "mlp").mkdir()
    (root / "benchmarks").mkdir()
    right = Finding("output0", "addmm", "model/mlp.py:30", 1.25e-7, 1e-4, (2, 3), "1", "1", "", True)
    wrong = replace(right, error=math.inf, actual="nan", fault="not a number where it should not be", right=False)
    verdicts = {"frontend": Verdict((right,)), "midend": Verdict((wrong,)), "backend": Verdict(said="not built, it hangs")}
    checking.write([Row(stage, [], verdict) for stage, verdict in verdicts.items()], root / "mlp/verify.json")
    (root / "mlp/profile.json").write_text(json.dumps(PROFILE))
    good = Result(
        "gemm", "gemm", {}, PASSED, "measure", build={"seq": 1.5, "omp": 2.5}, tolerance=1e-5, regression="0.50 of it"
    )
    good.how = {"seq": "built", "omp": "from the cache"}
    good.run, good.errors = {"seq": 2.0, "omp": 0.5, "eager": 3.0}, {"seq": 2e-7, "omp": 3e-7}
    good.speedup, good.vs_eager = compare([2.0] * 9, [0.5] * 9), compare([3.0], [0.5])
    bad = Result("softmax", "softmax", {}, FAILED, "build OMP", reason="took longer than timeout=9 s", tolerance=1e-5)
    benchmarks.write(root / "benchmarks", [good, bad], WHOLE)
    write([], root / "mlp", root, ["model=mlp"])
    return root


def cells(page: Browser, section: str) -> list[list[str]]:
    """The section's table."""
    return page.script(
        f"return [...document.querySelectorAll('#{section} tr')].map((r) => [...r.cells].map((c) => c.innerText))"
    )


def test_a_stage_is_a_line_and_what_is_wrong_a_sentence(browser: Browser, measured: Path) -> None:
    page = opened(browser, measured)
    assert cells(page, "verify")[1:] == [
        ["frontend", "right", "1.25e-07", "1.0e-04", "output0[2, 3]", "addmm at model/mlp.py:30"],
        ["midend", "wrong", "", "1.0e-04", "output0[2, 3]", "addmm at model/mlp.py:30"],
        ["backend", "cannot be run", "", "", "", ""],
    ]
    assert "midend: output0[2, 3] is nan, PyTorch has 1: not a number where it should not be" in page.text("#verify")
    assert "backend: not built, it hangs" in page.text("#verify")


def test_operators_by_their_time(browser: Browser, measured: Path) -> None:
    lines = cells(opened(browser, measured), "profile")
    assert [line[0] for line in lines[1:]] == ["linear mm", "permute_1", "waiting", "elsewhere", "a call"]
    assert lines[1][1:] == ["8.1250", "7.5000", "12.0000", "87.5", "475.2", "91.7", "24.1", "150.0", "model/mlp.py:30"]
    assert lines[2][5:7] == ["", ""], "a copy computes nothing"


def test_benchmarks_with_what_failed_and_what_got_worse(browser: Browser, measured: Path) -> None:
    page = opened(browser, measured)
    gemm, softmax = cells(page, "benchmarks")[1:]
    assert gemm[:4] == ["gemm ↓", "passed", "1.5 s", "from the cache"] and gemm[4:9] == [
        "2 ms",
        "500 µs",
        "3 ms",
        "3e-07",
        "1e-05",
    ]
    assert gemm[9].split() == ["4.00x", "4.00–4.00"] and gemm[10] == "~6.00x"  # noqa: RUF001
    assert softmax == ["softmax", "failed", *[""] * 6, "1e-05", "", ""]
    text = page.text("#benchmarks")
    assert "softmax, build OMP: took longer than timeout=9 s" in text and "gemm: worse than before: 0.50 of it" in text


def test_a_phone_shows_measurements_without_scrolling_sideways(browser: Browser, measured: Path) -> None:
    assert opened(browser, measured, wide=360, high=740).script("return document.documentElement.scrollWidth") <= 360


def test_it_leads_to_the_pages_of_ir(page: Browser) -> None:
    page.click("#ir a:last-child")
    page.wait("document.documentElement.dataset.ready === 'yes'")
    assert page.text("h1").startswith("subgraph0")


def test_a_phone_shows_it_without_scrolling_sideways(browser: Browser, root: Path) -> None:
    page = opened(browser, root, wide=360, high=740)
    assert page.script("return document.documentElement.scrollWidth") <= 360


def test_dark_and_light(browser: Browser, root: Path) -> None:
    grounds = [
        opened(browser, root, dark=dark).script("return getComputedStyle(document.body).backgroundColor")
        for dark in (False, True)
    ]
    assert grounds == ["rgb(255, 255, 255)", "rgb(20, 22, 26)"]


def test_a_site_of_nothing_names_every_command(tmp_path: Path) -> None:
    doit(tmp_path, "report")
    text = (tmp_path / "report/index.html").read_text()
    assert all(f"model=mlp {section.name}</code> makes it" in text for section in SECTIONS)
    assert "model=mlp ir</code> makes it" in text
    assert [path.name for path in tmp_path.iterdir()] == ["report"]


def test_a_new_site_has_nothing_of_the_old(tmp_path: Path) -> None:
    (tmp_path / "report").mkdir()
    (tmp_path / "report/old.html").touch()
    write([], tmp_path / "mlp", tmp_path, [])
    assert [path.name for path in (tmp_path / "report").iterdir()] == ["index.html"]


def test_a_task_stands_right_of_all_that_it_needs() -> None:
    def node(name: str, *after: str) -> Node:
        return Node(name, "", "up to date", "", None, after)

    drawn = picture([node("a"), node("b", "a"), node("c", "a", "b"), node("d", "a"), node("e", "elsewhere")])
    assert drawn["places"] == {"a": (0, 0), "b": (WIDE, 0), "c": (2 * WIDE, 0), "d": (WIDE, HIGH), "e": (0, HIGH)}
    assert len(drawn["lines"]) == 4 and (drawn["width"], drawn["height"]) == (3 * WIDE, 2 * HIGH)
