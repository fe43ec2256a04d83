"""The build step of `doit ir`: a page of one module, with its IR after each pass, the LLVM IR and the assembly."""

from __future__ import annotations

import sysconfig
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from passes import faults, origins, pipelines, snapshots, stages, targets, tilings
from passes.snapshots import Began, Snapshot
from passes.targets import Target
from runner.line_tables import assembly
from tasks.pages.apart import Ended, apart
from tasks.pages.documents import Documents
from tasks.pages.template import render

PATIENCE = 300.0  # seconds for one pass
LONGEST = 1 << 20  # bytes of a source file that is worth showing


@dataclass(frozen=True)
class Listing:
    """Code that a module became, and for each of its lines the location of the operation that it comes from."""

    name: str
    text: str
    locations: list[str]


def page(inputs: list[Path], outputs: list[Path], target: str, parallel: str = "on") -> list[Path]:
    """One module of the frontend to its page. A pass that fails ends the page, which says so: then it raises Incomplete.

    Returns the files that were used in another process.
    """
    machine = targets.find(target)
    tilings.rows(machine)  # the passes read the table in another process, where nobody sees it
    made = Page(inputs[0])
    ended = Ended("")
    names = pipelines.chain(parallel == "on")
    for item in apart(lambda say: _work(inputs[0], names, machine, say), PATIENCE):
        if isinstance(item, Ended):
            ended = item
        else:
            made.add(item)
    fault = made.fault(ended.why)
    shown = made.plain() | {"module": inputs[0].stem, "build": inputs[0].parent.name, "target": target, "fault": fault}
    packed = [document.packed() for document in made.documents.all]
    outputs[0].write_text(render("ir.html.jinja", page=shown, table=made.documents.table(), documents=packed))
    if fault:
        raise _incomplete(fault, ended.trace)
    return list(ended.files)


def _incomplete(fault: str, trace: str) -> faults.Incomplete:
    error = faults.Incomplete(fault)
    if trace:
        error.add_note(trace)
    return error


def _work(path: Path, names: list[str], target: Target, say: Callable[[Any], None]) -> None:
    """In a process that may crash."""
    module = stages.read(path)
    snapshots.take(module, names, target, say)
    say(Began("codegen", "LLVM IR"))
    text, locations = origins.instructions(module)
    say(Listing("LLVM IR", text, origins.spread(text, locations, "")))
    say(Began("codegen", "assembly"))
    numbers = {"": 0}
    each = [numbers.setdefault(location, len(numbers)) for location in locations]
    code, lines = assembly(text, str(path.with_suffix(".ll")), target, each)
    known = list(numbers)
    say(Listing("assembly", code, [known[number] for number in lines]))


@dataclass
class Page:
    """What a page shows, as it comes."""

    path: Path
    documents: Documents = field(default_factory=Documents)
    steps: list[dict[str, Any]] = field(default_factory=list)
    listings: list[dict[str, Any]] = field(default_factory=list)
    running: Began | None = None

    def add(self, item: Began | Snapshot | Listing) -> None:
        if isinstance(item, Began):
            self.running = item
            return
        self.running = None
        if isinstance(item, Listing):
            self._list(item.name, item.text, item.locations)
        else:
            self._step(item)

    def fault(self, why: str) -> str:
        """A sentence on what went wrong; where nothing could be read, the file is shown as it is."""
        if not why:
            return ""
        if not self.steps:
            text = self.path.read_text(errors="replace") if self.path.is_file() else ""
            self._step(Snapshot("", "", "the file as it is", 0.0, text, {}))
        where = f"{self.running.pipeline}: {self.running.step}" if self.running else ""
        said = why if not where or why.startswith(where) else f"{where}: {why}"
        return f"{self.path}: the page ends where its lowering does: {' '.join(said.split())}"

    def plain(self) -> dict[str, Any]:
        """All but the texts, for JSON."""
        for file in sorted({leaf.file for leaf in self.documents.leaves} - {""}):
            if text := _source(file):
                self._list(file, text, [], source=True)
        docs = self.documents
        return {
            "steps": self.steps,
            "listings": self.listings,
            "origins": [[docs.leaves[leaf] for leaf in origin] for origin in docs.origins],
            "leaves": [[leaf.node, leaf.file, leaf.line] for leaf in docs.leaves],
        }

    def _step(self, new: Snapshot) -> None:
        before = self.steps[-1]["document"] if self.steps else None
        number, size = before, self.steps[-1]["size"] if self.steps else 0
        if new.text is not None:
            lines, locations = origins.split(new.text)
            number = self.documents.add(lines, locations, before)
            size = sum(map(len, lines)) + len(lines)
        document = self.documents.all[number or 0]
        changed = new.text is not None
        self.steps.append({
            "number": len(self.steps),
            "pipeline": new.pipeline,
            "name": new.step or self.path.name,
            "does": new.does,
            "ms": 1e3 * new.seconds,
            "document": number,
            "changed": changed,
            "ops": new.ops,
            "size": size,
            "lines": len(document.lines),
            "added": document.added if changed else 0,
            "removed": document.removed if changed else 0,
        })  # fmt: skip

    def _list(self, name: str, text: str, locations: list[str], source: bool = False) -> None:
        lines = text.rstrip("\n").split("\n")
        number = self.documents.add(lines, locations or [""] * len(lines))
        self.listings.append({"name": name, "document": number, "lines": len(lines), "size": len(text), "source": source})


def _source(file: str) -> str:
    """A file that locations name: of the project, or of an installed package."""
    for root in (".", sysconfig.get_path("purelib")):
        path = Path(root, file)
        if path.is_file() and path.stat().st_size < LONGEST:
            return path.read_text(errors="replace")
    return ""
