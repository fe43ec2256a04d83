"""What a search is doing, on stderr: a line that changes where that is a terminal, and a line for each thing elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any


class Progress:
    """Within its context `tell` shows what is being done, and `say` prints what was found."""

    def __init__(self) -> None:
        self._doing: Callable[[], str] = str
        self._began = time.monotonic()
        self._live: Any = _live(self._text) if sys.stderr.isatty() else None

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stop()

    def tell(self, doing: Callable[[], str]) -> None:
        """On a terminal it is asked again while it is shown."""
        self._doing = doing
        if self._live:
            self._live.start()
        else:
            print(doing(), file=sys.stderr, flush=True)

    def say(self, sentence: str, wrong: bool = False) -> None:
        """To stdout, or to stderr if it says what is wrong with the question."""
        self._stop()
        print(sentence, file=sys.stderr if wrong else sys.stdout, flush=True)

    def _stop(self) -> None:
        if self._live:
            self._live.stop()

    def _text(self) -> str:
        return f"{time.monotonic() - self._began:.0f} s  {self._doing()}"


def _live(text: Callable[[], str]) -> Any:
    from rich.console import Console
    from rich.live import Live
    from rich.spinner import Spinner
    from rich.text import Text

    spinner = Spinner("dots")

    def render() -> Spinner:
        spinner.update(text=Text(text(), overflow="ellipsis", no_wrap=True))
        return spinner

    console = Console(stderr=True)  # stdout may be another file, it is not redirected
    return Live(
        console=console,
        get_renderable=render,
        transient=True,
        refresh_per_second=8,
        redirect_stdout=False,
        redirect_stderr=False,
    )
