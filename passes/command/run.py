"""Passes on a file, in a process that may crash: the input of the pass that runs lies in the journal."""

from __future__ import annotations

import argparse
import ctypes
import logging
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from passes import faults, pipelines, stages, targets, tilings
from passes.mlir import ir
from passes.names import nearest
from passes.steps import Step, UnknownStep, bare, name_of, part, place, steps_of

DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG
WRONG = (UnknownStep, pipelines.PipelineError, stages.BadModule, targets.UnknownTarget, tilings.BadTable, OSError)


def run(given: argparse.Namespace) -> int:
    """The exit status: 0, 1 when a pass failed, 2 when something is misnamed or the file is broken."""
    ctypes.CDLL(None).prctl(DIE_WITH_PARENT, signal.SIGKILL, 0, 0, 0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process that waits for this one says where it was
    try:
        steps, printed = _chosen(given)
        _log(given.debug_only)
        target = targets.find(given.target)
        _check_output(given.output)
        module = stages.read(given.file)
    except WRONG as error:
        print(error, file=sys.stderr)
        return 2
    watch = Watch(given.journal, printed)
    try:
        pipelines.run(module, given.pipeline, target, steps, watch.around, given.verify_each)
    except Exception as error:
        print(faults.sentence(error), *faults.steps(error), sep="\n  ", file=sys.stderr)
        return 1 if watch.running or not isinstance(error, pipelines.PipelineError) else 2
    if given.timing:
        print(timing(watch.seconds), file=sys.stderr)
    try:
        _write(module, given.output)
    except OSError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


class Watch:
    """Around each pass: its input goes to the journal and stays there if it does not come back; its time is taken."""

    def __init__(self, journal: Path, printed: set[str]) -> None:
        self.seconds: list[tuple[str, float]] = []
        self.running = False
        self._journal, self._printed = journal, printed

    @contextmanager
    def around(self, step: Step, module: ir.Module) -> Iterator[None]:
        entry = self._journal / step.label
        with entry.open("wb") as file:
            if self.seconds:  # the input of the first is the file itself
                module.operation.write_bytecode(file)
        self.running = True
        begin = time.perf_counter()
        yield
        self.seconds.append((step.label, time.perf_counter() - begin))
        self.running = False
        entry.unlink()
        if step.label in self._printed:
            print(f"// after {step.label}\n{module}", file=sys.stderr)


def timing(seconds: list[tuple[str, float]]) -> str:
    """Two tables in milliseconds and parts of the whole: pass by pass, and the passes of a name together, slowest first."""
    total = sum(spent for _, spent in seconds) or 1.0
    names: dict[str, list[float]] = {}
    for label, spent in seconds:
        names.setdefault(label.partition("#")[0], []).append(spent)
    by_name = [(f"{name} x{len(all_)}" if len(all_) > 1 else name, sum(all_)) for name, all_ in names.items()]
    tables = {"in order": seconds, "by name, slowest first": sorted(by_name, key=lambda row: -row[1])}
    lines = []
    for title, rows in tables.items():
        lines += [title, *(f"{1e3 * spent:10.2f} ms {100 * spent / total:5.1f} %  {name}" for name, spent in rows)]
    return "\n".join([*lines, f"{1e3 * total:10.2f} ms in {len(seconds)} passes"])


def _chosen(given: argparse.Namespace) -> tuple[list[Step], set[str]]:
    """The steps to run, and after which of them to print."""
    if given.only is not None and (given.start_after is not None or given.stop_after is not None):
        raise UnknownStep("--only names the one pass that runs: leave out --start-after and --stop-after, or --only")
    steps = steps_of(pipelines.find(given.pipeline))
    chosen = part(steps, given.pipeline, given.start_after, given.stop_after, given.only)
    labels = {step.label for step in chosen}
    printed = labels if "all" in given.print_ir_after else {
        steps[place(steps, word, given.pipeline)].label for word in given.print_ir_after
    }  # fmt: skip
    if printed - labels:
        raise UnknownStep(f"--print-ir-after {min(printed - labels)}: it is not among the passes that run")
    return chosen, printed


def ours() -> dict[str, str]:
    """Our passes by name, each with its channel of the log."""
    entries = {entry for pipeline in pipelines.PIPELINES.values() for entry in pipeline if not isinstance(entry, str)}
    return {name_of(entry): f"passes.{name_of(entry)}" for entry in entries}


def _log(words: list[str]) -> None:
    """Let our passes of these names say what they decide, on stderr."""
    upstream = {bare(e) for pipeline in pipelines.named().values() for e in pipeline if isinstance(e, str)}
    for word in words:
        name = word.partition("#")[0]
        if name in upstream:
            raise UnknownStep(f"--debug-only {word}: it is MLIR's, whose release build logs nothing; see --print-ir-after")
        if name not in ours():
            near = nearest(name, ours()) or f"; there are {', '.join(sorted(ours()))}"
            raise UnknownStep(f"--debug-only {word}: no such pass of ours{near}")
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(logging.Formatter(f"[{name}] %(message)s"))
        logger = logging.getLogger(ours()[name])
        logger.addHandler(handler)
        logger.setLevel(logging.DEBUG)


def _check_output(output: Path | None) -> None:
    if output is not None and (output.is_dir() or not output.parent.is_dir()):
        raise NotADirectoryError(f"-o {output}: expected a file in a folder that exists")


def _write(module: ir.Module, output: Path | None) -> None:
    """The module as text, to stdout or to a file: whole or not at all."""
    if output is None:
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # its reader may leave before the end
        sys.stdout.write(stages.text(module))
        sys.stdout.flush()
        return
    if output.exists() and not output.is_file():  # a device
        stages.write(module, output)
        return
    output = output.resolve()
    beside = output.with_name(f".{output.name}.{os.getpid()}")
    try:
        stages.write(module, beside)
        os.replace(beside, output)
    finally:
        beside.unlink(missing_ok=True)
