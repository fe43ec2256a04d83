"""A process that is asked and answers, a line of JSON each way."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any


class Failed(Exception):
    """A process that gave no answer, and why."""


class Process:
    """`log` takes what it says besides. It has a process group of its own, so that what it starts ends with it."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        log.parent.mkdir(parents=True, exist_ok=True)
        self._log = log
        with log.open("w") as errors:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=dict(environment),
                text=True,
                start_new_session=True,
            )

    def ask(self, request: Mapping[str, Any], seconds: float) -> dict[str, Any]:
        """The answer to a request; raises Failed when the process ends, or takes longer than `seconds`."""
        return json.loads(self.say(json.dumps(request), seconds))

    def answer(self, seconds: float) -> dict[str, Any]:
        """The next line that it says of itself."""
        return json.loads(self.line(seconds))

    def say(self, text: str, seconds: float) -> str:
        """The line with which a process answers that does not speak JSON."""
        assert self._process.stdin
        with suppress(BrokenPipeError):  # it has ended: there is no answer, either
            self._process.stdin.write(f"{text}\n")
            self._process.stdin.flush()
        return self.line(seconds)

    def line(self, seconds: float) -> str:
        assert self._process.stdout
        if not select.select([self._process.stdout], [], [], seconds)[0]:
            self.close()
            raise Failed(f"no answer within {seconds:.0f} s; see {self._log}")
        line = self._process.stdout.readline()
        if not line:
            raise Failed(f"{self._ended()}; see {self._log}")
        return line

    def halt(self) -> None:
        """Let it take no time, not even to wait for work, until it is told to go on."""
        os.killpg(self._process.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        os.killpg(self._process.pid, signal.SIGCONT)

    def finish(self, seconds: float) -> None:
        """Nothing more is asked: let it come to its end, as `wait` does."""
        assert self._process.stdin
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        self.wait(seconds)

    def wait(self, seconds: float) -> None:
        """For a command that answers nothing; raises Failed with the last line that it said unless it succeeds."""
        try:
            status = self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.close()
            raise Failed(f"not ready within {seconds:.0f} s; see {self._log}") from None
        if status:
            lines = self._log.read_text(errors="replace").split("\n")
            raise Failed(next((line.strip()[:200] for line in reversed(lines) if line.strip()), self._ended()))

    def close(self) -> None:
        """End it and what it started."""
        if self._process.returncode is None:  # its number is still its own
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream:
                with suppress(BrokenPipeError):
                    stream.close()

    def _ended(self) -> str:
        status = self._process.wait()
        return f"killed by signal {-status}" if status < 0 else f"exit status {status}"
