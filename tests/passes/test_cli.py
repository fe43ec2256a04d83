"""`python -m passes` as its users type it: parts of pipelines, what is wrong said in a sentence, crashes, hangs, completion."""

import importlib
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from frontend.capture.model import configure, graph_of
from frontend.emit import emit_graph
from passes import pipelines, stages
from passes.command import listing
from passes.command.run import timing
from passes.steps import bare, steps_of

ROOT = Path(__file__).parents[2]
SMALL = {"hidden_size": "64", "intermediate_size": "96", "num_heads": "4", "num_kv_heads": "2", "head_dim": "16"}
SUMS = """func.func @f(%x: tensor<4xf32>) -> tensor<4xf32> {
  %y = tosa.add %x, %x : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  return %y : tensor<4xf32>
}
"""
PLANTED = '''
import os
import time

def adds_a_mark(module, target):
    """Give the module an attribute."""
    from passes.mlir import ir
    module.attributes["sluice.mark"] = ir.UnitAttr.get(module.context)

def raises(module, target):
    raise ZeroDivisionError("planted")

def fails(module, target):
    from passes.schedule import ScheduleError
    raise ScheduleError("planted")

def aborts(module, target):
    os.abort()

def hangs(module, target):
    time.sleep(600)

def breaks(module, target):
    next(iter(module.regions[0].blocks[0].operations)).attributes.__delitem__("function_type")
'''
PIPELINE = """
from passes.planted import aborts, adds_a_mark, breaks, fails, hangs, raises
for planted in (aborts, breaks, fails, hangs, raises):
    PIPELINES[planted.__name__] = ("canonicalize", adds_a_mark, planted, "cse")
PIPELINES["misspelt"] = ("canonicalise",)
"""


