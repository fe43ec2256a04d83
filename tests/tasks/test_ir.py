"""The pages of `doit ir`, in a browser: IR after each pass, diffs, search, and the way from Python to assembly."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from frontend.capture.model import configure, graph_of
from frontend.emit import emit_graph
from model import deepseek_r1_block
from passes import pipelines, stages, targets
from passes.snapshots import Snapshot
from passes.steps import steps_of
from passes.translate import to_llvm_ir
from runner.objects import to_assembly
from tasks.pages import ir
from tasks.pages.template import render
from tests.browser import Browser, browser, chromium
from tests.pages import LINES, make, opened, press

__all__ = ["browser", "chromium"]

ROOT = Path(__file__).parents[2]
SMALL = {"hidden_size": "64", "intermediate_size": "96", "num_heads": "4", "num_kv_heads": "2", "head_dim": "16"}
NATIVE = targets.find("native")


@pytest.fixture(scope="module")
def block(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The module of a small decoder block, in a folder of its own."""
    path = tmp_path_factory.mktemp("block") / "subgraph0.mlir"
    graph = graph_of(deepseek_r1_block, configure(deepseek_r1_block, SMALL), "f32")
    stages.write(emit_graph(graph, "deepseek_r1_block", "f32").subgraph0, path)
    return path


@pytest.fixture(scope="module")
def html(block: Path) -> Path:
    return make(block)


@pytest.fixture
def page(browser: Browser, html: Path) -> Browser:
    return opened(browser, html)


def after(block: Path, label: str) -> list[str]:
    """The lines of a module after a pass of the midend, as MLIR prints them."""
    module, steps = stages.read(block), steps_of(pipelines.MIDEND)
    index = [step.label for step in steps].index(label)
    pipelines.run(module, "midend", NATIVE, steps[: index + 1])
    return str(module).rstrip("\n").split("\n")


def lowered(block: Path) -> str:
    module = stages.read(block)
    for name in pipelines.PIPELINES:
        pipelines.run(module, name, NATIVE)
    return to_llvm_ir(module)


def of_mlir(line: str) -> str:
    """A line but for its indentation and for how values are numbered."""
    return re.sub(r"%[\w$.-]+|#map\d*|\^bb\d+", "%", line.strip())


@pytest.mark.parametrize("label", ["tosa-to-linalg", "canonicalize#5", "lower-products", "cse#9"])
def test_a_click_on_a_pass_shows_the_ir_after_it(page: Browser, block: Path, label: str) -> None:
    press(page, label)
    lines = after(block, label)
    assert page.script(LINES.format("left")) == lines
    shown = page.script("return [...document.querySelectorAll('#left .row code')].map((code) => code.textContent)")
    assert shown == lines[: len(shown)] and len(shown) > 20


def test_every_pass_is_there_with_its_time_operations_and_size(page: Browser, block: Path) -> None:
    names = page.script("return buttons.map((b) => b.firstElementChild.innerText)")
    assert names == ["subgraph0.mlir", *(s.label for p in pipelines.PIPELINES.values() for s in steps_of(p))]
    steps = page.script("return page.steps")
    assert all(step["ms"] > 0 for step in steps[1:])
    press(page, "schedule-products")
    assert re.search(r"linalg \d+ [+\u2212]\d+", page.text("#legend"))
    lines = after(block, "schedule-products")
    assert f"{len(lines):,} lines" in page.text("#size")
    assert steps[-1]["ops"].keys() <= {"llvm", "omp", "builtin"}


def test_the_page_of_a_build_for_one_thread_has_its_passes(browser: Browser, block: Path, tmp_path: Path) -> None:
    ir.page([block], [tmp_path / "page.html"], "native", parallel="off")
    names = opened(browser, tmp_path / "page.html").script("return buttons.map((b) => b.firstElementChild.innerText)")
    assert names[1:] == [s.label for name in pipelines.chain(parallel=False) for s in steps_of(pipelines.find(name))]


def test_the_diff_leads_from_the_text_before_to_the_text_after(page: Browser, block: Path) -> None:
    press(page, "tosa-to-linalg")
    page.click("#diff")
    page.wait("left.runs.runs.some((run) => run.kind === 'new')")
    old = page.script(LINES.format("left").replace("runs.runs.", "runs.runs.filter((r) => r.kind !== 'new')."))
    new = page.script(LINES.format("left").replace("runs.runs.", "runs.runs.filter((r) => r.kind !== 'old')."))
    assert new == after(block, "tosa-to-linalg")
    assert [*map(of_mlir, old)] == [*map(of_mlir, after(block, "tosa-make-broadcastable"))]
    counts = page.script("return [...document.querySelectorAll('#left .row.new, #left .row.old')].length")
    assert counts > 5
    colours = page.script(
        "return ['new', 'old', 'same'].map((k) => getComputedStyle(document.querySelector(`.${k}`)).backgroundColor)"
    )
    assert len(set(colours)) == 3
    page.click("#left .fold")
    page.wait("left.runs.runs[0].kind !== 'fold'")
    page.click("#whole")
    page.wait("left.runs.runs.length === 1")


