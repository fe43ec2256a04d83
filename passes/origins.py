"""Where operations come from: the locations of MLIR's text line by line, and of the LLVM IR made of a module."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from passes import translate
from passes.mlir import ir, llvm, passmanager

LINE_TABLES = "builtin.module(ensure-debug-info-scope-on-llvm-func{emission-kind=LineTablesOnly})"

_ALIAS = re.compile(r"^(#loc\d*) = loc\((.*)\)$")
_USED = re.compile(r"#loc\d*")
_QUOTED = r'"(?:[^"\\]|\\.)*"'
_WRITTEN = re.compile(rf" loc\(((?:{_QUOTED}|[^()\"]|\((?:{_QUOTED}|[^()\"]|\([^()]*\))*\))*)\)")
_PART = re.compile(rf"({_QUOTED})(?::(\d+):\d+|(\())?|\b(unknown)\b")
_ESCAPED = re.compile(r"((?:\\[0-9A-F]{2})+)|\\(.)")
_INSTRUCTION = re.compile(r"^  (?=[^ \]])")
_DEBUG = re.compile(r"!dbg !(\d+)")
_LINE = re.compile(r"^!(\d+) = !DILocation\(line: (\d+)", re.MULTILINE)


T = TypeVar("T")


class Misaligned(Exception):
    """LLVM IR whose variant with line tables is not the same code."""


@dataclass(frozen=True)
class Leaf:
    """The graph's node and the line of the user's program that an operation comes from; either may be unknown: "", 0."""

    node: str
    file: str = ""
    line: int = 0


Origin = tuple[Leaf, ...]  # several where operations were merged, none where nobody knows


def origin(location: str) -> Origin:
    """What a location's text tells, without `loc( )` and with nothing abbreviated."""
    found: dict[Leaf, None] = {}
    name = ""  # whose location is still to come, within its parentheses
    for quoted, line, opens, unknown in _PART.findall(location):
        word = _unquoted(quoted)
        if line:
            found[Leaf(name, word, int(line))] = None
        elif opens:
            name = name or word
            continue
        elif name or not unknown:
            found[Leaf(name or word)] = None
        name = ""
    return tuple(found)


def split(text: str) -> tuple[list[str], list[str]]:
    """Text with locations as its lines without them, and for each line the location of the operation that it begins.

    An operation with regions tells its location where it ends; a line of its own, as that of a block, tells its own.
    """
    aliases: dict[str, str] = {}
    lines: list[str] = []
    written: list[str] = []
    for line in text.rstrip("\n").split("\n"):
        if alias := _ALIAS.match(line):
            aliases[alias[1]] = alias[2]
        else:
            found = _WRITTEN.findall(line)
            lines.append(_WRITTEN.sub("", line) if found else line)
            written.append(found[-1] if found else "")
    known: dict[str, str] = {}
    return lines, [known.setdefault(w, _whole(w, aliases)) if w not in known else known[w] for w in _heads(lines, written)]


def _heads(lines: list[str], written: list[str]) -> list[str]:
    """`written` with what stands at the end of an operation at its other lines, too."""
    found = list(written)
    open_: list[list[int]] = []
    for i, line in enumerate(lines):
        bare = line.strip()
        parts = open_.pop() if bare[:1] in ("}", "]") and open_ else []
        parts.append(i)
        if bare[-1:] in ("{", "["):
            open_.append(parts)
        else:
            for part in parts:
                found[part] = written[i]
    return found


def _whole(location: str, aliases: dict[str, str]) -> str:
    """A location with its abbreviations written out."""
    while "#loc" in location:
        location = _USED.sub(lambda match: aliases.get(match[0], "unknown"), location)
    return location


def instructions(module: ir.Module) -> tuple[str, list[str]]:
    """The LLVM IR of a lowered module, as the build translates it, and for each of its instructions the location it comes from.

    The module's own locations are given up for numbers, which LLVM's line tables carry.
    """
    text = translate.to_llvm_ir(module)
    locations = _numbered(module)
    with module.context:
        passmanager.PassManager.parse(LINE_TABLES).run(module.operation)
    tabled = llvm.translate_module_to_llvmir(module.operation)
    lines = {number: locations[int(line)] for number, line in _LINE.findall(tabled)}
    origins = [lines.get(match[1], "") if (match := _DEBUG.search(line)) else "" for line in _code(tabled)]
    if len(origins) != sum(1 for _ in _code(text)):
        raise Misaligned("the LLVM IR with line tables is other code than without: its lines cannot be told apart")
    return text, origins


def spread(text: str, each: Iterable[T], otherwise: T) -> list[T]:
    """What belongs to each instruction of LLVM IR, as a list with an item for each line of its text."""
    items = iter(each)
    return [next(items) if _INSTRUCTION.match(line) else otherwise for line in text.rstrip("\n").split("\n")]


def _numbered(module: ir.Module) -> list[str]:
    """The locations of a module's operations and blocks' arguments, which are given their numbers in this list instead."""
    numbers = {"": 0}

    def numbered(location: ir.Location) -> ir.Location:
        text = str(location).removeprefix("loc(").removesuffix(")")
        return ir.Location.file("origins", numbers.setdefault(text, len(numbers)), 0)

    def visit(op: ir.Operation) -> ir.WalkResult:
        op.location = numbered(op.location)
        for argument in (argument for region in op.regions for block in region for argument in block.arguments):
            argument.set_location(numbered(argument.location))
        return ir.WalkResult.ADVANCE

    with module.context:
        module.operation.walk(visit)
    return list(numbers)


def _code(text: str) -> Iterator[str]:
    """The instructions of LLVM IR, a line each."""
    return (line for line in text.split("\n") if _INSTRUCTION.match(line))


def _unquoted(quoted: str) -> str:
    """A name as it was before MLIR put it in quotes, where bytes are two hexadecimal digits."""
    return _ESCAPED.sub(
        lambda m: bytes.fromhex(m[1].replace("\\", "")).decode(errors="replace") if m[1] else m[2], quoted[1:-1]
    )
