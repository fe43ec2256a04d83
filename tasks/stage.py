"""Run one stage: `python -m tasks.stage MODULE:FUNCTION --in FILE... --out FILE... [--tell FILE] --set NAME=VALUE...`

Outputs appear under their names only when the stage has succeeded, or is Incomplete. Any error is one sentence. `--tell` leaves
a file that says what the stage read besides its inputs, or the sentence and the traceback of its error.
"""

from __future__ import annotations

import argparse
import ctypes
import faulthandler
import importlib
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from importlib.machinery import SourceFileLoader
from pathlib import Path
from typing import Any, NoReturn

from passes import faults
from tasks.watch import Watch

DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG
CLOCK = 2.0  # seconds, more than the step of a time stamp in compiled code


def main() -> int:
    began = time.time_ns()
    options = _arguments()
    signal.signal(signal.SIGTERM, _interrupted)
    faulthandler.enable()  # a crash tells the line of Python that it came from
    _keep_no_code_of_new_files()
    watch = Watch(Path.cwd()) if options.tell else None
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
            _tell(options.tell, **watch.uses(used or ()).plain(), began=began)
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        _tell_why(options.tell, error, outputs)
        return 1
    return 0


def _tell(path: str, **told: Any) -> None:
    Path(path).write_text(json.dumps(told))


def _tell_why(path: str | None, error: Exception, outputs: list[Path]) -> None:
    sentence = faults.sentence(error, ", ".join(map(str, outputs)))
    trace = faults.trace(error) if faults.unexpected(error) else ""
    try:
        if path:
            _tell(path, sentence=sentence, trace=trace, incomplete=isinstance(error, faults.Incomplete))
            return
    except OSError:  # no room for it, say
        pass
    print(sentence, file=sys.stderr)


def _keep_no_code_of_new_files() -> None:
    """Python knows compiled code by the source's size and whole second: an edit within that second would not count."""
    keep = SourceFileLoader.set_data

    def set_data(self: SourceFileLoader, path: str, data: Any, **options: Any) -> None:
        if time.time() - os.stat(self.path).st_mtime > CLOCK:
            keep(self, path, data, **options)

    SourceFileLoader.set_data = set_data  # type: ignore[method-assign]


def _atomically(outputs: list[Path], write: Callable[[list[Path]], Any]) -> Any:
    """Let `write` fill files beside the outputs, then rename them; on any failure but Incomplete none of them stays."""
    parts = [path.with_name(f".part-{os.getpid()}-{path.name}") for path in outputs]
    for path in outputs:
        path.parent.mkdir(parents=True, exist_ok=True)
        _sweep(path)
    result, incomplete = None, None
    try:
        try:
            result = write(parts)
        except faults.Incomplete as error:
            incomplete = error
        for part, path in zip(parts, outputs, strict=True):
            if not part.exists():
                raise faults.Forgotten(f"{path}: the stage ended without making it")
        for part, path in zip(parts, outputs, strict=True):
            os.replace(part, path)
        if incomplete:
            raise incomplete
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
    parser.add_argument("--tell", metavar="FILE")
    parser.add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
