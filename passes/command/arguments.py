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
    if given.journal:
        from passes.command.run import run

        return run(given)
    from passes.command.supervise import supervise

    return supervise(words[1:], given)


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog=PROGRAM, description="Run any part of a pipeline of passes on a file of MLIR.")
    commands = top.add_subparsers(dest="command", required=True)
    _add_run(commands.add_parser("run", help="run a pipeline, or a part of it, on a file", allow_abbrev=False))
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
    run.add_argument("--timeout", type=float, metavar="SECONDS", help="give up after; how to find out which pass hangs")
    run.add_argument("--journal", type=Path, help=argparse.SUPPRESS)  # where the process that runs passes keeps their input


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
