"""What a process really used: modules it imported, files it read, programs it started, variables it asked for.

Runs in the process of a stage. What C++ code opens is not seen here: a stage returns those files (`runner.link` does).
"""

from __future__ import annotations

import os
import shutil
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from typing import Any

from tasks.digests import kind_of

MACHINE = ("/proc/", "/sys/", "/etc/", "/dev/null", "/dev/urandom", "/dev/random")  # its state, not a build's input
TOOLS = {".git", ".venv"}  # folders of the project that are not its own
# Where things are and how a terminal looks: programs count by what their name finds, files by what they hold.
NEUTRAL = {"PATH", "HOME", "PWD", "TMPDIR", "TEMP", "TMP", "COLUMNS", "LINES", "TERM", "VIRTUAL_ENV", "PYTHONPATH"}


@dataclass
class Uses:
    """`files`: path to the kind of digest that counts, project files relative to the root. `absent`: files that were
    opened in vain, and paths that an import would have found first, relative to the root, or to site-packages after `site:`.
    `packages`: their RECORDs in site-packages. `programs`: name to what it found. `variables`: name to value."""

    files: dict[str, str] = field(default_factory=dict)
    absent: list[str] = field(default_factory=list)
    packages: list[str] = field(default_factory=list)
    programs: dict[str, str | None] = field(default_factory=dict)
    variables: dict[str, str | None] = field(default_factory=dict)

    def plain(self) -> dict[str, Any]:
        return asdict(self)


class Watch:
    """Begins watching when it is made; `uses` tells."""

    def __init__(self, root: Path) -> None:
        self._root = root.absolute()
        self._read: set[str] = set()
        self._written: set[str] = set()
        self._programs: set[str] = set()
        self._imports: set[str] = set()
        self._variables: dict[str, str | None] = {}
        sys.addaudithook(self._heed)
        os.environ.__class__ = _watched(os.environ.__class__, self._variables)

    def uses(self, also: Iterable[Path]) -> Uses:
        """What was used so far, and the files in `also`."""
        variables = {name: value for name, value in self._variables.items() if name not in NEUTRAL}
        uses = Uses(programs={name: shutil.which(name) for name in self._programs}, variables=variables)
        site = Path(sysconfig.get_path("purelib"))
        tops = set()
        read = {*self._read, *_module_files(), *map(str, also), *filter(None, uses.programs.values())}
        read_only = {_absolute(p) for p in read} - {_absolute(p) for p in self._written}
        for path in read_only:
            if path.is_relative_to(site):
                tops.add(path.relative_to(site).parts[0])
            elif path.is_relative_to(self._root):
                self._add_project_file(uses.files, path)
            elif _counts(path):
                uses.files[str(path)] = "bytes"
        uses.packages = sorted(_records(tops, site))
        uses.absent = sorted(self._absent(uses.files) | self._in_vain(read_only))
        return uses

    def _absent(self, files: Iterable[str]) -> set[str]:
        """Where each module that was found could have been found before, and each that was not could have been found at all."""
        paths = set()
        for module in (path.removesuffix(".py") for path in files if path.endswith(".py") and not path.endswith("__init__.py")):
            paths |= {f"{module}/__init__.py", *(module + suffix for suffix in EXTENSION_SUFFIXES)}
        for name in self._imports - set(sys.modules):
            package, _, _ = name.rpartition(".")
            file = getattr(sys.modules.get(package), "__file__", None) or ""
            place = os.path.relpath(os.path.dirname(file), self._root) if file else "."
            if not package or (file and not place.startswith((".", "/"))):
                stem = os.path.normpath(os.path.join(place, name.rpartition(".")[2]))
                paths |= {f"{stem}.py", f"{stem}/__init__.py"} | ({f"site:{stem}", f"site:{stem}.py"} if not package else set())
        return {path for path in paths if not (self._root / path).exists()}

    def _in_vain(self, read: Iterable[Path]) -> set[str]:
        """Those files that are not there: a table that a stage does without, say. Packages count by their RECORDs."""
        elsewhere = (*MACHINE, sysconfig.get_path("purelib"), f"{sys.base_prefix}/lib")
        names = set()
        for path in (path for path in read if not path.exists() and "__pycache__" not in path.parts):
            if not path.is_relative_to(self._root):
                names |= {str(path)} if not str(path).startswith(elsewhere) else set()
            elif (relative := path.relative_to(self._root)).parts[0] not in TOOLS:
                names.add(str(relative))
        return names

    def _add_project_file(self, files: dict[str, str], path: Path) -> None:
        relative = path.relative_to(self._root)
        if relative.parts[0] not in TOOLS and "__pycache__" not in relative.parts and path.is_file():
            files[str(relative)] = kind_of(str(relative))

    def _heed(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open" and isinstance(arguments[0], str):
            mode, flags = arguments[1] or "", arguments[2] or 0
            makes = set(mode) & set("wax") or flags & (os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            (self._written if makes else self._read).add(arguments[0])
        elif event == "import":
            self._imports.add(arguments[0])
        elif event == "subprocess.Popen" and arguments[0]:
            self._programs.add(os.fspath(arguments[0]))


def _watched(environment: type, seen: dict[str, str | None]) -> type:
    passing = ""  # the name that a copy of the whole environment is at: copying is not asking

    class Watched(environment):
        """os.environ that remembers which names were asked for, and what the answer was."""

        def __getitem__(self, name: str) -> str:
            value = None
            try:
                value = super().__getitem__(name)
                return value
            finally:
                if isinstance(name, str) and name != passing:
                    seen.setdefault(name, value)

        def __setitem__(self, name: str, value: str) -> None:
            seen.setdefault(name, self.get(name))  # what it reads from now on is its own
            super().__setitem__(name, value)

        def __iter__(self) -> Iterator[str]:
            nonlocal passing
            for name in super().__iter__():
                passing = name
                yield name
            passing = ""

    return Watched


def _absolute(path: str) -> Path:
    """As it was asked for: a link counts by what it leads to at the time."""
    return Path(os.path.abspath(path))


def _module_files() -> list[str]:
    specs = [getattr(module, "__spec__", None) for module in list(sys.modules.values())]
    return [spec.origin for spec in specs if spec and spec.origin and os.path.isabs(spec.origin)]


def _counts(path: Path) -> bool:
    """Whether a file outside the project and its packages is an input; the interpreter's library is known by its version."""
    library = {str(Path(sysconfig.get_path(name)).resolve()) for name in ("stdlib", "platstdlib")}
    return path.is_file() and not str(path).startswith((*MACHINE, *library))


def _records(tops: set[str], site: Path) -> set[str]:
    """The RECORDs, relative to site-packages, of the packages that own these folders and modules of it."""
    folders = {name.partition("-")[0].lower(): name for name in os.listdir(site) if name.endswith(".dist-info")}
    wanted = {top.removesuffix(".py") for top in tops if not top.endswith((".dist-info", ".pth"))}
    owners = {top: folders[top.lower()] for top in wanted if top.lower() in folders}
    for name in folders.values() if wanted - set(owners) else ():  # named otherwise than what it installs
        listed = Path(site, name, "top_level.txt")
        owners |= {top: name for top in (listed.read_text().split() if listed.exists() else ()) if top in wanted - set(owners)}
    for top in wanted - set(owners):
        for name in folders.values():
            if f"\n{top}/" in Path(site, name, "RECORD").read_text():
                owners[top] = name
    return {f"{name}/RECORD" for name in owners.values()}