def passes(*words: object, root: Path = ROOT, folder: Path | None = None, status: int = 0) -> subprocess.CompletedProcess[str]:
    """`python -m passes` with these words."""
    done = subprocess.run(
        [sys.executable, "-m", "passes", *map(str, words)],
        cwd=folder or root,
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == status, done.stderr
    return done


@pytest.fixture(scope="module")
def block(tmp_path_factory) -> Path:
    """The block's module at small sizes."""
    model = importlib.import_module("model.deepseek_r1_block")
    emitted = emit_graph(graph_of(model, configure(model, SMALL), "f32"), "deepseek_r1_block", "f32")
    path = tmp_path_factory.mktemp("block") / "subgraph0.mlir"
    stages.write(emitted.subgraph0, path)
    return path


@pytest.fixture
def sums(tmp_path: Path) -> Path:
    (tmp_path / "sums.mlir").write_text(SUMS)
    return tmp_path / "sums.mlir"


@pytest.fixture(scope="module")
def planted(tmp_path_factory) -> Path:
    """A project whose pipelines have passes that raise, abort and hang."""
    root = tmp_path_factory.mktemp("planted")
    shutil.copytree(ROOT / "passes", root / "passes", ignore=shutil.ignore_patterns("__pycache__"))
    (root / "passes/planted.py").write_text(PLANTED)
    with (root / "passes/pipelines.py").open("a") as file:
        file.write(PIPELINE)
    return root


@pytest.mark.parametrize(
    ("pipeline", "places"),
    [
        ("midend", ["signless-integers", "canonicalize#2", "protect-products", "linalg-fold-unit-extent-dims#2"]),
        ("midend", ["restore-products", "schedule-products", "parallelize", "one-shot-bufferize", "cse#6"]),
        ("midend", ["lower-products", "convert-bufferization-to-memref", "convert-scf-to-openmp", "cse#9"]),
        ("backend", ["lower-affine#1", "convert-vector-to-scf", "convert-scf-to-cf", "finalize-memref-to-llvm"]),
    ],
)
def test_two_parts_of_a_pipeline_make_what_the_whole_makes(pipeline: str, places: list[str], block: Path, tmp_path) -> None:
    stages.run_pipeline([block], [tmp_path / "midend.mlir"], "midend", "native")
    given = block if pipeline == "midend" else tmp_path / "midend.mlir"
    whole, part, rest = tmp_path / "whole.mlir", tmp_path / "part.mlir", tmp_path / "rest.mlir"
    stages.run_pipeline([given], [whole], pipeline, "native")
    for place in places:
        passes("run", given, "--pipeline", pipeline, "--stop-after", place, "-o", part)
        passes("run", part, "--pipeline", pipeline, "--start-after", place, "-o", rest)
        assert rest.read_bytes() == whole.read_bytes(), place


def test_the_output_goes_to_stdout_or_to_a_file(sums: Path, tmp_path: Path) -> None:
    printed = passes("run", sums, "--pipeline", "midend").stdout
    assert "omp" in printed or "scf.for" in printed
    passes("run", sums, "--pipeline", "midend", "-o", tmp_path / "out.mlir")
    assert (tmp_path / "out.mlir").read_text() == printed
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.mlir", "sums.mlir"]


def test_one_pass_alone(sums: Path) -> None:
    done = passes("run", sums, "--pipeline", "midend", "--only", "tosa-to-linalg", "--target", "x86-64-v3", "--timing")
    assert "linalg.generic" in done.stdout
    assert "tosa.add" not in done.stdout
    assert done.stderr.count("tosa-to-linalg") == 2
    assert "in 1 passes" in done.stderr


def test_ir_after_a_pass_and_after_all(sums: Path) -> None:
    words = ("run", sums, "--pipeline", "midend", "--stop-after", "tosa-to-linalg")
    one = passes(*words, "--print-ir-after", "tosa-to-linalg-named", "--print-ir-after", "canonicalize#1").stderr
    assert re.findall(r"^// after (.*)$", one, re.MULTILINE) == ["tosa-to-linalg-named", "canonicalize#1"]
    assert one.count("tosa.add") == 2
    every = re.findall(r"^// after (.*)$", passes(*words, "--print-ir-after", "all").stderr, re.MULTILINE)
    labels = [step.label for step in steps_of(pipelines.MIDEND)]
    assert every == labels[: labels.index("tosa-to-linalg") + 1]


def test_timing_adds_up_the_passes_of_a_name() -> None:
    lines = timing([("cse#1", 0.25), ("canonicalize", 0.5), ("cse#2", 0.75)]).splitlines()
    assert [line.split()[-1] for line in lines[1:4]] == ["cse#1", "canonicalize", "cse#2"]
    assert [line.split()[0] for line in lines[5:7]] == ["1000.00", "500.00"]
    assert lines[5].endswith("66.7 %  cse x2")
    assert lines[-1].strip() == "1500.00 ms in 3 passes"


@pytest.mark.parametrize(
    ("name", "sentences"),
    [
        (
            "schedule-products",
            ["is a product, qmk,aqkn->man f32,f32->f32", "tiled rows=", "in a parallel loop over", "which computes linalg.fill",
             "is no product: it does not add products"],
        ),
        ("lower-products", ["in tiles of at most", "sums of 64 steps in blocks of"]),
        ("parallelize", ["stays on one thread: 40 iterations, threads pay from 8192"]),
    ],
)  # fmt: skip
def test_a_pass_of_ours_tells_what_it_decides(name: str, sentences: list[str], block: Path) -> None:
    log = passes("run", block, "--pipeline", "midend", "--stop-after", "lower-products", "--debug-only", name).stderr
    assert all(line.startswith(f"[{name}] ") for line in log.splitlines())
    for sentence in sentences:
        assert sentence in log


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (
            ["--pipeline", "midendd"],
            "no pipeline 'midendd'; there are midend, backend, midend-sequential; did you mean 'midend'?",
        ),
        (["--only", "scedule-products"], "midend has no pass 'scedule-products', `python -m passes list midend` names all"),
        (["--only", "scedule-products"], "; did you mean 'schedule-products'?"),
        (["--only", "cse#77"], "midend has no 'cse#77': 'cse' occurs 10 times"),
        (["--only", "parallelize#2"], "midend has no 'parallelize#2': 'parallelize' occurs once"),
        (["--stop-after", "cse"], "midend has 'cse' 10 times, say which: cse#1 (after canonicalize#2), cse#2 (after"),
        (["--start-after", "cse#2", "--stop-after", "cse#1"], "nothing lies between 'cse#2' and 'cse#1'"),
        (["--only", "cse#2", "--stop-after", "cse#1"], "--only names the one pass that runs"),
        (["--only", "cse#2", "--print-ir-after", "cse#1"], "--print-ir-after cse#1: it is not among the passes that run"),
        (
            ["--target", "natve"],
            "no target 'natve'; there are native, x86-64-v4, x86-64-v3, baseline, aarch64, riscv64; did you",
        ),
        (["--debug-only", "cse"], "--debug-only cse: it is MLIR's, whose release build logs nothing; see --print-ir-after"),
        (["--debug-only", "paralelize"], "--debug-only paralelize: no such pass of ours; did you mean 'parallelize'?"),
        (["-o", "nowhere/out.mlir"], "-o nowhere/out.mlir: expected a file in a folder that exists"),
    ],
)
def test_what_is_misnamed(words: list[str], sentence: str, sums: Path) -> None:
    pipeline = [] if "--pipeline" in words else ["--pipeline", "midend"]
    done = passes("run", sums, *pipeline, *words, folder=sums.parent, status=2)
    assert sentence in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not done.stdout


