"""Work that may crash or hang, in a process of its own: what it says comes over one by one, and last how it ended."""

from __future__ import annotations

import multiprocessing
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from passes import faults
from tasks.stage import die_with_parent


@dataclass(frozen=True)
class Ended:
    """`why` is empty when all went well, and `trace` unless it was something that nobody foresaw.

    `files` are those of the modules that the process had imported by then.
    """

    why: str
    trace: str = ""
    files: tuple[Path, ...] = ()


def apart(work: Callable[[Callable[[Any], None]], None], timeout: float) -> Iterator[Any]:
    """What `work(say)` says, and an Ended; the work is killed when it says nothing for `timeout` seconds."""
    fork = multiprocessing.get_context("fork")
    reader, writer = fork.Pipe(duplex=False)
    process = fork.Process(target=_run, args=(work, writer), daemon=True)
    process.start()
    writer.close()
    try:
        while True:
            if not reader.poll(timeout):
                yield Ended(f"it did not end within {timeout:g} s")
                return
            item = reader.recv()
            yield item
            if isinstance(item, Ended):
                return
    except EOFError:
        process.join()
        code = process.exitcode or 0
        yield Ended(f"it crashed with {signal.Signals(-code).name}" if code < 0 else f"it ended with exit status {code}")
    finally:
        process.kill()
        process.join()


def _run(work: Callable[[Callable[[Any], None]], None], writer: Connection) -> None:
    die_with_parent()
    why = trace = ""
    try:
        work(writer.send)
    except Exception as error:
        why, trace = faults.sentence(error), faults.trace(error) if faults.unexpected(error) else ""
    modules = (getattr(module, "__file__", None) for module in list(sys.modules.values()))
    writer.send(Ended(why, trace, tuple(Path(file) for file in modules if file)))
