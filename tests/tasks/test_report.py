"""The site of `doit report`, in a browser: tasks and how they stand, what was measured, and what makes what is missing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

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