def test_a_file_that_is_missing_or_broken(tmp_path: Path) -> None:
    assert "none.mlir: No such file or directory; expected a file of MLIR" in _wrong(tmp_path / "none.mlir")
    (tmp_path / "broken.mlir").write_text("func.func @f() {\n  return %nothing : f32\n}")
    assert re.search(
        r"broken\.mlir is not valid MLIR: (.*\n)*.*broken\.mlir\":2:10: use of undeclared", _wrong(tmp_path / "broken.mlir")
    )


def _wrong(file: Path) -> str:
    return passes("run", file, "--pipeline", "midend", status=2).stderr


@pytest.mark.parametrize(
    ("name", "fate", "said"),
    [
        ("raises", "failed", "raises: raises: ZeroDivisionError: planted ("),
        ("fails", "failed", "fails: fails: planted"),
        ("aborts", "crashed with SIGABRT", ""),
        ("hangs", "did not end within 3 s", ""),
        ("breaks", "failed", "breaks: breaks: "),
    ],
)
def test_a_pass_that_does_not_come_back_is_named_and_its_input_kept(
    name: str, fate: str, said: str, planted: Path, tmp_path: Path
) -> None:
    (tmp_path / "sums.mlir").write_text(SUMS)
    (tmp_path / "out.mlir").write_text("as it was")
    words = ("run", "sums.mlir", "--pipeline", name, "-o", "out.mlir", "--timeout", "3" if name == "hangs" else "60")
    done = passes(*words, root=planted, folder=tmp_path, status=1)
    assert said in done.stderr
    *_, sentence = done.stderr.splitlines()
    kept = f"sums-before-{name}.mlir"
    assert sentence.startswith(f"{name}: {name} {fate}; what it was given is in {kept}, and this repeats it: ")
    assert "module attributes {sluice.mark}" in (tmp_path / kept).read_text()
    assert (tmp_path / "out.mlir").read_text() == "as it was"
    again = shlex.split(sentence.partition("this repeats it: ")[2])
    repeated = passes(*again[3:], root=planted, folder=tmp_path, status=1)
    assert f"{name} {fate}; what it was given is in {kept}, and" in repeated.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["out.mlir", "sums.mlir", kept])


def test_what_was_kept_and_edited_is_not_overwritten(planted: Path, sums: Path) -> None:
    for expected in ("sums-before-raises.mlir", "sums-before-raises.2.mlir", "sums-before-raises.2.mlir"):
        done = passes("run", sums, "--pipeline", "raises", root=planted, status=1)
        assert f" is in {sums.parent / expected}, " in done.stderr
        (sums.parent / "sums-before-raises.mlir").write_text("edited")


def test_unverified_passes_may_leave_a_broken_module_to_look_at(planted: Path, sums: Path) -> None:
    words = ("run", sums, "--pipeline", "breaks", "--stop-after", "breaks")
    assert "function_type" in passes(*words, root=planted, folder=sums.parent, status=1).stderr
    assert '"func.func"' in passes(*words, "--no-verify-each", root=planted).stdout


def test_a_misspelt_pass_in_a_pipeline_is_told_before_anything_runs(planted: Path, sums: Path) -> None:
    done = passes("run", sums, "--pipeline", "misspelt", root=planted, status=2)
    assert "misspelt: no pass 'canonicalise'; did you mean 'canonicalize'?" in done.stderr
    assert "pipelines.py" not in done.stderr, "where it was found out is no place to look at"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_tells_where_it_was(number: int, planted: Path, sums: Path) -> None:
    command = [sys.executable, "-m", "passes", "run", str(sums), "--pipeline", "hangs", "--print-ir-after", "adds-a-mark"]
    process = subprocess.Popen(command, cwd=sums.parent, env={**os.environ, "PYTHONPATH": str(planted)}, stderr=subprocess.PIPE)
    assert process.stderr
    assert process.stderr.readline() == b"// after adds-a-mark\n"
    time.sleep(0.2)
    process.send_signal(number)
    _, said = process.communicate(timeout=20)
    assert (
        f"hangs: hangs was interrupted; what it was given is in {sums.parent / 'sums-before-hangs.mlir'}, and" in said.decode()
    )
    assert process.returncode == 1


