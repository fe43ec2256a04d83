"""What the task graph knows of a model, read from its file's text: importing it would import torch."""

from __future__ import annotations

import ast
import difflib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path("model")


class UnknownModel(Exception):
    """A model without a file."""


@dataclass(frozen=True)
class Model:
    """`settings` are the fields of the file's Config with their defaults, `runner` is the executable's name."""

    name: str
    path: Path
    purpose: str
    settings: dict[str, Any]
    tolerance: float
    runner: str


def names() -> list[str]:
    return sorted(path.stem for path in FOLDER.glob("*.py") if path.stem != "__init__")


def find(name: str) -> Model:
    path = FOLDER / f"{name}.py"
    if name not in names():
        close = difflib.get_close_matches(name, names(), 1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise UnknownModel(f"no model {name!r}{hint} {FOLDER}/ has: {', '.join(names())}; add {path} for another")
    tree = ast.parse(path.read_text(), str(path))
    constants = {t.id: v for node in tree.body if isinstance(node, ast.Assign) for t, v in _assigned(node)}
    config = next((n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == "Config"), None)
    if config is None or "TOLERANCE" not in constants:
        raise UnknownModel(f"{path}: a model file has a dataclass Config, TOLERANCE, build(config) and inputs(config)")
    fields = {n.target.id: n.value for n in config.body if isinstance(n, ast.AnnAssign) and isinstance(n.target, ast.Name)}
    return Model(
        name=name,
        path=path,
        purpose=(ast.get_docstring(tree) or name).splitlines()[0],
        settings={name: ast.literal_eval(value) for name, value in fields.items() if value is not None},
        tolerance=float(ast.literal_eval(constants["TOLERANCE"])),
        runner=ast.literal_eval(constants["RUNNER"]) if "RUNNER" in constants else f"{name}-runner",
    )


def _assigned(node: ast.Assign) -> list[tuple[ast.Name, ast.expr]]:
    return [(target, node.value) for target in node.targets if isinstance(target, ast.Name)]
