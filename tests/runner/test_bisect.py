"""Passes that go wrong in every way we can think of, planted, and found by the commands that a writer of passes has."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = """
func.func @net(%x: tensor<24x24xf32>, %y: tensor<24x24xf32>) -> (tensor<24x24xf32>, tensor<24x1xf32>) {
  %sum = tosa.add %x, %y : (tensor<24x24xf32>, tensor<24x24xf32>) -> tensor<24x24xf32> loc("sum"("net.py":3:0))
  %turned = tosa.transpose %sum {perms = array<i32: 1, 0>}
      : (tensor<24x24xf32>) -> tensor<24x24xf32> loc("turned"("net.py":4:0))
  %low = tosa.tanh %turned : (tensor<24x24xf32>) -> tensor<24x24xf32> loc("low"("net.py":5:0))
  %rest = tosa.sub %x, %low : (tensor<24x24xf32>, tensor<24x24xf32>) -> tensor<24x24xf32> loc("rest"("net.py":6:0))
  %total = tosa.reduce_sum %rest {axis = 1 : i32} : (tensor<24x24xf32>) -> tensor<24x1xf32> loc("total"("net.py":7:0))
  return %low, %total : tensor<24x24xf32>, tensor<24x1xf32>
}
"""
ENDLESS = """
func.func @f(%x: tensor<4xf32>) -> tensor<4xf32> {
  %first = arith.constant 0 : index
  %step = arith.constant 1 : index
  %last = arith.constant 1000000000000 : index
  %y = scf.for %i = %first to %last step %step iter_args(%t = %x) -> tensor<4xf32> {
    %next = tosa.tanh %t : (tensor<4xf32>) -> tensor<4xf32>
    scf.yield %next : tensor<4xf32>
  }
  return %y : tensor<4xf32>
}
"""
PLANTED = '''
"""Passes with mistakes in them."""
import os
import time

from passes.mlir import arith, ir, math
from passes.schedule import find_all


def drops_an_add(module, target):
    """Lose one operand of each sum of two elements, at the pace that DAWDLE sets."""
    time.sleep(float(os.environ.get("DAWDLE", "0")))
    for op in find_all(module, "arith.addf"):
        if all(isinstance(v, ir.BlockArgument) and v.owner == op.block for v in op.operands) and "out" not in str(op):
            if len(list(op.block.arguments)) == 3 and "reduction" not in str(op.parent.attributes["iterator_types"]):
                op.results[0].replace_all_uses_with(op.operands[0])


def swaps_subscripts(module, target):
    """Read square matrices the wrong way round."""
    for op in find_all(module, "memref.load"):
        if list(ir.MemRefType(op.operands[0].type).shape) == [24, 24]:
            op.operands[1], op.operands[2] = op.operands[2], op.operands[1]


def forgets_the_tail(module, target):
    """End each outer loop one step early."""
    for op in find_all(module, "scf.for"):
        if op.parent.name == "func.func":
            with ir.InsertionPoint(op), op.location:
                op.operands[1] = arith.subi(op.operands[1], op.operands[2])


def adds_up_in_parallel(module, target):
    """Run a loop in parallel whose steps all write one cell."""
    for op in find_all(module, "scf.for"):
        body = op.regions[0].blocks[0]
        (step,) = body.arguments
        stores = [o.operation for o in body.operations if o.operation.name == "memref.store"]
        if not stores or any(step in list(store.operands) for store in stores):
            continue
        with op.location, ir.InsertionPoint(op):
            sizes = {"operandSegmentSizes": ir.DenseI32ArrayAttr.get([1, 1, 1, 0])}
            loop = ir.Operation.create("scf.parallel", operands=list(op.operands), regions=1, attributes=sizes)
            block = loop.regions[0].blocks.append(ir.IndexType.get())
        with op.location, ir.InsertionPoint(block):
            end = ir.Operation.create("scf.reduce")
        for inner in list(body.operations)[:-1]:
            inner.operation.move_before(end)
        step.replace_all_uses_with(block.arguments[0])
        op.erase()


def turns_signs(module, target):
    """Make sums differences."""
    for op in find_all(module, "arith.addf"):
        with ir.InsertionPoint(op), op.location:
            op.results[0].replace_all_uses_with(arith.subf(*op.operands))
        op.erase()


def turns_signs_back(module, target):
    """Make differences sums, which hides what another pass did wrong."""
    for op in find_all(module, "arith.subf"):
        if isinstance(op.operands[0], ir.BlockArgument) and "low" not in str(op.location) and "rest" not in str(op.location):
            with ir.InsertionPoint(op), op.location:
                op.results[0].replace_all_uses_with(arith.addf(*op.operands))
            op.erase()


def aborts(module, target):
    """Crash where there is a tanh."""
    if find_all(module, "math.tanh"):
        os.abort()


def hangs(module, target):
    """Never end where there is a tanh."""
    while find_all(module, "math.tanh"):
        time.sleep(1)


def breaks(module, target):
    """Leave a function that is not valid where there is a tanh."""
    if find_all(module, "math.tanh"):
        del find_all(module, "func.func")[0].attributes["function_type"]


def looks_up(module, target):
    """Ask for what is not there."""
    return {}["tile"]


def dawdles(module, target):
    """Take a while."""
    time.sleep(2)


def dawdles_more(module, target):
    """Take longer."""
    time.sleep(9)


def runs_away(module, target):
    """Let code read far behind the end of its memory."""
    for op in find_all(module, "memref.load"):
        with ir.InsertionPoint(op), op.location:
            op.operands[1] = arith.constant(ir.IndexType.get(), 1 << 40)
'''
PIPELINES = """
from passes import planted


