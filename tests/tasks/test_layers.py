"""Which part of the project may import which, read from the sources; and what loading the task graph imports."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = ("dodo.py", "tasks", "frontend", "passes", "runner", "model", "tests")
HEAVY = ("torch", "torch_mlir", "numpy", "llvmlite")


@dataclass(frozen=True)
class Import:
    module: str
    file: str  # below the root
    line: int
    nested: bool  # in a function

    def below(self, packages: tuple[str, ...]) -> bool:
        return any(f"{self.module}.".startswith(f"{package}.") for package in packages)

    def inside(self, places: tuple[str, ...]) -> bool:
        return any(f"{self.file}/".startswith(f"{place}/") for place in places)


@dataclass(frozen=True)
class Rule:
    """`where` never imports `what`, but for `allowed` modules, and but for `exempt` files.

    nested: imports inside functions count as well.
    """

    where: tuple[str, ...]
    what: tuple[str, ...]
    allowed: tuple[str, ...] = ()
    exempt: tuple[str, ...] = ()
    nested: bool = True

    def broken_by(self, found: Import) -> bool:
        return (
            found.inside(self.where)
            and not found.inside(self.exempt)
            and found.below(self.what)
            and not found.below(self.allowed)
            and (self.nested or not found.nested)
        )


RULES = {
    "loading the task graph is light": Rule(("dodo.py", "tasks"), ("torch", "torch_mlir", "passes.mlir"), nested=False),
    "PyTorch ends behind the capture": Rule(SOURCES, ("torch",), exempt=("frontend/capture", "model", "tests")),
    "one file names the package of MLIR's bindings": Rule(
        SOURCES, ("torch_mlir",), exempt=("passes/mlir.py", "tests/coverage/peer.py")
    ),
    "passes work on MLIR alone": Rule(("passes",), ("torch", "tasks", "frontend", "model")),
    "the runner runs any code": Rule(("runner",), ("torch", "tasks", "frontend", "model")),
    "a model is plain PyTorch": Rule(("model",), ("frontend", "passes", "tasks", "runner")),
    "the frontend takes any model": Rule(("frontend",), ("tasks", "model")),
    "the frontend ends before the passes": Rule(
        ("frontend",), ("passes",), ("passes.mlir",), ("frontend/compiler.py", "frontend/codegen.py")
    ),
}


def imports(root: Path, file: Path) -> Iterator[Import]:
    """Every import of a file, at any depth; `from a import b` is a.b, and so is import_module("a.b")."""
    name = file.relative_to(root).as_posix()
    tree = ast.parse(file.read_text(), str(file))
    functions = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)]
    nested = {id(inner) for function in functions for inner in ast.walk(function)}
    for node in ast.walk(tree):
        for module in _modules(node, name):
            yield Import(module, name, getattr(node, "lineno", 0), id(node) in nested)


def _modules(node: ast.AST, name: str) -> list[str]:
    match node:
        case ast.Import(names=aliases):
            return [alias.name for alias in aliases]
        case ast.ImportFrom(module=module, names=aliases, level=level):
            package = name.removesuffix(".py").split("/")[:-level] if level else []
            base = ".".join([*package, *([module] if module else [])])
            return [f"{base}.{alias.name}" for alias in aliases]
        case ast.Call(func=ast.Name(id="__import__" | "import_module"), args=[ast.Constant(value=str(module)), *_]):
            return [module]
        case ast.Call(func=ast.Attribute(attr="import_module"), args=[ast.Constant(value=str(module)), *_]):
            return [module]
        case _:
            return []


def violations(root: Path) -> dict[str, list[str]]:
    """The rules that are broken below a root, each with the places."""
    files = [f for s in SOURCES for f in ([root / s] if s.endswith(".py") else sorted((root / s).rglob("*.py")))]
    found = [i for file in files if file.exists() for i in imports(root, file)]
    broken = {
        name: [f"{i.file}:{i.line} imports {i.module}" for i in found if rule.broken_by(i)] for name, rule in RULES.items()
    }
    return {name: places for name, places in broken.items() if places}


def test_the_layers() -> None:
    assert violations(ROOT) == {}


def test_the_sources_are_read() -> None:
    """An empty list of files would pass, too: here are imports that must have been seen."""
    capture = [i.module for i in imports(ROOT, ROOT / "frontend/capture/model.py")]
    bindings = [i.module for i in imports(ROOT, ROOT / "passes/loops.py")]
    assert any(module.split(".")[0] == "torch" for module in capture)
    assert "passes.mlir.ir" in bindings


def test_one_module_names_the_bindings() -> None:
    """It imports them by name when they are asked for, so no import statement shows it."""
    folders = ("tasks", "frontend", "passes", "runner", "model")
    naming = [path for folder in folders for path in (ROOT / folder).rglob("*.py") if "torch_mlir" in path.read_text()]
    assert naming == [ROOT / "passes/mlir.py"]
    assert all((ROOT / source).exists() for source in SOURCES)


PLANTED = [
    ("loading the task graph is light", "dodo.py", "import torch"),
    ("loading the task graph is light", "tasks/build.py", "import numpy, torch_mlir.ir as ir"),
    ("loading the task graph is light", "tasks/build.py", "from passes import mlir"),
    ("loading the task graph is light", "tasks/build.py", "if True:\n    from passes.mlir import ir"),
    ("loading the task graph is light", "tasks/build.py", "class A:\n    import torch"),
    ("PyTorch ends behind the capture", "frontend/emit.py", "def f():\n    from torch import nn"),
    ("PyTorch ends behind the capture", "tasks/onestep.py", "def f():\n    import torch.nn"),
    ("PyTorch ends behind the capture", "frontend/capture.py", "import torch"),
    ("PyTorch ends behind the capture", "frontend/emit.py", 'import importlib\nimportlib.import_module("torch")'),
    ("one file names the package of MLIR's bindings", "passes/translate.py", "from torch_mlir import ir"),
    ("one file names the package of MLIR's bindings", "tests/passes/test_x.py", "def f():\n    import torch_mlir"),
    ("passes work on MLIR alone", "passes/x.py", "from frontend.graph import Graph"),
    ("passes work on MLIR alone", "passes/x.py", "def f():\n    import model.mlp"),
    ("passes work on MLIR alone", "passes/x.py", "from tasks import settings"),
    ("the runner runs any code", "runner/x.py", "import frontend"),
    ("the runner runs any code", "runner/x.py", "async def f():\n    from ..model import mlp"),
    ("a model is plain PyTorch", "model/x.py", "from runner import link"),
    ("a model is plain PyTorch", "model/x.py", "f = lambda: __import__('passes')"),
    ("the frontend takes any model", "frontend/ops/x.py", "import model.mlp"),
    ("the frontend takes any model", "frontend/compiler.py", "from tasks.models import find"),
    ("the frontend ends before the passes", "frontend/emit.py", "from passes import pipelines"),
    ("the frontend ends before the passes", "frontend/emit.py", "import passes"),
    ("the frontend ends before the passes", "frontend/emit.py", "from passes.mlir2 import ir"),
]


@pytest.mark.parametrize(("rule", "file", "text"), PLANTED)
def test_a_violation_is_found(tmp_path: Path, rule: str, file: str, text: str) -> None:
    (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / file).write_text(text + "\n")
    assert rule in violations(tmp_path)


def test_every_rule_is_planted() -> None:
    assert {rule for rule, _, _ in PLANTED} == set(RULES)


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("tasks/onestep.py", "def f():\n    from passes import mlir\n    from frontend.emit import emit"),
        ("frontend/capture/model.py", "import torch\nfrom torch import fx"),
        ("frontend/emit.py", "from passes.mlir import ir\nfrom passes import mlir\nimport torchvision\n'import torch'"),
        ("frontend/compiler.py", "from passes import pipelines"),
        ("passes/mlir.py", "from torch_mlir import ir"),
        ("model/x.py", "import torch"),
        ("tests/x.py", "import torch\nfrom tasks import stage\nimport frontend, passes, runner, model"),
    ],
)
def test_what_is_allowed(tmp_path: Path, file: str, text: str) -> None:
    (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / file).write_text(text + "\n")
    assert violations(tmp_path) == {}


def loaded(folder: Path, before: str = "") -> list[str]:
    """The heavy packages that `doit list` has imported by its end."""
    program = f"""
import sys
{before}
from doit.doit_cmd import DoitMain
status = DoitMain().run(["build={folder}", "model=mlp", "list", "--all"])
print("loaded:", *[name for name in {HEAVY!r} if name in sys.modules])
sys.exit(status)
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "onestep" in done.stdout
    return done.stdout.splitlines()[-1].split()[1:]


def test_the_task_graph_loads_without_heavy_packages(tmp_path: Path) -> None:
    assert loaded(tmp_path) == []
    assert loaded(tmp_path, "import numpy") == ["numpy"]
