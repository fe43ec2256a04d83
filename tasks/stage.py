"""Run one stage: `python -m tasks.stage MODULE:FUNCTION --in FILE... --out FILE... --set NAME=VALUE...`

Outputs appear under their names only when the stage has succeeded. A mistake that the project knows is one sentence.
"""

from __future__ import annotations

import argparse
import importlib
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

PACKAGES = ("frontend", "passes", "runner", "model", "tasks")


def main() -> int:
    options = _arguments()
    signal.signal(signal.SIGTERM, _interrupted)
    outputs = [Path(p) for p in options.outputs]
    module, _, function = options.run.partition(":")
    try:
        run = getattr(importlib.import_module(module), function)
        _atomically(outputs, lambda parts: run(map_paths(options.inputs), parts, **dict(s.split("=", 1) for s in options.set)))
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        if not _known(error):
            raise
        print(_sentence(error), file=sys.stderr)
        return 1
    return 0


def map_paths(names: list[str]) -> list[Path]:
    return [Path(name) for name in names]


def _atomically(outputs: list[Path], write: Callable[[list[Path]], None]) -> None:
    """Let `write` fill files beside the outputs, then rename them; on any failure none of them stays."""
    parts = [path.with_name(f".part-{os.getpid()}-{path.name}") for path in outputs]
    for path in outputs:
        path.parent.mkdir(parents=True, exist_ok=True)
        _sweep(path)
    try:
        write(parts)
        for part, path in zip(parts, outputs, strict=True):
            os.replace(part, path)
    finally:
        for part in parts:
            part.unlink(missing_ok=True)


def _sweep(path: Path) -> None:
    """Remove what a killed run left of this output."""
    for part in path.parent.glob(f".part-*-{path.name}"):
        pid = part.name.split("-")[1]
        if not Path("/proc", pid).exists():
            part.unlink(missing_ok=True)


def _known(error: Exception) -> bool:
    return isinstance(error, OSError) or type(error).__module__.partition(".")[0] in PACKAGES


def _sentence(error: Exception) -> str:
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}"
    return str(error)


def _interrupted(signum: int, frame: object) -> NoReturn:
    raise KeyboardInterrupt


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", metavar="MODULE:FUNCTION")
    parser.add_argument("--in", dest="inputs", nargs="*", default=[])
    parser.add_argument("--out", dest="outputs", nargs="*", default=[])
    parser.add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
