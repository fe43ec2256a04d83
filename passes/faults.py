"""Any error as one sentence: what went wrong, and at which line of a model, a pass or another part of the project."""

from __future__ import annotations

import linecache
import traceback
from collections.abc import Iterator
from pathlib import Path

PACKAGES = ("frontend", "passes", "runner", "tasks")  # whose own errors say in a sentence what is wrong
ROOT = Path(__file__).parents[1]
PIPELINES, STAGES = "passes/pipelines.py", "tasks/stage.py"  # they call passes and stages, whose lines come after theirs
LAYERS = "torch/nn/modules/"
LONGEST = 400  # characters of a text that somebody else wrote


class Incomplete(Exception):
    """What a stage made is worth keeping, but it is not all: why. The stage has failed, and runs again the next time."""


class Forgotten(Exception):
    """A stage that did not make all of its outputs."""


def known(error: BaseException) -> bool:
    """Whether an error says in a sentence what is wrong: the project's own, the system's, and MLIR's (whose module is not
    imported here)."""
    return isinstance(error, OSError) or type(error).__name__ == "MLIRError" or _package(error) in PACKAGES


def unexpected(error: BaseException) -> bool:
    """Whether it comes of an error that nobody foresaw, so that the whole traceback may help."""
    return any(not known(one) for one in _chain(error)) or bool(getattr(error, "__notes__", None))


def sentence(error: BaseException, output: str = "") -> str:
    """In one sentence, with the place. A write that fails does not say of which file: then it is `output`."""
    said = _said(error, output)
    where = place(error)
    return said if not where or where in said else f"{said} ({where})"


def brief(said: str) -> str:
    """What a fault said, in one line, for a table: of a list its first row."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return " ".join([*lines[:2], *(["..."] if len(lines) > 2 else [])])


def place(error: BaseException) -> str:
    """The last line that ran of a model or a layer, else of a pass; else of the project, if the error is unexpected.

    Empty for an error that is `located`: it names a file that somebody has to correct.
    """
    if getattr(error, "located", False):
        return ""
    for one in reversed(list(_chain(error))):
        if isinstance(one, SyntaxError) and one.filename:
            return f"{_relative(one.filename)}:{one.lineno}"
    lines = list(_lines(error))
    if models := [place for place in lines if _top(place[0]) == "model"]:
        return _written(models[-1])
    if layers := list(_layers(error)):
        return layers[-1]
    if behind := _after(PIPELINES, lines):
        its = [place for place in behind if place[0] == behind[0][0]][-1]
        return _written(its) if its == behind[-1] else f"{_written(its)}, in {_written(behind[-1])}"
    if all(map(known, _chain(error))):
        return ""
    last = (_after(STAGES, lines) or lines)[-1]
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    foreseen = known(error) and last[0] == frame.f_code.co_filename  # where it was caught and put into a sentence
    return "" if foreseen else _written(last)


def steps(error: BaseException) -> list[str]:
    """The lines by which a pass came to an error, if they are several: `file:line: code`."""
    behind = _after(PIPELINES, list(_lines(error)))
    return [f"{_written(place)}: {linecache.getline(*place).strip()}" for place in behind] if len(behind) > 1 else []


def trace(error: BaseException) -> str:
    return "".join(traceback.format_exception(error))


def _after(caller: str, lines: list[tuple[str, int]]) -> list[tuple[str, int]]:
    """The lines that a file of the project led to: those of the project, if there are any."""
    called = max((i for i, (file, _) in enumerate(lines) if file == str(ROOT / caller)), default=len(lines))
    behind = lines[called + 1 :]
    return [place for place in behind if _top(place[0]) in PACKAGES] or behind


def _said(error: BaseException, output: str) -> str:
    if isinstance(error, OSError) and _package(error) == "builtins" and error.strerror:
        return f"{error.filename or output}: {error.strerror}"
    if type(error).__name__ == "MLIRError":
        text = str(error).partition("\n note:")[0]  # a note shows the whole operation
        return _short(text.partition("error: ")[2] or text)
    if known(error):
        return str(error)
    text = error.msg if isinstance(error, SyntaxError) else str(error)
    return f"{type(error).__name__}: {_short(text) or _source(error)}"


def _source(error: BaseException) -> str:
    """The line that raised it, which says more than the name of an error without words."""
    *_, (file, line) = _lines(error)
    return linecache.getline(file, line).strip() or "it has no words"


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text.rstrip(".") if len(text) <= LONGEST else f"{text[:LONGEST]}..."


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An error and what it comes of."""
    one: BaseException | None = error
    while one:
        yield one
        one = one.__cause__


def _lines(error: BaseException) -> Iterator[tuple[str, int]]:
    """The file and the line of each call that led to it, the innermost last."""
    for one in _chain(error):
        for frame, line in traceback.walk_tb(one.__traceback__):
            yield frame.f_code.co_filename, line


def _layers(error: BaseException) -> Iterator[str]:
    """The lines of PyTorch's own modules that led to it: all that an nn.Sequential has."""
    for one in _chain(error):
        for frame, line in traceback.walk_tb(one.__traceback__):
            _, library, file = frame.f_code.co_filename.rpartition(LAYERS)
            if library and frame.f_code.co_name == "forward":
                yield f"{library}{file}:{line}"


def _package(error: BaseException) -> str:
    return type(error).__module__.partition(".")[0]


def _top(file: str) -> str:
    """The package of the project that a file belongs to; empty for others."""
    path = Path(file)
    return path.relative_to(ROOT).parts[0] if path.is_relative_to(ROOT) else ""


def _written(place: tuple[str, int]) -> str:
    return f"{_relative(place[0])}:{place[1]}"


def _relative(file: str) -> str:
    """As somebody names it: below the project, or else below where they are."""
    base = next((base for base in (ROOT, Path.cwd()) if Path(file).is_relative_to(base)), None)
    return str(Path(file).relative_to(base)) if base else file
