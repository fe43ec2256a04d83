"""What somebody reads who made a mistake: one sentence with the line of their code, an exit status, and the rest goes on."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.projects import copied

MODEL = '''"""A model with a mistake."""
from dataclasses import dataclass
import torch
from torch import nn
{imports}
TOLERANCE = 1e-5

@dataclass(frozen=True)
class Config:
    n: int = 4

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        {init}

    def forward(self, x):
        {forward}
        return x + 1

def build(config):
    return Net()

def inputs(config):
    return {{"x": torch.ones(config.n, config.n)}}
'''
IMPORTS, INIT, FORWARD = 5, 15, 18  # lines
MISTAKES = {
    "imports": ({"imports": "import no_such_thing"}, "ModuleNotFoundError: No module named 'no_such_thing'", IMPORTS),
    "init": ({"init": "raise ValueError('no such size')"}, "ValueError: no such size", INIT),
    "reads": ({"init": "open('no_such_file')"}, "no_such_file: No such file or directory", INIT),
    "forward": ({"forward": "assert x.shape[0] == 5"}, "AssertionError: assert x.shape[0] == 5", FORWARD),
    "shapes": ({"forward": "x = x @ torch.ones(3, 3)"}, "RuntimeError: a and b must have same reduction dim", FORWARD),
    "branches": (
        {"forward": "x = x if x.sum() > 0 else x + 2"},
        "torch.export cannot make one graph of Net: Could not guard on data-dependent expression",
        FORWARD,
    ),
}
LOWERS = {"lowers": "x = torch.randn_like(x)", "squeezes": "x = x.unsqueeze(0)"}  # the lines of models that are right
DOES = '    """Replace math.exp on f32 scalars."""\n'  # a pass
EMPTY = "x.mlir holds no operation; expected a module with a function, such as `doit frontend` makes"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project, with models that are wrong."""
    root = copied(tmp_path_factory.mktemp("project"))
    mistakes = {name: mistake for name, (mistake, _, _) in MISTAKES.items()}
    for name, mistake in (mistakes | {name: {"forward": line} for name, line in LOWERS.items()}).items():
        lines = dict.fromkeys(("imports", "init", "forward"), "pass") | mistake
        (root / f"model/{name}.py").write_text(MODEL.format(**lines))
    return root


