"""The pages of `doit ir` where a pass or a module fails: what was done until then is shown, with a sentence."""

from __future__ import annotations

import faulthandler
import os
import re
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from passes import pipelines, stages
from passes.faults import Incomplete
from tasks.pages import ir
from tasks.pages.apart import Ended, apart
from tests.browser import Browser, browser, chromium
from tests.pages import LINES, make, opened, press

__all__ = ["browser", "chromium"]

SUMS = """func.func @f(%x: tensor<4xf32>) -> tensor<4xf32> {
  %y = tosa.add %x, %x : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  return %y : tensor<4xf32>
}
"""
REFUSED = """func.func @f(%x: tensor<4xf32>) -> tensor<4xf32> {
  %y = tosa.custom %x {operator_name = "a", domain_name = "b", implementation_attrs = ""} : (tensor<4xf32>) -> tensor<4xf32>
  return %y : tensor<4xf32>
}
"""


def aborts(module: object, target: object) -> None:
    faulthandler.disable()  # it is meant to
    os.abort()


def hangs(module: object, target: object) -> None:
    time.sleep(600)


def raises(module: object, target: object) -> None:
    raise ZeroDivisionError("planted")


def made_in_part(path: Path, sentence: str) -> Path:
    with pytest.raises(Incomplete, match=re.escape(sentence)):
        make(path)
    return path.with_suffix(".html")


@pytest.mark.parametrize(
    ("planted", "sentence"),
    [
        (aborts, "midend: aborts: it crashed with SIGABRT"),
        (hangs, "midend: hangs: it did not end within 2 s"),
        (raises, f"midend: raises: ZeroDivisionError: planted ({os.path.relpath(__file__)}:"),
        ("func.func(no-such-pass)", "midend: no pass 'func.func(no-such-pass)'"),
    ],
)
def test_a_pass_that_does_not_come_back_ends_the_page(
    browser: Browser,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    planted: Any,
    sentence: str,
) -> None:
    path = tmp_path / "subgraph0.mlir"
    path.write_text(SUMS)
    monkeypatch.setattr(ir, "PATIENCE", 2.0)
    monkeypatch.setitem(pipelines.PIPELINES, "midend", ("func.func(tosa-to-linalg)", planted, "cse"))
    page = opened(browser, made_in_part(path, f"{path}: the page ends where its lowering does: {sentence}"))
    alert = page.text("[role=alert]")
    assert alert.startswith(f"{path}: the page ends where its lowering does: {sentence}")
    expected = ["subgraph0.mlir"] if isinstance(planted, str) else ["subgraph0.mlir", "tosa-to-linalg"]
    assert page.script("return page.steps.map((step) => step.name)") == expected
    press(page, expected[-1])
    assert any("tosa.add" in line for line in page.script(LINES.format("left"))) == isinstance(planted, str)


def test_ir_that_a_pass_refuses_is_shown_up_to_that_pass(browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "subgraph0.mlir"
    path.write_text(REFUSED)
    page = opened(browser, made_in_part(path, "tosa-to-linalg"))
    assert re.search(r"midend: tosa-to-linalg: .*2:8.*tosa\.custom", page.text("[role=alert]"))
    assert page.script("return page.steps.at(-1).name") == "tosa-make-broadcastable"
    assert page.script("return page.listings.map((listing) => listing.name)") == [str(path)]


def test_a_file_that_is_no_mlir_is_shown_as_it_is(browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "subgraph0.mlir"
    path.write_text("this is\nno MLIR\n")
    page = opened(browser, made_in_part(path, "is not valid MLIR"))
    assert f"{path} is not valid MLIR" in page.text("[role=alert]")
    assert page.script(LINES.format("left")) == ["this is", "no MLIR"]


def test_work_apart_tells_what_it_did_until_it_ended() -> None:
    def run(work: Callable[[Callable[[Any], None]], None], timeout: float = 30) -> list[Any]:
        *items, ended = apart(work, timeout)
        return [*items, ended.why]

    def crash(say: Callable[[Any], None]) -> None:
        say("begun")
        faulthandler.disable()
        os.kill(os.getpid(), signal.SIGSEGV)

    def leave(say: Callable[[Any], None]) -> None:
        os._exit(3)

    def broken(say: Callable[[Any], None]) -> None:
        raise stages.BadModule("a sentence")

    assert run(lambda say: [say(i) for i in range(3)] and None) == [0, 1, 2, ""]
    assert run(crash) == ["begun", "it crashed with SIGSEGV"]
    assert run(leave) == ["it ended with exit status 3"]
    assert run(broken) == ["a sentence"]
    assert run(lambda say: time.sleep(60), 0.2) == ["it did not end within 0.2 s"]
    (ended,) = apart(lambda say: None, 30)
    assert isinstance(ended, Ended) and Path(pipelines.__file__) in ended.files
