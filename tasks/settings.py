"""The words `name=value` on doit's command line: which model, which of its settings, where to build, how to run."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from doit import doit_cmd
from doit.exceptions import InvalidCommand

from passes import targets, tilings
from passes.names import nearest
from tasks import models
from tasks.bench import engines
from tasks.benchmarks import table

DEFAULT_MODEL = "deepseek_r1_block"
DTYPES = ("f32", "bf16", "w8")  # as the model is written; all in bf16; linears with 8-bit weights
COUNTS = {"threads": 1, "iterations": 1, "warmup": 0}  # of a run, not of a build, each with its least
TIMEOUT = 300  # seconds, of one run of one stage when the build is verified, of one build or run of a benchmark
ROUNDS = 9  # of a bench: enough to tell a difference from noise
REGRESSIONS = ("report", "fail")  # what benchmarks do about a ratio that got worse


@dataclass(frozen=True)
class Settings:
    """`overrides` are the model's settings that differ from its defaults; they name the build folder."""

    model: models.Model
    overrides: dict[str, str] = field(default_factory=dict)
    run: dict[str, int] = field(default_factory=dict)
    target: str = "native"
    root: Path = Path("build")
    cache: bool = True
    words: tuple[str, ...] = ()  # as given
    dtype: str = DTYPES[0]
    dtypes: tuple[str, ...] = ()  # to bench; none: the one above
    seq_lens: tuple[int, ...] = ()  # to bench; none: the model's own
    engines: tuple[str, ...] = ()  # to bench; none: all
    rounds: int = ROUNDS  # of a bench
    timeout: int = TIMEOUT  # of one run of one stage when it is verified, of one build or run of a benchmark, in seconds
    every: bool = False  # look behind each pass in order when the model is bisected
    search: tuple[str, ...] = tilings.PARAMETERS  # of what `tune` tries other values
    parallel: bool = True  # loops for OpenMP's threads; else for one thread
    size: str = table.SIZES[1]  # of benchmarks
    regressions: str = REGRESSIONS[0]  # of benchmarks
    trace: bool = False  # of benchmarks

    @property
    def folder(self) -> Path:
        variant = [f"{name}={value}" for name, value in sorted(self.overrides.items())]
        if self.dtype != DTYPES[0]:
            variant.append(f"dtype={self.dtype}")
        if self.target != "native":
            variant.append(f"target={self.target}")
        if not self.parallel:
            variant.append("parallel=off")
        return self.root / "-".join([self.model.name, *variant])


def from_command_line() -> Settings:
    """Raises doit's InvalidCommand, which doit prints as a sentence, for a word or a value that nothing takes."""
    return parse(dict(doit_cmd._CMDLINE_VARS or {}))


def default_tasks(arguments: list[str]) -> list[str]:
    """What to run when no task is named. `run` is doit's own command for running tasks; without a name it is ours."""
    words = [word for word in arguments if "=" not in word]
    return ["run"] if words[:1] == ["run"] else ["onestep"]


def parse(words: dict[str, str]) -> Settings:
    given = tuple(f"{name}={value}" for name, value in words.items())
    words = dict(words)
    try:
        model = models.find(words.pop("model", DEFAULT_MODEL))
    except models.UnknownModel as error:
        raise InvalidCommand(str(error)) from error
    root, target, dtype = words.pop("build", "build"), words.pop("target", "native"), words.pop("dtype", DTYPES[0])
    if not root:
        raise InvalidCommand("build=: expected a folder")
    try:
        targets.find(target)
    except targets.UnknownTarget as error:
        raise InvalidCommand(str(error)) from error
    _one_of("dtype", [dtype], DTYPES)
    cache = _switch("cache", words.pop("cache", os.environ.get("SLUICE_CACHE", "on")))
    parallel = _switch("parallel", words.pop("parallel", "on"))
    run = {name: _value(name, words.pop(name), 1, least) for name, least in COUNTS.items() if name in words}
    bench = _bench(words, model) | _benchmarks(words)
    every = _switch("every", words.pop("every", "off"))
    timeout = _value("timeout", words.pop("timeout", str(TIMEOUT)), TIMEOUT, 1)
    search = _search(words.pop("search", ",".join(tilings.PARAMETERS)))
    overrides = {}
    for name, text in sorted(words.items()):
        if name not in model.settings:
            raise InvalidCommand(_unknown(name, model))
        value = _value(name, text, model.settings[name], None if name == "seed" else 1)
        if value != model.settings[name]:
            overrides[name] = str(value)
    more: dict[str, Any] = {"search": search, "timeout": timeout, "every": every, "parallel": parallel, **bench}
    return Settings(model, overrides, run, target, _folder(root), cache, given, dtype, **more)


