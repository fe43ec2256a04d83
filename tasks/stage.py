"""Run one stage: `python -m tasks.stage MODULE:FUNCTION --in FILE... --out FILE... [--uses FILE] --set NAME=VALUE...`

Outputs appear under their names only when the stage has succeeded. A mistake that the project knows is one sentence. `--uses`
leaves a file that says what the stage read besides its inputs.
"""

from __future__ import annotations

import argparse
import ctypes
import importlib
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable
from importlib.machinery import SourceFileLoader
from pathlib import Path
from typing import Any, NoReturn

from tasks.watch import Watch

PACKAGES = ("frontend", "passes", "runner", "model", "tasks")
DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG
CLOCK = 2.0  # seconds, more than the step of a time stamp in compiled code


class Forgotten(Exception):
    """A stage that did not make all of its outputs."""


def main() -> int:
    began = time.time_ns()
    options = _arguments()
    signal.signal(signal.SIGTERM, _interrupted)
    _keep_no_code_of_new_files()
    watch = Watch(Path.cwd()) if options.uses else None
    if watch:
        die_with_parent()
    outputs = [Path(p) for p in options.outputs]
    module, _, function = options.run.partition(":")
    try:
        run = getattr(importlib.import_module(module), function)
        settings = dict(word.split("=", 1) for word in options.set)
        inputs = [Path(name) for name in options.inputs]
        used = _atomically(outputs, lambda parts: run(inputs, parts, **settings))
        if watch:
            _write_uses(Path(options.uses), watch, used or (), began)
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        if not known(error):
            raise
        print(_sentence(error, outputs), file=sys.stderr)
        return 1
    return 0


def _keep_no_code_of_new_files() -> None:
    """Python knows compiled code by the source's size and whole second: an edit within that second would not count."""
    keep = SourceFileLoader.set_data

    def set_data(self: SourceFileLoader, path: str, data: Any, **options: Any) -> None:
        if time.time() - os.stat(self.path).st_mtime > CLOCK:
            keep(self, path, data, **options)

    SourceFileLoader.set_data = set_data  # type: ignore[method-assign]


def _atomically(outputs: list[Path], write: Callable[[list[Path]], Any]) -> Any:
    """Let `write` fill files beside the outputs, then rename them; on any failure none of them stays."""
    parts = [path.with_name(f".part-{os.getpid()}-{path.name}") for path in outputs]
    for path in outputs:
        path.parent.mkdir(parents=True, exist_ok=True)
        _sweep(path)
    try:
        result = write(parts)
        for part, path in zip(parts, outputs, strict=True):
            if not part.exists():
                raise Forgotten(f"{path}: the stage ended without making it")
        for part, path in zip(parts, outputs, strict=True):
            os.replace(part, path)
        return result
    finally:
        for part in parts:
            part.unlink(missing_ok=True)


def _sweep(path: Path) -> None:
    """Remove what a killed run left of this output."""
    for part in path.parent.glob(f".part-*-{path.name}"):
        pid = part.name.split("-")[1]
        if not Path("/proc", pid).exists():
            part.unlink(missing_ok=True)


def _write_uses(path: Path, watch: Watch, also: Iterable[Path], began: int) -> None:
    path.write_text(json.dumps({**watch.uses(also).plain(), "began": began}))


def known(error: Exception) -> bool:
    """Whether an error is a mistake that the project has a sentence for."""
    return isinstance(error, OSError | Forgotten) or type(error).__module__.partition(".")[0] in PACKAGES


def _sentence(error: Exception, outputs: list[Path]) -> str:
    """A write that fails does not say of which file: then it is one of the outputs."""
    if isinstance(error, OSError) and type(error).__module__ == "builtins":
        return f"{error.filename or ', '.join(map(str, outputs))}: {error.strerror}" if error.strerror else str(error)
    return str(error)


def die_with_parent() -> None:
    """A doit that is killed takes its stages with it."""
    parent = os.getppid()
    ctypes.CDLL(None).prctl(DIE_WITH_PARENT, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def _interrupted(signum: int, frame: object) -> NoReturn:
    raise KeyboardInterrupt


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", metavar="MODULE:FUNCTION")
    parser.add_argument("--in", dest="inputs", nargs="*", default=[], metavar="FILE")
    parser.add_argument("--out", dest="outputs", nargs="*", default=[], metavar="FILE")
    parser.add_argument("--uses", metavar="FILE")
    parser.add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
