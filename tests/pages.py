"""What tests of the pages of `doit ir` share: making one of a module, opening it, going to a pass."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tasks.pages import ir
from tests.browser import Browser

LINES = "return {0}.runs.runs.flatMap((r) => [...r.document.lines.subarray(r.first, r.first + r.count)].map((id) => table[id]))"


def make(module: Path) -> Path:
    path = module.with_suffix(".html")
    ir.page([module], [path], "native")
    return path


def opened(browser: Browser, path: Path, **how: Any) -> Browser:
    browser.open(path, **how)
    browser.wait("document.documentElement.dataset.ready === 'yes'")
    return browser


def press(page: Browser, label: str) -> None:
    """Click a pass and wait for its IR."""
    number = page.script("return buttons.findIndex((b) => b.firstElementChild.innerText === arguments[0])", label)
    page.click(f'[data-step="{number}"]')
    page.wait(f"state.shown === {number}")