def _bench(words: dict[str, str], model: models.Model) -> dict[str, Any]:
    """What only a bench takes, out of `words`."""
    found: dict[str, Any] = {}
    if "rounds" in words:
        found["rounds"] = _value("rounds", words.pop("rounds"), ROUNDS, 1)
    if "engines" in words:
        found["engines"] = _one_of("engines", words.pop("engines").split(","), engines.NAMES)
    if "dtypes" in words:
        found["dtypes"] = _one_of("dtypes", words.pop("dtypes").split(","), DTYPES)
    if "seq_lens" in words:
        texts = words.pop("seq_lens").split(",")
        if "seq_len" not in model.settings:
            raise InvalidCommand(f"seq_lens=: {model.name} has no seq_len")
        found["seq_lens"] = tuple(_value("seq_lens", text, 1, 1) for text in texts)
    return found


def _benchmarks(words: dict[str, str]) -> dict[str, Any]:
    """What only benchmarks take, out of `words`."""
    found: dict[str, Any] = {}
    for name, accepted in (("size", table.SIZES), ("regressions", REGRESSIONS)):
        if name in words:
            (found[name],) = _one_of(name, [words.pop(name)], accepted)
    if "trace" in words:
        found["trace"] = _switch("trace", words.pop("trace"))
    return found


def _one_of(name: str, texts: list[str], accepted: tuple[str, ...]) -> tuple[str, ...]:
    for text in texts:
        if text not in accepted:
            raise InvalidCommand(f"{name}={text}: expected {', '.join(accepted)}{nearest(text, accepted)}")
    return tuple(texts)


def _folder(text: str) -> Path:
    """One name for a folder, however it was given: records and edits belong to it."""
    path = Path(os.path.abspath(text))
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def _search(text: str) -> tuple[str, ...]:
    names = tuple(text.split(","))
    if not set(names) <= set(tilings.PARAMETERS):
        raise InvalidCommand(f"search={text}: expected some of {','.join(tilings.PARAMETERS)}")
    return names


def _switch(name: str, text: str) -> bool:
    if text not in ("on", "off"):
        raise InvalidCommand(f"{name}={text}: expected on or off")
    return text == "on"


def _value(name: str, text: str, default: Any, least: int | None) -> Any:
    """`text` as a value of the default's type; whole numbers, but for a seed, are sizes and counts."""
    try:
        value: Any = {"True": True, "False": False}[text] if isinstance(default, bool) else type(default)(text)
    except (ValueError, KeyError):
        raise InvalidCommand(f"{name}={text}: expected a value like {default}") from None
    if isinstance(value, str) and "/" in value:
        raise InvalidCommand(f"{name}={text}: expected no slash, it names the build folder")
    if isinstance(default, int) and not isinstance(default, bool) and least is not None and value < least:
        raise InvalidCommand(f"{name}={text}: expected a whole number from {least}")
    return value


def _unknown(name: str, model: models.Model) -> str:
    lengths = ["seq_lens"] if "seq_len" in model.settings else []
    measuring = ["search", "timeout", "every", "size", "regressions", "trace", *COUNTS, "engines", "rounds", "dtypes", *lengths]
    known = ["model", "build", "dtype", "target", "parallel", "cache", *measuring, *model.settings]
    return f"{name}=: nothing takes it{nearest(name, known) or '.'} Known for {model.name}: {', '.join(known)}"
