"""What is measured in one run: models at shapes, each with a build of its own."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from frontend import serialize
from frontend.graph import Graph
from frontend.limits import Work, work
from tasks import models
from tasks.settings import Settings

TOLERANCES = {"bf16": 5e-2, "w8": 5e-2}  # against float64, where the dtype allows no better than the model's own tolerance


class NotBuilt(Exception):
    """A case whose executable cannot be built, in doit's words."""


@dataclass(frozen=True)
class Case:
    """One model at one shape, in one dtype: the `settings` of its build."""

    settings: Settings

    @property
    def name(self) -> str:
        return self.settings.folder.name

    @property
    def seq_len(self) -> int | None:
        """How many tokens one call takes; None for what is no model of sequences."""
        model = self.settings.model
        value = self.settings.overrides.get("seq_len", model.settings.get("seq_len", 1 if model.phase == "decode" else None))
        return None if value is None else int(value)

    @property
    def dtype(self) -> str:
        return self.settings.dtype

    @property
    def tolerance(self) -> float:
        return max(self.settings.model.tolerance, TOLERANCES.get(self.dtype, 0.0))

    @property
    def executable(self) -> Path:
        return self.settings.folder / f"{self.settings.model.runner}-staged"

    def sequential(self) -> Case:
        """The same in code for one thread."""
        return Case(replace(self.settings, parallel=False))

    def words(self) -> list[str]:
        """What doit is told of it."""
        settings = self.settings
        words = [f"model={settings.model.name}", f"build={settings.root}", f"target={settings.target}"]
        words += [] if settings.parallel else ["parallel=off"]
        return [*words, f"dtype={self.dtype}", f"cache={'on' if settings.cache else 'off'}", *self.overrides]

    def build(self) -> None:
        """Bring the executable up to date."""
        words = self.words()
        command = [sys.executable, "-m", "doit", *words, "executable"]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        if done.returncode:
            raise NotBuilt(f"{' '.join(['doit', *words, 'executable'])} fails:\n{done.stdout.strip()}")

    @property
    def overrides(self) -> list[str]:
        return [f"{name}={value}" for name, value in self.settings.overrides.items()]

    def graph(self) -> Graph:
        return serialize.load(self.settings.folder / "graph.json")

    def work(self) -> Work:
        return work(self.graph(), self.dtype)

    def row(self) -> dict[str, Any]:
        """What every row of the results begins with."""
        model = self.settings.model
        return {"model": model.name, "phase": model.phase, "dtype": self.dtype, "seq_len": self.seq_len}


def cases(settings: Settings) -> list[Case]:
    """In each of the `dtypes`, the settings' model at each of the `seq_lens`, then the one that decodes, if there is one."""
    found = []
    for dtype in settings.dtypes or (settings.dtype,):
        chosen = [*_lengths(settings), *_decoding(settings)]
        found += [Case(replace(each, dtype=dtype)) for each in chosen]
    return found


def _lengths(settings: Settings) -> list[Settings]:
    default = settings.model.settings.get("seq_len")
    rest = {name: value for name, value in settings.overrides.items() if name != "seq_len"}
    chosen = [rest if n == default else {**rest, "seq_len": str(n)} for n in settings.seq_lens]
    return [replace(settings, overrides=overrides) for overrides in chosen] or [settings]


def _decoding(settings: Settings) -> list[Settings]:
    """The model of the same name and `_decode`, with those of the settings that it has too."""
    name = f"{settings.model.name}_decode"
    if name not in models.names():
        return []
    decode = models.find(name)
    shared = {key: value for key, value in settings.overrides.items() if key in decode.settings}
    return [replace(settings, model=decode, overrides=shared)]
