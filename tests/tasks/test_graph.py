"""The tasks as a user runs them: what runs, what does not, and what is left behind."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


class Workshop:
    """A root of build folders for `doit`, and the outcome of its last command."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.folder = root / "mlp"
        self.output = ""

    def doit(self, *words: str, model: str = "mlp", status: int = 0) -> set[str]:
        """The tasks that ran: the others were up to date."""
        command = [sys.executable, "-m", "doit", f"build={self.root}", f"model={model}", *words]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        self.output = done.stdout + done.stderr
        assert done.returncode == status, self.output
        return {line.split()[1] for line in done.stdout.splitlines() if line.startswith(".  ")}

    def files(self) -> set[str]:
        """What was built."""
        return {name for name in os.listdir(self.folder) if name != ".state"}


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    return Workshop(tmp_path_factory.mktemp("build"))


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    """Where the staged executable and the data have been built: a test leaves them as they are."""
    workshop = Workshop(tmp_path_factory.mktemp("staged"))
    workshop.doit("frontend", "codegen", "executable")
    return workshop


def test_the_default_builds_in_one_step(workshop: Workshop) -> None:
    assert workshop.doit() == {"onestep"}
    assert workshop.files() == {"forward-onestep.o", "subgraph0-onestep.o", "mlp-runner"}
    assert os.access(workshop.folder / "mlp-runner", os.X_OK)
    assert workshop.doit() == set()
    assert workshop.doit("batch=3") == set(), "a default is no other build"


def test_settings_and_back_rebuild_nothing(workshop: Workshop) -> None:
    workshop.doit()
    before = (workshop.folder / "mlp-runner").stat()
    assert workshop.doit("batch=1", "features=5") == {"onestep"}
    assert (workshop.root / "mlp-batch=1-features=5" / "mlp-runner").exists()
    assert workshop.doit() == set()
    after = (workshop.folder / "mlp-runner").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_group_runs_once(built: Workshop) -> None:
    for group in ("midend", "backend", "codegen", "executable", "frontend"):
        assert built.doit(group) == set(), group


def test_every_stage_has_its_files(built: Workshop) -> None:
    ends = (".mlir", "-midend.mlir", "-backend.mlir", ".ll", ".o", ".s")
    parts = {f"{part}{end}" for part in ("forward", "subgraph0") for end in ends}
    assert parts | {"graph.json", "weights.data", "signature.h", "runner.o", "mlp-runner-staged"} <= built.files()
    assert not any(name.startswith(".part") for name in built.files())


@pytest.mark.parametrize(
    ("missing", "again"),
    [
        ("mlp-runner-staged", {"executable:link"}),
        ("subgraph0.o", {"codegen:subgraph0.o"}),
        ("forward-midend.mlir", {"midend:forward"}),
        ("arg0.data", {"frontend:pack"}),
    ],
)
def test_a_missing_file_is_built_again(built: Workshop, missing: str, again: set[str]) -> None:
    """The same bytes come out, so nothing after it runs."""
    content = (built.folder / missing).read_bytes()
    (built.folder / missing).unlink()
    assert built.doit("frontend", "executable") == again
    assert (built.folder / missing).read_bytes() == content
    assert built.doit("frontend", "executable") == set()


@pytest.mark.parametrize("name", ["subgraph0.o", "arg0.data", "subgraph0.ll"])
def test_an_emptied_file_is_built_again(built: Workshop, name: str) -> None:
    content = (built.folder / name).read_bytes()
    try:
        (built.folder / name).write_bytes(b"")
        built.doit("frontend", "executable")
        assert (built.folder / name).read_bytes() == content
    finally:
        (built.folder / name).write_bytes(content)


def test_the_executable_group_alone_gives_what_runs(built: Workshop) -> None:
    data = built.folder / "arg0.data"
    content = data.read_bytes()
    data.unlink()
    try:
        built.doit("executable")
        assert data.exists()
    finally:
        data.write_bytes(content)


def test_clean_removes_what_was_built(workshop: Workshop) -> None:
    workshop.doit()
    workshop.doit("frontend")
    workshop.doit("clean")
    assert workshop.files() == set()
    assert workshop.doit("frontend") == {"frontend:capture", "frontend:emit", "frontend:pack"}, "and it can be built again"


@pytest.mark.parametrize(
    ("words", "model", "sentence"),
    [
        ((), "mpl", "no model 'mpl'; did you mean 'mlp'? model/ has: bert, "),
        (("batch=0",), "mlp", "batch=0: expected a whole number from 1"),
        (("batchh=2",), "mlp", "batchh=: nothing takes it; did you mean 'batch'?"),
        (("midend", "list", "features=many"), "mlp", "features=many: expected a value like 20"),
    ],
)
def test_a_word_that_nothing_takes(tmp_path: Path, words: tuple[str, ...], model: str, sentence: str) -> None:
    """doit ends with status 3, a sentence and no traceback, and makes no folder."""
    workshop = Workshop(tmp_path)
    workshop.doit(*words, model=model, status=3)
    assert sentence in workshop.output and "Traceback" not in workshop.output
    assert list(tmp_path.iterdir()) == []


def test_a_setting_that_the_model_refuses(tmp_path: Path) -> None:
    """Only the model knows its limits: the stage that loads it fails with the model's sentence."""
    workshop = Workshop(tmp_path)
    workshop.doit("frontend", "seq_len=32769", model="deepseek_r1_block", status=2)
    assert "seq_len=32769: this model takes 1 to 32768 tokens" in workshop.output
    assert "Traceback" not in workshop.output
    (folder,) = tmp_path.iterdir()
    assert {path.name for path in folder.iterdir()} == {".state"}