def say(root: Path, *words: object, status: int) -> str:
    """What `python -m` with these words says, in any stream."""
    done = subprocess.run(
        [sys.executable, "-m", *map(str, words)],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == status, done.stdout
    assert "Traceback" not in done.stdout, done.stdout
    return done.stdout


def once(said: str, sentence: str) -> str:
    """The only line that has the sentence."""
    (line,) = [line.strip() for line in said.splitlines() if sentence in line]
    return line


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_in_a_model(root: Path, name: str) -> None:
    _, fault, line = MISTAKES[name]
    said = say(root, "doit", f"model={name}", "run", status=2)
    sentence = once(said, fault)
    assert f" (model/{name}.py:{line})" in sentence, said
    assert once(said, "again, alone:") == f"again, alone: doit model={name} frontend:capture"
    assert len(said.splitlines()) == 4, said
    log = root / f"build/{name}/.state/frontend-capture.log"
    assert log.read_text().startswith(sentence.partition("; see ")[0])
    if name != "reads":  # which the system says in a sentence
        assert sentence.endswith(f"; see {log.relative_to(root)}")
        assert f'model/{name}.py", line {line}' in log.read_text(), "the traceback"


def test_a_mistake_without_a_line_of_the_model(root: Path) -> None:
    """Layers in a row have only their own."""
    (root / "model/narrow.py").write_text((root / "model/mlp.py").read_text().replace("(config.features,", "(7,"))
    said = say(root, "doit", "model=narrow", "run", status=2)
    assert re.search(r": a and b must have same reduction dim.* \(torch/nn/modules/linear\.py:\d+\); see ", said)


@pytest.mark.parametrize("command", ["verify", "ir", "bisect", "onestep"])
def test_whatever_needs_the_model(root: Path, command: str) -> None:
    said = say(root, "doit", "model=init", command, status=1 if command == "onestep" else 2)
    assert once(said, "ValueError: no such size (model/init.py:15)")


def test_an_operator_that_nobody_lowers(root: Path) -> None:
    said = say(root, "doit", "model=lowers", "midend", status=2)
    assert once(said, "randn_like: aten.randn_like.default (4x4xf32) -> 4x4xf32 at model/lowers.py:18")
    assert once(said, "no lowering for 1 node") and once(said, "add a row or a function to one of frontend/ops/tosa")


def test_a_lowering_that_raises(root: Path) -> None:
    """The node, its line of the model and the line of the lowering."""
    path = root / "frontend/ops/tosa.py"
    head = "def squeeze(out: ir.Type, self: ir.Value, **_: Any) -> ir.Value:\n"
    with edited(path, head, f"{head}    raise KeyError('planted')\n"):
        line = path.read_text().splitlines().index("    raise KeyError('planted')") + 1
        said = say(root, "doit", "model=squeezes", "midend", status=2)
    sentence = once(said, f"at model/squeezes.py:{FORWARD}: its tosa lowering failed: KeyError: 'planted'")
    assert f"(frontend/ops/tosa.py:{line}); see " in sentence


def test_a_report_tells_which_stage_failed_and_why(root: Path) -> None:
    """Until it succeeds."""
    words = ("doit", "model=init", "build=reported")
    page = root / "reported/report/index.html"
    say(root, *words, "frontend", status=2)
    assert say(root, *words, "report", status=0) == "reported/report/index.html\n"
    (alert,) = re.findall(r'<p class="alert" role="alert">(.*?)</p>', page.read_text())
    assert alert.startswith("frontend:capture failed: ValueError: no such size (model/init.py:15); <code>doit model=init ")
    assert 'class="task failed" data-task="frontend:capture"' in page.read_text()
    raising = "raise ValueError('no such size')"
    with edited(root / "model/init.py", raising, "pass"):
        say(root, *words, "frontend", status=0)
        say(root, *words, "report", status=0)
    assert 'role="alert"' not in page.read_text()


@contextmanager
def edited(file: Path, old: str, new: str) -> Iterator[None]:
    """A file with another text, for a while."""
    text = file.read_text()
    assert text.count(old) == 1
    file.write_text(text.replace(old, new))
    try:
        yield
    finally:
        file.write_text(text)


@contextmanager
def in_a_pass(root: Path, line: str) -> Iterator[str]:
    """The project with a line more in a pass, and where that is, as `file:line`."""
    file = root / "passes/expand_exp.py"
    with edited(file, DOES, f"{DOES}    {line}\n"):
        yield f"passes/expand_exp.py:{file.read_text().splitlines().index(f'    {line}') + 1}"


def test_a_pass_that_raises(root: Path) -> None:
    """A sentence for each module, with a command that repeats it; and a page of `doit ir` says it every time."""
    with in_a_pass(root, "raise KeyError('planted')") as place:
        fault = f"midend: expand-exp: KeyError: 'planted' ({place})"
        said = say(root, "doit", "model=mlp", "run", status=2)
        for part in ("forward", "subgraph0"):
            command = f"python -m passes run build/mlp/{part}.mlir --pipeline midend --target native --stop-after expand-exp"
            log = f"build/mlp/.state/midend-{part}.log"
            assert once(said, f"{part}.mlir --pipeline") == f"{fault}; `{command}` repeats it; see {log}"
            assert "in expand_exp" in (root / log).read_text()
        repeated = say(root, *shlex.split(command)[2:], status=1)
        assert once(repeated, "KeyError") == fault
        assert "expand-exp failed; what it was given is in build/mlp/subgraph0-before-expand-exp.mlir, and " in repeated
        for _ in range(2):
            said = say(root, "doit", "model=mlp", "ir", status=2)
            ends = "the page ends where its lowering does"
            assert once(said, "subgraph0.mlir: ").startswith(f"build/mlp/subgraph0.mlir: {ends}: {fault}; see ")
            assert f"{ends}: midend: expand-exp: KeyError" in (root / "build/mlp/ir/subgraph0.html").read_text()


def test_a_pass_that_cannot_be_imported(root: Path) -> None:
    with in_a_pass(root, "this is no Python") as place:
        said = say(root, "doit", "model=mlp", "midend:subgraph0", status=1)
        assert once(said, f"SyntaxError: invalid syntax ({place})")
        for words in (["list"], ["run", "build/mlp/forward.mlir", "--pipeline", "midend"]):
            assert once(say(root, "passes", *words, status=1), f"SyntaxError: invalid syntax ({place})")


def test_a_pass_that_ends_the_process(root: Path) -> None:
    """As if all were well, before the passes behind it have run."""
    say(root, "doit", "model=mlp", "frontend", status=0)
    with in_a_pass(root, "raise SystemExit(0)"):
        said = say(root, "doit", "model=mlp", "bisect", status=1)
    assert once(said, "midend: expand-exp fails: it ends the process as if all were done; what it was given is right")


def test_a_helper_of_a_pass_that_raises(root: Path) -> None:
    """The line of the pass and that of the helper, and for who runs passes by hand every line between."""
    with in_a_pass(root, "find_all(None, 'x')") as place:
        said = say(root, "doit", "model=mlp", "midend:forward", status=1)
        assert re.search(rf"\({place}, in passes/schedule\.py:\d+\)", once(said, "midend: expand-exp: AttributeError: "))
        said = say(root, "passes", "run", "build/mlp/forward.mlir", "--pipeline", "midend", "-o", os.devnull, status=1)
    assert once(said, f"{place}: find_all(None, 'x')")


def test_an_answer_that_is_wrong_says_what_is_next(root: Path) -> None:
    words = ("model=softmax", "rows=2", "columns=8", "iterations=1", "warmup=0")
    with edited(root / "passes/expand_exp.py", "5.0000001201e-1", "5.0000001201e-2"):
        said = say(root, "doit", *words, "run", status=1)
    assert once(said, "Wrong answer: ")
    again = " ".join(["doit", *words])
    assert f"`{again} verify` tells from which stage on, `{again} bisect` from which pass" in once(said, "the answer is wrong")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "x.mlir holds no operation; expected a module with a function, such as `doit frontend` makes"),
        (
            "// nothing\nmodule {}\n",
            "x.mlir holds no operation; expected a module with a function, such as `doit frontend` makes",
        ),
        ("func.func @f() { return %q : f32 }", 'x.mlir is not valid MLIR: "x.mlir":1:25: use of undeclared SSA value name'),
    ],
)
def test_a_file_of_no_use(root: Path, text: str, sentence: str) -> None:
    (root / "x.mlir").write_text(text)
    for words in (("run", "x.mlir", "--pipeline", "midend"), ("bisect", "x.mlir")):
        assert once(say(root, "passes", *words, status=2), sentence) == sentence


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["midned"], "no task, file or command 'midned'; did you mean 'midend'? `doit list` says what they do"),
        (["frontend:captur"], "no task, file or command 'frontend:captur'; did you mean 'frontend:capture'?"),
        (["benchmark"], "did you mean 'benchmarks'?"),
        (["nosuch"], "no task, file or command 'nosuch'; the tasks are frontend, midend, backend, "),
        (["plan", "midned"], "did you mean 'midend'?"),
        (["list", "midned"], "did you mean 'midend'?"),
        (["info", "midned"], "did you mean 'midend'?"),
        (["clean", "midned"], "did you mean 'midend'?"),
        (["forget", "midned"], "did you mean 'midend'?"),
        (["model=nosuch"], "no model 'nosuch'. model/ has: bert, "),
        (["nosuch=3"], "nosuch=: nothing takes it. Known for "),
        (["benchmarks", "nosuch"], "no benchmark 'nosuch'. There are: block, "),
    ],
)
def test_names_that_are_none(root: Path, words: Sequence[str], sentence: str) -> None:
    said = say(root, "doit", *words, status=3)
    assert once(said, sentence).startswith("ERROR: ") and len(said.splitlines()) == 1