def test_the_list_has_every_pass_with_a_line_on_it() -> None:
    lines = passes("list").stdout.splitlines()
    known = pipelines.named()
    assert [line.split(",")[0] for line in lines if not line.startswith(" ")] == list(known)
    listed = [line.split(maxsplit=2) for line in lines if line.startswith(" ")]
    assert all(len(words) == 3 and 10 < len(words[2]) < 130 for words in listed), listed
    assert [words[1] for words in listed] == [step.label for p in known.values() for step in steps_of(p)]
    upstream = {bare(entry) for p in known.values() for entry in p if isinstance(entry, str)}
    assert set(listing.UPSTREAM) == upstream
    assert passes("list", "backend").stdout.splitlines() == lines[lines.index("backend, 21 passes") :][:22]
    assert (
        "no pipeline 'bakend'; there are midend, backend, midend-sequential; did you mean 'backend'?"
        in passes("list", "bakend", status=2).stderr
    )


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("", "run bisect list completion"),
        ("run", ""),
        ("list", "midend backend midend-sequential"),
        ("completion", "bash zsh"),
        ("run x.mlir --pipeline", "midend backend midend-sequential"),
        ("run x.mlir --pipeline =", "midend backend midend-sequential"),
        ("run x.mlir --target", "native x86-64-v4 x86-64-v3 baseline aarch64 riscv64"),
        ("run x.mlir -o", ""),
        ("bisect", ""),
        ("bisect x.mlir --pipeline", "midend backend midend-sequential"),
        ("bisect x.mlir", "--help --pipeline --target --function --cases --every --into --timeout"),
        ("no-such-command", ""),
        ("run x.mlir --pipeline backend --only", " ".join(step.label for step in steps_of(pipelines.BACKEND))),
    ],
)
def test_names_that_may_follow(words: str, expected: str) -> None:
    assert passes("--names", *words.split()).stdout.split() == expected.split()


ASK = {
    "bash": """source <({python} -m passes completion bash 2>/dev/null)
COMP_WORDS=({python} -m passes run x.mlir --pipeline midend --only canonicalize#1); COMP_CWORD=8
_sluice_passes; echo "${{COMPREPLY[@]}}"
COMP_WORDS=({python} -m pas); COMP_CWORD=2
_sluice_passes; echo "${{COMPREPLY[@]}}"
""",
    "zsh": """compdef() {{ : }}; _files() {{ echo files }}; compadd() {{ print -- ${{(M)${{(P)2}}:#canonicalize\\#1*}} }}
source <({python} -m passes completion zsh)
words=({python} -m passes run x.mlir --pipeline midend --only ''); CURRENT=9; _sluice_passes
words=({python} -m pas); CURRENT=3; _sluice_passes
""",
}


@pytest.mark.parametrize(("shell", "otherwise"), [("bash", ""), ("zsh", "files")])
def test_shells_complete_passes(shell: str, otherwise: str) -> None:
    if not shutil.which(shell):
        pytest.skip(f"no {shell}")
    script = ASK[shell].format(python=sys.executable)
    done = subprocess.run([shell, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == f"canonicalize#1 canonicalize#10 canonicalize#11\n{otherwise}\n"


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_the_scripts_are_well_formed_and_know_doit(shell: str, tmp_path: Path) -> None:
    script = passes("completion", shell).stdout
    assert "_sluice_passes" in script
    assert "_doit" in script
    assert "doit list" in script
    if shutil.which(shell):
        (tmp_path / "script").write_text(script)
        subprocess.run([shell, "-n", str(tmp_path / "script")], check=True)
    else:
        pytest.skip(f"no {shell} to read it")


def test_a_python_without_mlir_says_which_has_it() -> None:
    done = subprocess.run([sys.executable, "-S", "-m", "passes", "list"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert f"{sys.executable} has no torch_mlir" in done.stderr and "source .venv/bin/activate" in done.stderr
