"""Texts that have most lines in common, packed for a page: each different line once, a text as the numbers of its lines."""

from __future__ import annotations

import base64
import errno
import gzip
import re
import shutil
import subprocess
import sys
import tempfile
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from passes.origins import Leaf, Origin, origin

_HUNK = re.compile(r"^(\d+)(?:,(\d+))?([acd])(\d+)(?:,(\d+))?$", re.MULTILINE)
_RENAMED = re.compile(r"%[\w$.-]+|#map\d*|\^bb\d+")

Change = tuple[int, int, int, int]  # lines begin:end of the text before that became lines begin:end


@dataclass(frozen=True)
class Document:
    """Line numbers in the table and, for each line, the origin it has in the table of origins."""

    lines: array[int]
    origins: array[int]
    changes: tuple[Change, ...] = ()

    @property
    def added(self) -> int:
        return sum(end - begin for _, _, begin, end in self.changes)

    @property
    def removed(self) -> int:
        return sum(end - begin for begin, end, _, _ in self.changes)

    def packed(self) -> str:
        """Counts, differences of line numbers, differences of origins, changes."""
        flat = [number for change in self.changes for number in change]
        return _packed(array("i", [len(self.lines), len(self.changes), *_steps(self.lines), *_steps(self.origins), *flat]))


class Documents:
    """Tables of lines and of origins that grow with the documents."""

    def __init__(self) -> None:
        self.all: list[Document] = []
        self.leaves: dict[Leaf, int] = {}
        self.origins: dict[Origin, int] = {(): 0}
        self._lines: dict[str, int] = {}
        self._bare: dict[str, int] = {}
        self._bare_of: list[int] = []
        self._located: dict[str, int] = {}

    def add(self, lines: Sequence[str], locations: Sequence[str], before: int | None = None) -> int:
        """The number of a new document; it knows what changed if it says which was `before` it."""
        numbers = array("i", (self._line(line) for line in lines))
        origins = array("i", (self._origin(location) for location in locations))
        changes = self._changes(self.all[before].lines, numbers) if before is not None else ()
        self.all.append(Document(numbers, origins, changes))
        return len(self.all) - 1

    def table(self) -> str:
        return _compressed("\n".join(self._lines).encode(errors="replace"))

    def _line(self, line: str) -> int:
        number = self._lines.setdefault(line, len(self._lines))
        if number == len(self._bare_of):
            self._bare_of.append(self._bare.setdefault(_RENAMED.sub("%", line.strip()), len(self._bare)))
        return number

    def _origin(self, location: str) -> int:
        if location not in self._located:
            found = origin(location)
            for leaf in found:
                self.leaves.setdefault(leaf, len(self.leaves))
            self._located[location] = self.origins.setdefault(found, len(self.origins))
        return self._located[location]

    def _changes(self, before: array[int], after: array[int]) -> tuple[Change, ...]:
        """What differs in more than its indentation and in how values are numbered."""
        old, new = ([self._bare_of[number] for number in text] for text in (before, after))
        return tuple(changes(old, new))


def changes(old: Sequence[int], new: Sequence[int]) -> Iterator[Change]:
    """What diff finds between two texts, each given as a number for each line."""
    program = shutil.which("diff")
    if not program:
        raise FileNotFoundError(errno.ENOENT, "no such program; it comes with diffutils", "diff")
    with tempfile.TemporaryDirectory(prefix="sluice-") as folder:
        paths = [Path(folder, name) for name in ("old", "new")]
        for path, lines in zip(paths, (old, new), strict=True):
            path.write_text("".join(f"{line}\n" for line in lines))
        found = subprocess.run([program, *paths], stdout=subprocess.PIPE, text=True, check=False).stdout
    for match in _HUNK.finditer(found):
        begin, end, kind, first, last = match.groups()
        a, c = int(begin) - (kind != "a"), int(first) - (kind != "d")
        yield a, int(end or begin), c, int(last or first)


def _steps(numbers: array[int]) -> list[int]:
    """Differences of neighbours, which compress better."""
    return [number - before for before, number in zip([0, *numbers], numbers, strict=False)]


def _packed(numbers: array[int]) -> str:
    if sys.byteorder == "big":
        numbers.byteswap()
    return _compressed(numbers.tobytes())


def _compressed(data: bytes) -> str:
    return base64.b64encode(gzip.compress(data, mtime=0)).decode()
