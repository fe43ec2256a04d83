"""What `python -m passes` takes. Nothing here loads MLIR: a command that needs it does so once it runs."""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path

PROGRAM = "python -m passes"
PASS = "a pass of the pipeline; `canonicalize#2` is the second of several"


def main(words: list[str]) -> int:
    """Do what the words of a command line say; the exit status: 0, 1 when a pass failed, 2 when something is misnamed."""
    if words[:1] == ["--names"]:  # what could come next, for a shell's completion
        from passes.command.completion import names

        return _say("".join(f"{name}\n" for name in names(words[1:])))
    given = parser().parse_args(words)
    if given.command == "list":
        return _list(given.pipeline)
    if given.command == "completion":
        from passes.command.completion import script

        return _say(script(given.shell))
    if given.command == "bisect":
        return _bisect(given)
    if given.journal:
        from passes.command.run import run

        return run(given)
    if given.check:
        from passes.command.check import check

        return check(words[1:], given)
    from passes.command.supervise import supervise

    return supervise(words[1:], given)


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog=PROGRAM, description="Run any part of a pipeline of passes on a file of MLIR.")
    commands = top.add_subparsers(dest="command", required=True)
    _add_run(commands.add_parser("run", help="run a pipeline, or a part of it, on a file", allow_abbrev=False))
    _add_bisect(commands.add_parser("bisect", help="the first pass after which a file's numbers are wrong", allow_abbrev=False))
    listing = commands.add_parser("list", help="what each pass of the pipelines does")
    listing.add_argument("pipeline", nargs="?", help="only this one")
    completion = commands.add_parser("completion", help="a script that completes the names of passes, options and doit's tasks")
    completion.add_argument("shell", choices=("bash", "zsh"))
    return top


def _add_run(run: argparse.ArgumentParser) -> None:
    run.add_argument("file", type=Path, metavar="FILE.mlir")
    run.add_argument("--pipeline", required=True, metavar="NAME", help="midend, backend: see `python -m passes list`")
    run.add_argument("--start-after", metavar="PASS", help=f"FILE is what this pass left: {PASS}")
    run.add_argument("--stop-after", metavar="PASS", help="the last pass that runs")
    run.add_argument("--only", metavar="PASS", help="the only pass that runs")
    run.add_argument("--target", default="native", help="as in `doit target=`; the default is this machine")
    run.add_argument("-o", "--output", type=Path, metavar="OUT", help="where the module goes, instead of stdout")
    run.add_argument("--print-ir-after", metavar="PASS", action="append", default=[], help="or `all`; goes to stderr")
    run.add_argument("--timing", action="store_true", help="wall time of each pass, in order and by name; goes to stderr")
    run.add_argument(
        "--verify-each", action=argparse.BooleanOptionalAction, default=True, help="verify the module after each pass"
    )
    run.add_argument("--debug-only", metavar="PASS", action="append", default=[], help="log what one of our passes decides")
    run.add_argument("--timeout", type=_seconds, metavar="SECONDS", help="give up after; how to find out which pass hangs")
    run.add_argument(
        "--check", action="store_true", help="compare the numbers before and after, by a plain lowering; print only that"
    )
    run.add_argument("--journal", type=Path, help=argparse.SUPPRESS)  # where the process that runs passes keeps their input


def _add_bisect(bisect: argparse.ArgumentParser) -> None:
    bisect.description = (
        "Run what each pass leaves through a plain lowering, with poisoned memory and several threads, and compare its numbers "
        "with those of --cases or, on drawn inputs, with what the plain lowering makes of FILE itself."
    )
    bisect.add_argument(
        "files", type=Path, nargs="+", metavar="FILE.mlir", help="several, with --cases, if they call one another"
    )
    bisect.add_argument(
        "--pipeline", action="append", metavar="NAME", help="may be given several times; the default is all, in order"
    )
    bisect.add_argument("--target", default="native", help="as in `doit target=`; the default is this machine")
    bisect.add_argument("--function", default="", metavar="NAME", help="the one to run; the default is the first public one")
    bisect.add_argument(
        "--cases", type=Path, metavar="JSON", help="inputs and right answers, as `doit verify:cases` leaves them"
    )
    bisect.add_argument("--every", action="store_true", help="look behind each pass in order, not by halves")
    bisect.add_argument("--into", type=Path, default=Path(), metavar="FOLDER", help="for the file that shows the fault")
    bisect.add_argument("--timeout", type=_seconds, default=300.0, metavar="SECONDS", help="of one run")


def _seconds(text: str) -> float:
    try:
        if 0 < (seconds := float(text)) < float("inf"):
            return seconds
    except ValueError:
        pass
    raise argparse.ArgumentTypeError(f"{text}: expected a number of seconds, more than 0")


def _bisect(given: argparse.Namespace) -> int:
    from passes.pipelines import PIPELINES, PipelineError, find
    from runner.bisect.session import Session

    names = tuple(given.pipeline or PIPELINES)
    try:
        for name in names:
            find(name)
    except PipelineError as error:
        print(error, file=sys.stderr)
        return 2
    options = (given.target, given.timeout, given.into, given.function, given.every)
    return Session(tuple(given.files), given.cases, names, *options).run()


def _list(pipeline: str | None) -> int:
    from passes.command.listing import text
    from passes.pipelines import PipelineError

    try:
        return _say(text(pipeline))
    except PipelineError as error:
        print(error, file=sys.stderr)
        return 2


def _say(text: str) -> int:
    """Write to stdout, for a reader that may leave before the end."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    sys.stdout.write(text)
    return 0