def test_what_a_pass_leaves_alone_says_so(page: Browser) -> None:
    number = page.script("return page.steps.findIndex((step) => step.name && !step.changed)")
    assert "no change" in page.text(f'[data-step="{number}"]')
    page.click(f'[data-step="{number}"]')
    page.wait(f"state.shown === {number}")
    page.click("#diff")
    page.wait("left.runs.runs.every((run) => run.kind !== 'new' && run.kind !== 'old')")
    page.click("#whole")


def test_search_finds_an_operation_in_every_pass(page: Browser, block: Path) -> None:
    press(page, "tosa-to-linalg-named")
    page.type("/")
    page.type("linalg.batch_matmul")
    page.wait("document.getElementById('found').textContent.includes('found after')")
    lines = after(block, "tosa-to-linalg-named")
    expected = [i for i, line in enumerate(lines) if "linalg.batch_matmul" in line]
    assert len(expected) > 1
    hits = "document.querySelector('[aria-current=true] .hits').textContent"
    assert page.script(f"return {hits}") == str(len(expected))
    assert page.script("return left.at") == expected[0]
    assert page.text("#left mark") == "linalg.batch_matmul"
    page.script("document.activeElement.blur()")
    page.type("n")
    page.wait(f"left.at === {expected[1]}")
    page.type("N")
    page.wait(f"left.at === {expected[0]}")
    absent = page.script("return buttons.at(-1).querySelector('.hits').textContent")
    assert absent == "", "nothing of it is left in the end"


@pytest.mark.parametrize(("words", "said"), [("no such thing", "not found"), ("/(/", "not a regular expression")])
def test_a_search_in_vain_says_so(page: Browser, words: str, said: str) -> None:
    page.script("document.getElementById('search').focus()")
    page.type(words)
    page.wait(f"document.getElementById('found').textContent === '{said}'")


def test_an_operation_leads_to_its_line_of_python_and_to_its_assembly(page: Browser, block: Path) -> None:
    press(page, "tosa-to-linalg-named")
    line = next(i for i, text in enumerate(after(block, "tosa-to-linalg-named")) if "linalg.batch_matmul" in text)
    page.script(f"left.reveal({line})")
    page.click(f'#left .row[data-row="{line}"] .no')
    link = page.wait("document.querySelector('#origin a[data-line]')?.innerText")
    file, _, number = link.rpartition(":")
    assert file == "model/deepseek_r1_block.py"
    page.click("#origin a[data-line]")
    page.wait("document.querySelector('#right .row.akin')")
    source = (ROOT / file).read_text().splitlines()[int(number) - 1]
    assert page.text("#right .row.akin code") == source
    assert "@" in source or "Linear" in source or "_proj" in source, source
    for name in ("LLVM IR", "assembly"):
        index = page.script("return page.listings.findIndex((listing) => listing.name === arguments[0])", name)
        said = page.text(f'#origin a[data-listing="{index}"]')
        page.click(f'#origin a[data-listing="{index}"]')
        page.wait(f"state.listing === {index} && document.querySelector('#right .row.akin.at')")
        akin = page.script("let n = 0; for (let i = 0; i < right.runs.count; i++) n += akin(right.runs.row(i)); return n")
        assert akin > 10 and said == f"{name}: {akin:,} lines"
    assert re.search(r"v?f\w*ma|mul|v?dp", " ".join(page.script(AKIN_LINES))), "a product multiplies"


AKIN_LINES = """
const found = [];
for (let i = 0; i < right.runs.count; i++) if (akin(right.runs.row(i))) found.push(table[right.runs.row(i).id]);
return found;"""


def test_a_line_of_python_leads_to_its_operations(page: Browser) -> None:
    press(page, "tosa-to-linalg-named")
    lines = (ROOT / "model/deepseek_r1_block.py").read_text().splitlines()
    line = next(i for i, text in enumerate(lines) if "sigmoid" in text or "silu" in text)
    page.script(f"right.reveal({line})")
    page.click(f'#right .row[data-row="{line}"] .no')
    page.wait("document.querySelector('#left .row.akin')")
    assert "sigmoid" in page.text("#origin")


def test_the_code_that_is_shown_is_the_code_that_is_built(page: Browser, block: Path) -> None:
    """Line tables change nothing but what tells how to unwind the stack."""
    text = lowered(block)
    for name, expected in {"LLVM IR": text, "assembly": to_assembly(text, "x", NATIVE)}.items():
        index = page.script("return page.listings.findIndex((listing) => listing.name === arguments[0])", name)
        page.script(f"return showListing({index})")
        page.wait(f"state.listing === {index}")
        wanted = [line for line in expected.rstrip("\n").split("\n") if not line.startswith("\t.cfi_")]
        assert page.script(LINES.format("right")) == wanted


