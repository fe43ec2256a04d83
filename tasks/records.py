"""What is known of a step's last success, in a file beside its artifacts, and whether that still holds."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
import sysconfig
from collections.abc import Collection
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from tasks.digests import Digests, kind_of
from tasks.steps import Step

FOLDER = ".state"  # in the build folder


@dataclass(frozen=True)
class Record:
    """Digests by path of what a step took, used and made; see `tasks.watch.Uses` for `used`, `packages` and the others.

    `used` holds for each path the kind of digest and the digest.
    """

    run: str
    options: dict[str, str]
    machine: str
    inputs: dict[str, str | None]
    outputs: dict[str, str | None]
    used: dict[str, list[str | None]] = field(default_factory=dict)
    absent: list[str] = field(default_factory=list)
    packages: dict[str, str | None] = field(default_factory=dict)
    programs: dict[str, str | None] = field(default_factory=dict)
    variables: dict[str, str | None] = field(default_factory=dict)
    seconds: float = 0.0


_KINDS = {"absent": list} | dict.fromkeys(("options", "inputs", "outputs", "used", "packages", "programs", "variables"), dict)


def path_of(step: Step) -> str:
    return f"{step.folder}/{FOLDER}/{step.name.replace(':', '-')}.json"


def log_of(step: Step) -> Path:
    """What a step said that failed the last time it ran: a sentence, and after an empty line the rest."""
    return Path(path_of(step)).with_suffix(".log")


def fault(step: Step) -> str:
    """Why a step failed the last time it ran; empty if it did not."""
    try:
        return log_of(step).read_text().partition("\n\n")[0]
    except FileNotFoundError:
        return ""


def load(path: str) -> Record | None:
    """The record, or None where there is none that can be read."""
    try:
        with open(path) as file:
            return record_of(json.loads(file.read()))
    except (OSError, ValueError, TypeError):
        return None


def record_of(plain: Any) -> Record:
    """Raises TypeError or ValueError for what is not a record."""
    record = Record(**plain)
    for name, kind in _KINDS.items():
        if not isinstance(getattr(record, name), kind):
            raise TypeError(f"{name}: expected {kind.__name__}")
    return record


def save(record: Record, path: str) -> None:
    write_atomically(Path(path), json.dumps(asdict(record)))


def write_atomically(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".part-{os.getpid()}-{path.name}")
    try:
        part.write_text(text)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def package_path(name: str) -> str:
    """Where a file of site-packages is in this environment."""
    return f"{_site()}/{name}"


def difference(
    record: Record, step: Step, digests: Digests, held: Collection[str], unsettled: Collection[str] = ()
) -> str | None:
    """Why a step's last success no longer holds, in words, or None when it does.

    `held` outputs may be as somebody edited them; `unsettled` inputs are about to be made anew, so what they hold now says
    nothing.
    """
    return (
        _command_difference(record, step)
        or _files_difference(record, step, digests, unsettled)
        or used_difference(record, digests)
        or _outputs_difference(record, step, digests, held)
    )


def used_difference(record: Record, digests: Digests) -> str | None:
    """What a step used besides its inputs, and is another now."""
    for path, (kind, digest) in record.used.items():
        now = digests.of(path, kind or "bytes")
        if now != digest:
            return f"{path} {'changed' if now else 'is gone'}"
    for path in record.absent:
        if digests.exists(package_path(path[5:]) if path.startswith("site:") else path):
            return f"{path.removeprefix('site:')} appeared"
    for package, digest in record.packages.items():
        if digests.of(package_path(package), "record") != digest:
            return f"package {package.partition('.dist-info')[0]} changed"
    for name, found in record.programs.items():
        if (now := _which(name)) != found:
            return f"{name} is now {now or 'missing'}"
    for name, value in record.variables.items():
        if os.environ.get(name) != value:
            return f"variable {name} changed from {value} to {os.environ.get(name)}"
    return None


def _command_difference(record: Record, step: Step) -> str | None:
    if record.run != step.run:
        return f"it is now made by {step.run}"
    for name in sorted({*record.options, *step.options}):
        old, new = record.options.get(name), step.options.get(name)
        if old != new:
            return f"{name} changed from {old} to {new}"
    if record.machine != machine():
        return "the machine or the interpreter changed"
    return None


def _files_difference(record: Record, step: Step, digests: Digests, unsettled: Collection[str]) -> str | None:
    if list(record.inputs) != step.inputs or list(record.outputs) != step.outputs:
        return "it takes or makes other files now"
    for path, digest in record.inputs.items():
        now = digests.of(path, kind_of(path))
        if now != digest and path not in unsettled:
            return f"{path} {'changed' if now else 'is missing'}"
    return None


def _outputs_difference(record: Record, step: Step, digests: Digests, held: Collection[str]) -> str | None:
    for path, digest in record.outputs.items():
        now = digests.of(path)
        if now is None:
            return f"{path} is missing"
        if now != digest and path not in held:
            return f"{path} was edited"
    return None


@cache
def machine() -> str:
    """The interpreter and the processor."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    processor = sorted({line for line in lines if line.startswith(("flags", "model", "cpu family", "stepping"))})
    return hashlib.sha256("\n".join([sys.version, sys.platform, *processor]).encode()).hexdigest()


@cache
def _which(name: str) -> str | None:
    return shutil.which(name)


@cache
def _site() -> str:
    return sysconfig.get_path("purelib")
