"""The site of `doit report`: the tasks and how they stand, the pages of `doit ir`, and what was measured."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import TemplateError

from tasks.pages.template import render

WIDE, HIGH = 176, 50  # of a task in the picture, with what separates it from the next


@dataclass(frozen=True)
class Node:
    """A task. `after` are those that it needs; `seconds` is what it took when it last ran, None if nobody knows."""

    name: str
    purpose: str
    status: str
    why: str
    seconds: float | None
    after: tuple[str, ...]


@dataclass(frozen=True)
class Section:
    """What one command measures: its file, and pictures beside it. `root` has one for all build folders.

    A template `report-<name>.html.jinja` shows it; where there is none, or the file is not such as it expects (another
    version's), all that it holds is shown as tables.
    """

    name: str
    title: str
    file: str
    pictures: tuple[str, ...] = ()
    root: bool = False


SECTIONS = (
    Section("run", "The last run", "run.json"),
    Section("verify", "Against PyTorch", "verify.json"),
    Section("profile", "Where the time goes", "profile.json", ("profile.svg",)),
    Section("bench", "Beside other engines", "bench/bench.json", ("bench.svg",), root=True),
    Section("benchmarks", "Benchmarks", "benchmarks/benchmarks.json", ("benchmarks.svg",), root=True),
)


def write(nodes: Sequence[Node], folder: Path, root: Path, words: Sequence[str]) -> Path:
    """Make the site anew, in `root`/report; `words` are the settings that a command needs to be about this build folder."""
    root.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=root, prefix=".report-") as scratch:
        site = Path(scratch, "report")
        site.mkdir(mode=0o755)
        text = render(
            "report.html.jinja",
            folder=folder.name,
            again=" ".join(["doit", *words]),
            nodes=nodes,
            picture=picture(nodes),
            pages=_pages(root, site),
            sections=[_section(section, root if section.root else folder, site) for section in SECTIONS],
        )
        (site / "index.html").write_text(text)
        shutil.rmtree(root / "report", ignore_errors=True)
        os.replace(site, root / "report")
    return root / "report" / "index.html"


def picture(nodes: Sequence[Node]) -> dict[str, Any]:
    """Where each task stands in a picture, one column right of all that it needs, and the lines between them."""
    known = {node.name: node for node in nodes}
    columns: dict[str, int] = {}

    def column(name: str) -> int:
        if name not in columns:
            columns[name] = 1 + max((column(before) for before in known[name].after if before in known), default=-1)
        return columns[name]

    filled: dict[int, int] = {}
    places = {}
    for node in nodes:
        x = column(node.name)
        filled[x] = filled.get(x, 0) + 1
        places[node.name] = (x * WIDE, (filled[x] - 1) * HIGH)
    lines = [(*places[before], *places[node.name]) for node in nodes for before in node.after if before in known]
    width, height = (1 + max(columns.values(), default=0)) * WIDE, max(filled.values(), default=1) * HIGH
    return {"places": places, "lines": lines, "width": width, "height": height}


def _pages(root: Path, site: Path) -> dict[str, list[tuple[str, str]]]:
    """The pages of `doit ir` of every build folder, copied: by folder, their names and where they are."""
    found: dict[str, list[tuple[str, str]]] = {}
    for page in sorted(root.glob("*/ir/*.html")):
        model = page.parent.parent.name
        target = _copied(page, site / "ir" / model)
        found.setdefault(model, []).append((page.stem, target.relative_to(site).as_posix()))
    return found


def _section(section: Section, folder: Path, site: Path) -> dict[str, Any]:
    path = folder / section.file
    pictures = [path.parent / name for name in section.pictures]
    copied = [_copied(p, site / section.name).relative_to(site).as_posix() for p in _present(pictures)] if path.exists() else []
    data, fault = None, ""
    try:
        data = json.loads(path.read_text())
    except FileNotFoundError:
        pass
    except (OSError, ValueError) as error:
        fault = f"{path} cannot be read: {error}"
    about = {"name": section.name, "title": section.title, "data": data, "fault": fault, "pictures": copied}
    return about | {"shown": _shown(section, data)}


def _shown(section: Section, data: Any) -> str:
    """By the section's template; empty where that cannot show it."""
    try:
        return render(f"report-{section.name}.html.jinja", data=data) if data else ""
    except (TemplateError, AttributeError, TypeError, ValueError):
        return ""


def _present(paths: Iterable[Path]) -> list[Path]:
    return [path for path in paths if path.is_file()]


def _copied(file: Path, folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return Path(shutil.copyfile(file, folder / file.name))
