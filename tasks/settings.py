"""The words `name=value` on doit's command line: which model, which of its settings, where to build, how to run."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from doit import doit_cmd
from doit.exceptions import InvalidCommand

from tasks import models

DEFAULT_MODEL = "deepseek_r1_block"
COUNTS = ("threads", "iterations", "warmup")  # of a run, not of a build


@dataclass(frozen=True)
class Settings:
    """`overrides` are the model's settings that differ from its defaults; they name the build folder."""

    model: models.Model
    overrides: dict[str, str] = field(default_factory=dict)
    run: dict[str, int] = field(default_factory=dict)
    target: str = "native"
    root: Path = Path("build")

    @property
    def folder(self) -> Path:
        variant = [f"{name}={value}" for name, value in sorted(self.overrides.items())]
        if self.target != "native":
            variant.append(f"target={self.target}")
        return self.root / "-".join([self.model.name, *variant])


def from_command_line() -> Settings:
    """Raises doit's InvalidCommand, which doit prints as a sentence, for a word or a value that nothing takes."""
    return parse(dict(doit_cmd._CMDLINE_VARS or {}))


def default_tasks(arguments: list[str]) -> list[str]:
    """What to run when no task is named. `run` is doit's own command for running tasks; without a name it is ours."""
    words = [word for word in arguments if "=" not in word]
    return ["run"] if words[:1] == ["run"] else ["onestep"]


def parse(words: dict[str, str]) -> Settings:
    words = dict(words)
    try:
        model = models.find(words.pop("model", DEFAULT_MODEL))
    except models.UnknownModel as error:
        raise InvalidCommand(str(error)) from error
    root, target = Path(words.pop("build", "build")), words.pop("target", "native")
    run = {name: int(_value(name, words.pop(name), 1)) for name in COUNTS if name in words}
    overrides = {}
    for name, text in words.items():
        if name not in model.settings:
            raise InvalidCommand(_unknown(name, model))
        value = _value(name, text, model.settings[name])
        if value != model.settings[name]:
            overrides[name] = str(value)
    return Settings(model, overrides, run, target, root)


def _value(name: str, text: str, default: Any) -> Any:
    """`text` as a value of the default's type; sizes and counts are positive."""
    try:
        value = type(default)(text)
    except ValueError:
        raise InvalidCommand(f"{name}={text}: expected a value like {default}") from None
    if isinstance(default, int) and name != "seed" and value < 1:
        raise InvalidCommand(f"{name}={text}: expected a whole number from 1")
    return value


def _unknown(name: str, model: models.Model) -> str:
    known = ["model", "build", "target", *COUNTS, *model.settings]
    close = difflib.get_close_matches(name, known, 1)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    return f"{name}=: nothing takes it{hint} Known for {model.name}: {', '.join(known)}"