def test_the_list_has_what_looks_like_tasks(root: Path) -> None:
    lines = say(root, "doit", "list", status=0).splitlines()
    names = [line.split()[0] for line in lines]
    assert names[:4] == ["frontend", "midend", "backend", "codegen"] and names[-2:] == ["benchmarks", "report"]
    assert all(len(line.split()) > 3 for line in lines)


@pytest.mark.parametrize("seconds", ["-3", "0", "nan", "inf", "soon"])
def test_a_time_limit_that_is_none(root: Path, seconds: str) -> None:
    (root / "x.mlir").write_text("")
    for words in (("run", "x.mlir", "--pipeline", "midend"), ("bisect", "x.mlir")):
        said = say(root, "passes", *words, "--timeout", seconds, status=2)
        assert f"argument --timeout: {seconds}: expected a number of seconds, more than 0" in said


def test_a_benchmark_of_a_model_with_a_mistake(root: Path) -> None:
    path = root / "model/kernels/softmax.py"
    with edited(path, "    return nn.Softmax", "    raise KeyError('rows')\n    return nn.Softmax"):
        line = path.read_text().splitlines().index("    raise KeyError('rows')") + 1
        said = say(root, "doit", "benchmarks", "softmax", "size=mini", status=1)
    assert f"frontend:capture: KeyError: 'rows' (model/kernels/softmax.py:{line})" in " ".join(said.split())
