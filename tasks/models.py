"""What the task graph knows of a model, read from its file's text: importing it would import torch."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from passes.names import nearest

FOLDER = Path("model")
KERNELS = "kernels"  # its folder of models that are one operation or a few: found by name, but not listed among the models
RESERVED = {
    "model",
    "build",
    "dtype",
    "target",
    "cache",
    "threads",
    "iterations",
    "warmup",
    "search",
    "timeout",
    "every",
    "dtypes",
    "seq_lens",
    "engines",
    "rounds",
    "parallel",
    "size",
    "regressions",
    "trace",
}  # words that are not a model's


PHASES = ("prefill", "decode")
NEEDS = "a model file has a dataclass Config with plain defaults, a number TOLERANCE, build(config) and inputs(config)"


class UnknownModel(Exception):
    """A model without a file, or whose file does not say what a model's file says."""


@dataclass(frozen=True)
class Model:
    """`settings` are the fields of the file's Config with their defaults, `runner` is the executable's name.

    `phase` is "decode" for a model that makes one token from what it keeps of those before, else "prefill".
    """

    name: str
    path: Path
    purpose: str
    settings: dict[str, Any]
    tolerance: float
    runner: str
    phase: str

    @property
    def module(self) -> str:
        """What is imported, below the package `model`."""
        return ".".join(self.path.relative_to(FOLDER).with_suffix("").parts)


def names() -> list[str]:
    return _in(FOLDER)


def kernels() -> list[str]:
    return _in(FOLDER / KERNELS)


def _in(folder: Path) -> list[str]:
    return sorted(path.stem for path in folder.glob("*.py") if path.stem != "__init__")


def find(name: str) -> Model:
    path = (FOLDER / KERNELS if name in kernels() else FOLDER) / f"{name}.py"
    if name not in (known := [*names(), *kernels()]):
        there = f"{FOLDER}/ has: {', '.join(names())}; {FOLDER / KERNELS}/ has: {', '.join(kernels())}"
        raise UnknownModel(f"no model {name!r}{nearest(name, known) or '.'} {there}; add {path} for another")
    try:
        return _read(name, path)
    except (SyntaxError, ValueError, KeyError, TypeError) as error:
        raise UnknownModel(f"{path}: {NEEDS} ({error})") from error


def _read(name: str, path: Path) -> Model:
    tree = ast.parse(path.read_text(), str(path))
    constants = _assigned(tree.body)
    settings = _fields(tree, "Config")
    if odd := [field for field, value in settings.items() if type(value) not in (bool, int, float, str)]:
        raise ValueError(f"Config.{odd[0]} is no bool, int, float or str")
    if taken := sorted(RESERVED & set(settings)):
        raise ValueError(f"Config.{taken[0]}: doit takes {taken[0]}= itself")
    return Model(
        name=name,
        path=path,
        purpose=(ast.get_docstring(tree) or name).splitlines()[0],
        settings=settings,
        tolerance=float(ast.literal_eval(constants["TOLERANCE"])),
        runner=ast.literal_eval(constants["RUNNER"]) if "RUNNER" in constants else f"{name}-runner",
        phase=_phase(constants),
    )


def _fields(tree: ast.Module, name: str) -> dict[str, Any]:
    """The fields of a dataclass with their defaults, after those of its bases here or in other model files."""
    (config,) = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == name]
    fields: dict[str, Any] = {}
    for base in reversed(config.bases):
        if not isinstance(base, ast.Name):
            raise ValueError(f"a base of {name} is {ast.unparse(base)}, expected a name")
        fields |= _fields(_imported_from(tree, base.id), base.id)
    return fields | {field: ast.literal_eval(value) for field, value in _assigned(config.body).items()}


def _imported_from(tree: ast.Module, name: str) -> ast.Module:
    """The model file that a class comes from; this one, if it is not imported."""
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.module and any(alias.name == name for alias in node.names):
            path = FOLDER / f"{node.module.rpartition('.')[2]}.py"
            if path.exists():
                return ast.parse(path.read_text(), str(path))
    return tree


def _phase(constants: dict[str, ast.expr]) -> str:
    phase = ast.literal_eval(constants["PHASE"]) if "PHASE" in constants else PHASES[0]
    if phase not in PHASES:
        raise ValueError(f"PHASE is {phase!r}, expected {' or '.join(PHASES)}")
    return phase


def _assigned(body: list[ast.stmt]) -> dict[str, ast.expr]:
    """The names that a block gives values, annotated or not."""
    found = {}
    for node in body:
        names = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        for name in names:
            if isinstance(name, ast.Name) and isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
                found[name.id] = node.value
    return found