def _behind(place, *passes):
    at = MIDEND.index(place) + 1
    return (*MIDEND[:at], *passes, *MIDEND[at:])


LOOPS = "func.func(convert-linalg-to-loops)"
PIPELINES["drops"] = _behind(generalize_moves, planted.drops_an_add)
PIPELINES["raises"] = _behind(generalize_moves, planted.looks_up)
PIPELINES["slow"] = _behind(generalize_moves, planted.dawdles, planted.dawdles_more)
PIPELINES["hides"] = _behind(generalize_moves, planted.turns_signs, planted.turns_signs_back)
for name in ("swaps_subscripts", "forgets_the_tail", "adds_up_in_parallel", "runs_away"):
    PIPELINES[name] = _behind(LOOPS, getattr(planted, name))
for name in ("aborts", "hangs", "breaks"):
    PIPELINES[name] = _behind(generalize_moves, getattr(planted, name))
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project, with the mistakes above in it, each in a pipeline of its own."""
    root = tmp_path_factory.mktemp("project")
    for folder in ("passes", "runner"):
        shutil.copytree(ROOT / folder, root / folder, ignore=shutil.ignore_patterns("__pycache__"))
    (root / "passes/planted.py").write_text(PLANTED)
    with (root / "passes/pipelines.py").open("a") as file:
        file.write(PIPELINES)
    return root


@pytest.fixture
def net(tmp_path: Path) -> Path:
    (tmp_path / "net.mlir").write_text(SOURCE)
    return tmp_path / "net.mlir"


def passes(*words: object, root: Path = ROOT, folder: Path = ROOT, status: int = 1) -> subprocess.CompletedProcess[str]:
    """`python -m passes` with these words."""
    done = subprocess.run(
        [sys.executable, "-m", "passes", *map(str, words)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == status, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done


def reproduced(said: str, root: Path, folder: Path) -> tuple[str, str]:
    """What the command that is named prints, and the file that it runs on; it finds the fault."""
    (command,) = re.findall(r"this shows it: python -m passes (.*)", said)
    words = shlex.split(command)
    done = passes(*words, root=root, folder=folder)
    assert "func.func" not in done.stdout
    return done.stdout + done.stderr, (folder / words[1]).read_text()


@pytest.mark.parametrize(
    ("pipeline", "culprit", "why", "operation"),
    [
        ("drops", "drops-an-add", "off by", "tosa.add, node sum at net.py:3"),
        ("swaps_subscripts", "swaps-subscripts", "off by", ""),
        ("forgets_the_tail", "forgets-the-tail", "not a number where it should not be", ""),
        ("adds_up_in_parallel", "adds-up-in-parallel", "a race", "tosa.reduce_sum, node total at net.py:7"),
        ("runs_away", "runs-away", "crashes with SIGSEGV", ""),
    ],
)
def test_a_pass_that_makes_numbers_wrong(
    pipeline: str, culprit: str, why: str, operation: str, project: Path, net: Path
) -> None:
    done = passes("bisect", "net.mlir", "--pipeline", pipeline, root=project, folder=net.parent)
    first, *_ = done.stdout.splitlines()
    assert first.startswith(f"net.mlir: right before {pipeline}: {culprit}, wrong after {pipeline}: {culprit}: ")
    assert why in first
    assert f"the operation: {operation}" in done.stdout
    assert re.search(r"cut down to 1 of 5 operations: net-before-" + culprit, done.stdout), done.stdout
    said, text = reproduced(done.stdout, project, net.parent)
    assert "wrong: " in said or "crashes with SIGSEGV" in said
    assert text.count("func.func") == 1


@pytest.mark.parametrize(
    ("pipeline", "fate"),
    [
        ("aborts", "crashes with SIGABRT"),
        ("hangs", "does not end within 30 s"),
        ("breaks", "fails: breaks: breaks: "),
    ],
)
def test_a_pass_that_does_not_come_back(pipeline: str, fate: str, project: Path, net: Path) -> None:
    done = passes(
        "bisect",
        "net.mlir",
        "--pipeline",
        pipeline,
        "--timeout",
        30 if pipeline == "hangs" else 300,
        root=project,
        folder=net.parent,
    )
    assert done.stdout.startswith(f"net.mlir: {pipeline}: {pipeline} {fate}")
    assert "what it was given is right" in done.stdout.splitlines()[0]
    assert "the operation: tosa.tanh, node low at net.py:5" in done.stdout
    said, text = reproduced(done.stdout, project, net.parent)
    assert f"{pipeline}: {pipeline} " in said and "math.tanh" in text and "arith.subf" not in text


def test_a_pass_that_raises(project: Path, net: Path) -> None:
    """Where it does is told, and no operation is blamed: it is the pass that cannot go on."""
    done = passes("bisect", "net.mlir", "--pipeline", "raises", root=project, folder=net.parent)
    line = next(i for i, text in enumerate(PLANTED.splitlines(), 1) if '"tile"' in text)
    first, *more = done.stdout.splitlines()
    raised = f"raises: looks-up raises KeyError: 'tile' (passes/planted.py:{line})"
    assert first == f"net.mlir: {raised}; what it was given is right"
    assert more[0] == "  cut down to 1 of 5 operations: net-before-looks-up.mlir" and len(more) == 2
    words = shlex.split(more[1].removeprefix("  this shows it: python "))
    shown = subprocess.run(
        [sys.executable, *words],
        cwd=net.parent,
        env={**os.environ, "PYTHONPATH": str(project)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert shown.returncode == 1 and "KeyError: 'tile'" in shown.stderr and not shown.stdout


def test_passes_that_take_longer_than_they_may(project: Path, net: Path) -> None:
    """The one that runs when time is up need not be at fault."""
    words = ("bisect", "net.mlir", "--pipeline", "slow", "--timeout", 5)
    done = passes(*words, root=project, folder=net.parent, status=2)
    assert not done.stdout
    assert re.fullmatch(
        r"ran out of time: net.mlir: its passes, of which \d+ were begun, the last of them slow: dawdles[-\w]*, "
        r"take longer than 5 s; --timeout SECONDS, with doit timeout=SECONDS, gives more",
        done.stderr.splitlines()[-1],
    )


def test_a_file_that_runs_longer_than_it_may(tmp_path: Path) -> None:
    (tmp_path / "x.mlir").write_text(ENDLESS)
    done = passes("bisect", "x.mlir", "--timeout", 8, folder=tmp_path, root=ROOT, status=2)
    assert done.stderr.splitlines()[-1].startswith(
        "ran out of time: x.mlir: the code of the plain lowering takes longer than 8 s;"
    )


def test_progress_where_nobody_watches(project: Path, net: Path) -> None:
    done = passes("bisect", "net.mlir", "--pipeline", "drops", root=project, folder=net.parent)
    first, second, *runs = done.stderr.splitlines()
    count = int(re.fullmatch(r"net.mlir: runs the (\d+) passes of drops", first)[1])
    assert count > 40 and second == "net.mlir: runs the file itself, on drawn inputs"
    found = [re.fullmatch(r"net.mlir: run (\d+) of about (\d+): what (.+), state (\d+) of (\d+)", line) for line in runs]
    searched = [match for match in found if match]
    assert [int(match[1]) for match in searched] == [*range(1, len(searched) + 1)] and len(searched) > 2
    assert len(searched) <= int(searched[0][2]) and len({match[5] for match in searched}) == 1
    assert searched[0][3] == "the passes were given" and searched[1][4] == searched[1][5]
    assert "drops: drops-an-add left" in [match[3] for match in searched]
    cut = "net.mlir: cuts down what drops: drops-an-add was given: tries 5 cuts of up to 1 of 5 operations"
    assert runs[len(searched)] == cut and runs[-1].startswith("tries python -m passes run net-before-drops-an-add.mlir")


def test_progress_on_a_terminal(project: Path, net: Path) -> None:
    """It goes to the terminal and is wiped from it; what is found goes to stdout, a file here."""
    terminal, end = pty.openpty()
    with (net.parent / "found.txt").open("w") as found:
        child = subprocess.Popen(
            [sys.executable, "-m", "passes", "bisect", "net.mlir", "--pipeline", "drops"],
            cwd=net.parent,
            env={**os.environ, "PYTHONPATH": str(project), "TERM": "xterm", "COLUMNS": "160", "DAWDLE": "0.5"},
            stdout=found,
            stderr=end,
        )
    os.close(end)
    shown = b""
    with contextlib.suppress(OSError):  # the end of a terminal
        while part := os.read(terminal, 4096):
            shown += part
    assert child.wait(60) == 1
    os.close(terminal)
    text = shown.decode()
    assert re.search(r"runs the \d+ passes of drops, \d+ of \d+: drops: [-\w#]+", text)
    assert re.search(r"\d+ s  net.mlir: run 1 of about \d+: what the passes were given", text)
    assert text.rstrip().endswith(("\x1b[2K", "\x1b[?25h"))
    found_there = (net.parent / "found.txt").read_text()
    assert found_there.startswith("net.mlir: right before drops: drops-an-add, wrong after") and "\x1b" not in found_there


def test_a_fault_that_a_later_pass_hides(project: Path, net: Path) -> None:
    words = ("bisect", "net.mlir", "--pipeline", "hides")
    done = passes(*words, root=project, folder=net.parent, status=0)
    assert re.fullmatch(
        r"net.mlir: right after the last of \d+ passes; --every, with doit every=on, looks behind each of them\n", done.stdout
    )
    done = passes(*words, "--every", root=project, folder=net.parent)
    assert done.stdout.startswith("net.mlir: right before hides: turns-signs, wrong after hides: turns-signs: ")
    assert re.search(r"\d+ of \d+ states between \d+ passes were run, all in order", done.stdout)


def test_pipelines_without_mistakes(net: Path) -> None:
    done = passes("bisect", net, "--every", status=0)
    assert re.fullmatch(r"\S+net.mlir: right after each of \d+ passes \(\d+ changed something\)\n", done.stdout)


def test_a_check_that_finds_nothing(net: Path) -> None:
    done = passes("run", net, "--pipeline", "midend", "--check", status=0)
    assert done.stdout == f"{net}: the numbers are the same before and after\n" and not done.stderr
    left = net.with_name("left.mlir")
    passes("run", net, "--pipeline", "midend", "--check", "-o", left, status=0)
    assert "func.func @net" in left.read_text()


@pytest.mark.parametrize(
    ("text", "words", "sentence"),
    [
        ("func.func @f(", (), "x.mlir is not valid MLIR: "),
        ("module {}", (), "x.mlir holds no operation; expected a module with a function"),
        ("func.func @f(%x: tensor<?xf32>) { return }", (), "'f' takes or returns tensor<?xf32>; expected"),
        ("func.func @f(%x: f32) { return }", (), "'f' takes or returns f32; expected tensors and memory of fixed sizes"),
        (
            SOURCE,
            ("--pipeline", "midedn"),
            "no pipeline 'midedn'; there are midend, backend, midend-sequential; did you mean 'midend'?",
        ),
        (SOURCE, ("--function", "nett"), "no function 'nett' with a body"),
        (SOURCE, ("--cases", "gone.json"), "gone.json"),
    ],
)
def test_what_cannot_be_searched(text: str, words: tuple[str, ...], sentence: str, tmp_path: Path) -> None:
    (tmp_path / "x.mlir").write_text(text)
    done = passes("bisect", "x.mlir", *words, root=ROOT, folder=tmp_path, status=2)
    assert sentence in done.stderr.splitlines()[-1] and not done.stdout, done.stderr
    assert "x.mlir: x.mlir" not in done.stderr


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    done = passes("bisect", "gone.mlir", folder=tmp_path, status=2)
    assert done.stderr.splitlines()[-1] == "gone.mlir: No such file or directory; expected a file of MLIR"