def test_the_keyboard(page: Browser) -> None:
    page.script("document.activeElement.blur()")
    at = "return state.step"
    for key, where in [("j", 1), ("j", 2), ("k", 1), ("\ue015", 2), ("\ue013", 1), ("k", 0), ("k", 0)]:
        page.type(key)
        page.wait(f"state.step === {where}")
    page.type("jjd")
    page.wait("state.diff && document.getElementById('diff').getAttribute('aria-pressed') === 'true'")
    page.type("/j")
    page.wait("document.getElementById('search').value === 'j'")
    assert page.script(at) == 2


def test_a_page_opens_at_the_pass_of_its_address(page: Browser, html: Path) -> None:
    press(page, "lower-products")
    address = page.script("return location.href")
    page.driver.get("about:blank")
    page.driver.get(address)
    page.wait("document.documentElement.dataset.ready === 'yes'")
    assert page.text("#title") == "lower-products"


def test_a_phone_shows_it_without_scrolling_sideways(browser: Browser, html: Path) -> None:
    page = opened(browser, html, wide=360, high=740)
    press(page, "lower-products")
    wide, screen = page.script("return [document.documentElement.scrollWidth, innerWidth]")
    assert wide <= screen == 360
    assert page.script("return document.querySelectorAll('#left .row').length") > 10


def test_dark_and_light(browser: Browser, html: Path) -> None:
    def brightness(dark: bool) -> tuple[float, float]:
        page = opened(browser, html, dark=dark)
        colours = page.script("const s = getComputedStyle(document.body); return [s.backgroundColor, s.color]")
        ground, text = (sum(map(int, re.findall(r"\d+", colour)[:3])) / 3 for colour in colours)
        return ground, text

    (light, on_light), (dark, on_dark) = brightness(False), brightness(True)
    assert light > 200 > 100 > on_light and dark < 60 < 180 < on_dark


def test_it_needs_nothing_from_elsewhere(html: Path) -> None:
    text = html.read_text()
    assert re.findall(r"(?:src|href)=\"(?!#|data:)[^\"]*\"|@import|url\(", text) == []


def test_the_page_of_a_large_module_stays_small(browser: Browser, tmp_path: Path) -> None:
    """30 snapshots of 25,000 lines: 48 MB of IR. What is in the document does not grow with it."""

    def body(pass_: int) -> str:
        ops = (f"    %{i + pass_} = arith.addf %{i}, %{i + 1} fastmath<reassoc> : vector<{i % 7}xf32>" for i in range(25_000))
        lines = [line if i % 500 != pass_ else line.replace("addf", "mulf") for i, line in enumerate(ops)]
        return "\n".join(["module {", *lines, "}"])

    made = ir.Page(tmp_path / "large.mlir")
    size = 0
    for number in range(30):
        size += len(text := body(number))
        made.add(Snapshot("midend" if number else "", f"pass{number}", "", 0.01, text, {"arith": 25_000}))
    assert size > 40e6
    shown = made.plain() | {"module": "large", "build": "large", "target": "native", "fault": ""}
    packed = [document.packed() for document in made.documents.all]
    path = tmp_path / "large.html"
    path.write_text(render("ir.html.jinja", page=shown, table=made.documents.table(), documents=packed))
    page = opened(browser, path)
    for label in ("pass7", "pass29", "pass1"):
        press(page, label)
        assert nodes(page) < 4000
        page.script("left.element.scrollTop = 12345 * 18")
        page.wait("document.querySelector('#left .row[data-row=\"12345\"]')")
        assert nodes(page) < 4000
    assert page.text('#left .row[data-row="12345"] code') == body(1).split("\n")[12345]
    page.click("#diff")
    page.wait("left.runs.runs.length > 50")
    assert nodes(page) < 4000
    page.script("document.getElementById('search').focus()")
    page.type("mulf")
    page.wait("document.getElementById('found').textContent.includes('found after 30 passes')")


def nodes(page: Browser) -> int:
    return int(page.script("return document.querySelectorAll('*').length"))


def test_large_constants_are_left_out(browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "subgraph0.mlir"
    values = ", ".join(str(i + 0.125) for i in range(4000))
    constant = f"%c = arith.constant dense<[{values}]> : tensor<4000xf32>"
    path.write_text(f"func.func @f() -> tensor<4000xf32> {{\n  {constant}\n  return %c : tensor<4000xf32>\n}}\n")
    page = opened(browser, make(path))
    assert "dense_resource<__elided__>" in "".join(page.script(LINES.format("left")))


def test_doit_makes_pages_and_only_those_that_something_changes(tmp_path: Path) -> None:
    def doit() -> set[str]:
        command = [sys.executable, "-m", "doit", f"build={tmp_path}", "model=mlp", "ir"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return {line.split()[1] for line in done.stdout.splitlines() if line.startswith(".  ir")}

    assert doit() == {"ir:forward", "ir:subgraph0"}
    assert {path.name for path in (tmp_path / "mlp/ir").iterdir()} == {"forward.html", "subgraph0.html"}
    assert doit() == set()
    (tmp_path / "mlp/ir/forward.html").unlink()
    assert doit() == {"ir:forward"}
