"""A step of a build: a row of the stage table with the files it takes and makes."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Step:
    """`name` is the doit task. `run` is a function, `module:function`, called with inputs, outputs and options.

    `variables` are environment variables that C++ code in it reads: those that Python code reads are seen.
    """

    name: str
    run: str
    inputs: list[str]
    outputs: list[str]
    folder: Path
    options: dict[str, str] = field(default_factory=dict)
    variables: tuple[str, ...] = ()
