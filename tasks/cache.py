"""Outputs of earlier steps, by content: shared between build folders and checkouts, and between processes.

A step's key is what is known before it runs: its function, options, inputs and machine. Under the key lie candidates, each with
what that run used; the one whose used files, packages, programs and variables are the same here is a hit.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Protocol

from tasks import records
from tasks.digests import Digests, of_bytes
from tasks.records import Record
from tasks.steps import Step

CANDIDATES = 8  # kept for a key: so many versions of the code that a step runs
LIMIT = 4 << 30  # bytes; the variable SLUICE_CACHE_SIZE, in MiB, sets another


class Store(Protocol):
    """Where entries and blobs are: a folder, or a server that speaks `/ac` and `/cas` behind the same two pairs of calls."""

    def entry(self, key: str) -> bytes | None: ...

    def put_entry(self, key: str, data: bytes) -> None: ...

    def blob(self, digest: str, to: Path) -> bool: ...

    def put_blob(self, digest: str, source: Path) -> None: ...

    def trim(self) -> None: ...


class Cache:
    """A store of records and of the files they name."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._grew = False

    def close(self) -> None:
        """Keep the store within its bounds."""
        if self._grew:
            self._store.trim()

    def fetch(self, step: Step, inputs: dict[str, str | None], digests: Digests, staging: Path) -> Record | None:
        """Fill `staging` with the step's outputs as an earlier run made them, and return that run's record for here."""
        for candidate in self._candidates(_key(step, inputs)):
            if len(candidate.outputs) != len(step.outputs) or records.used_difference(candidate, digests):
                continue
            pairs = list(zip(step.outputs, candidate.outputs.values(), strict=True))
            if all(digest and self._store.blob(digest, staging / Path(path).name) for path, digest in pairs):
                return replace(candidate, inputs=inputs, outputs=dict(pairs))
        return None

    def store(self, step: Step, record: Record) -> None:
        """Keep what a step made. A cache that cannot be written is no reason to fail."""
        self._grew = True
        try:
            for path, digest in record.outputs.items():
                if digest:
                    self._store.put_blob(digest, Path(path))
            key = _key(step, record.inputs)
            kept = [c for c in self._candidates(key) if c.used != record.used or c.packages != record.packages]
            entries = [asdict(candidate) for candidate in [record, *kept][:CANDIDATES]]
            self._store.put_entry(key, json.dumps(entries).encode())
        except OSError:
            pass

    def _candidates(self, key: str) -> list[Record]:
        try:
            return [records.record_of(entry) for entry in json.loads(self._store.entry(key) or "[]")]
        except (ValueError, TypeError):
            return []


class FolderStore:
    """A store in a folder, bounded in size: what was used longest ago goes first.

    Files appear under their names whole. A blob is compared with its digest whenever it is taken; one that differs is removed.
    """

    def __init__(self, root: Path, limit: int = LIMIT) -> None:
        self.root = root
        self.limit = limit

    def entry(self, key: str) -> bytes | None:
        try:
            return self._used(self._path("ac", key)).read_bytes()
        except OSError:
            return None

    def put_entry(self, key: str, data: bytes) -> None:
        self._write(self._path("ac", key), lambda part: part.write_bytes(data))

    def blob(self, digest: str, to: Path) -> bool:
        path = self._path("cas", digest)
        try:
            shutil.copy(path, to)  # with its mode: an executable stays one
            if of_bytes(str(to)) == digest:
                self._used(path)
                return True
            path.unlink(missing_ok=True)
        except OSError:
            pass
        to.unlink(missing_ok=True)
        return False

    def put_blob(self, digest: str, source: Path) -> None:
        path = self._path("cas", digest)
        if path.exists():
            shutil.copymode(source, path)
            self._used(path)
            return

        def copy(part: Path) -> None:
            shutil.copy(source, part)
            if of_bytes(str(part)) != digest:
                raise OSError(f"{source} changed while it was copied")

        self._write(path, copy)

    def files(self) -> Iterator[Path]:
        for kind in ("ac", "cas"):
            yield from (path for path in self.root.glob(f"{kind}/*/*") if path.is_file())

    def trim(self) -> None:
        """Remove what was used longest ago until the rest is within the limit."""
        known = []
        for path in self.files():
            with contextlib.suppress(FileNotFoundError):
                known.append((path.stat(), path))
        size = sum(status.st_size for status, _ in known)
        for status, path in sorted(known, key=lambda pair: pair[0].st_mtime_ns):
            if size <= self.limit:
                break
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
            size -= status.st_size

    def clear(self) -> None:
        shutil.rmtree(self.root, ignore_errors=True)

    def _path(self, kind: str, name: str) -> Path:
        return self.root / kind / name[:2] / name

    def _used(self, path: Path) -> Path:
        with contextlib.suppress(OSError):  # a store that is only read
            os.utime(path)
        return path

    def _write(self, path: Path, fill: Callable[[Path], object]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".part-{os.getpid()}-{id(fill)}")
        try:
            fill(part)
            os.replace(part, path)
        finally:
            part.unlink(missing_ok=True)


def default_store() -> FolderStore:
    """The store of this user, `$XDG_CACHE_HOME/sluice`."""
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    mebibytes = os.environ.get("SLUICE_CACHE_SIZE", "")
    return FolderStore(Path(home, "sluice"), int(mebibytes) << 20 if mebibytes.isdigit() else LIMIT)


def _key(step: Step, inputs: dict[str, str | None]) -> str:
    """Of what is known before the step runs; not of where its files are."""
    known = [step.run, step.options, list(inputs.values()), [Path(p).name for p in step.outputs], records.machine()]
    return hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()
