"""What files hold, as SHA-256: each content is read once, however many tasks and runs ask for it."""

from __future__ import annotations

import ast
import contextlib
import hashlib
import json
import os
import re
import time
from collections.abc import Callable
from pathlib import Path

# A file that was written this short ago can be written again without its time stamp changing.
SETTLED_NS = 20_000_000

Signature = list[int]


class Digests:
    """Digests by path, kept for this run in memory and for the next in `store`.

    `kind` says what counts: the `bytes`; the `code` of a Python file, which a comment or a line break does not change; its
    code and `lines`, for files whose line numbers end up in artifacts; `cpp` without comments; an installed package's
    `record`.
    """

    def __init__(self, store: Path) -> None:
        self._store = store
        self._known: dict[str, tuple[Signature, str]] = _load(store)
        self._this_run: dict[str, str | None] = {}
        self._existing: dict[str, bool] = {}
        self._changed = False
        self.hashed = 0  # files read

    def of(self, path: str, kind: str = "bytes") -> str | None:
        """The digest of a file, None when there is none. Asked again in the same run, the answer is the same: see `forget`."""
        if kind not in _READERS:
            return None  # noted by another version of this module
        key = f"{kind}:{path}"
        if key not in self._this_run:
            self._this_run[key] = self._current(key, path, kind)
        return self._this_run[key]

    def exists(self, path: str) -> bool:
        """Whether there is such a file; in one run the answer is the same."""
        if path not in self._existing:
            self._existing[path] = os.path.exists(path)
        return self._existing[path]

    def again(self, path: str, kind: str = "bytes") -> str | None:
        """The digest of a file as it is now, whatever it was earlier in this run."""
        self.forget(path)
        return self.of(path, kind)

    def forget(self, path: str) -> None:
        """Look again at a file that this run has written."""
        self._existing.pop(path, None)
        for kind in _READERS:
            self._this_run.pop(f"{kind}:{path}", None)

    def put(self, path: str, digest: str) -> None:
        """Note the digest of a file that was just written, without reading it again."""
        self._note(f"bytes:{path}", os.stat(path), digest)
        self._this_run[f"bytes:{path}"] = digest

    def save(self) -> None:
        """Keep for the next run what this one has learned. Losing it costs time, nothing else."""
        if not self._changed:
            return
        part = self._store.with_name(f".part-{os.getpid()}-{self._store.name}")
        try:
            part.parent.mkdir(parents=True, exist_ok=True)
            part.write_text(json.dumps(_load(self._store) | self._known))
            os.replace(part, self._store)
        except OSError:
            part.unlink(missing_ok=True)

    def _current(self, key: str, path: str, kind: str) -> str | None:
        try:
            status = os.stat(path)
            known = self._known.get(key)
            if known and list(known[0]) == signature(status):
                return known[1]
            self.hashed += 1
            digest = _READERS[kind](path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:  # a directory, no permission: whoever needs it will say so
            return f"unreadable: {error.strerror}"
        self._note(key, status, digest)
        return digest

    def _note(self, key: str, status: os.stat_result, digest: str) -> None:
        if time.time_ns() - status.st_mtime_ns > SETTLED_NS:
            self._known[key] = (signature(status), digest)
            self._changed = True


def kind_of(path: str) -> str:
    """What counts of a source file of the project, by its name; artifacts count by their bytes."""
    if path.endswith(".py"):
        return "lines" if path.startswith("model/") else "code"
    return "cpp" if path.endswith((".cpp", ".h")) else "bytes"


def signature(status: os.stat_result) -> Signature:
    """Changes whenever a file does: writing sets ctime even where mtime is put back."""
    return [status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino]


def of_bytes(path: str) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _of_code(path: str, lines: bool = False) -> str:
    text = Path(path).read_bytes()
    with contextlib.suppress(SyntaxError, ValueError):
        text = ast.dump(ast.parse(text), include_attributes=lines).encode()
    return hashlib.sha256(text).hexdigest()


_CPP = re.compile(rb'"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])*\'|(?:[ \t]|//[^\n]*|/\*.*?\*/)+', re.DOTALL)


def _of_cpp(path: str) -> str:
    """Of C++ without comments, blank lines and indentation: objects are compiled without line numbers."""
    text = _CPP.sub(lambda found: found[0] if found[0][:1] in b"\"'" else b" ", Path(path).read_bytes())
    lines = (line.strip() for line in text.split(b"\n"))
    return hashlib.sha256(b"\n".join(line for line in lines if line)).hexdigest()


def _of_record(path: str) -> str:
    """Of an installed package's RECORD, without what differs between environments: scripts, caches, its own files."""
    lines = Path(path).read_text().splitlines()
    kept = sorted(n for n in lines if not n.startswith("..") and "__pycache__" not in n and ".dist-info/" not in n)
    return hashlib.sha256("\n".join(kept).encode()).hexdigest()


_READERS: dict[str, Callable[[str], str]] = {
    "bytes": of_bytes,
    "code": _of_code,
    "cpp": _of_cpp,
    "lines": lambda path: _of_code(path, lines=True),
    "record": _of_record,
}


def _load(store: Path) -> dict[str, tuple[Signature, str]]:
    try:
        known = json.loads(store.read_text())
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}
