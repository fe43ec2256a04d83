"""Assembly whose lines know the instructions of LLVM IR they come of: by LLVM's line tables, which code does not depend on."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence

import llvmlite.binding as llvm

from passes.targets import Target
from runner.objects import assembly_of, parsed

_DEFINED = re.compile(r"^define .*?@([\w$.-]+|\"[^\"]*\")\(.*\{$")
_NUMBERED = re.compile(r"^!(\d+) = ", re.MULTILINE)
_LOC = re.compile(r"^\s*\.loc\s+\d+\s+(\d+)")
_OF_TABLES = re.compile(r"^\s*\.(file\s+\d|loc\s|cfi_)|^\.L(tmp|func_begin)\d+:")
_SECTION = re.compile(r"^\s*\.(section|text|data|bss)\b")


def assembly(text: str, name: str, target: Target, numbers: Sequence[int]) -> tuple[str, list[int]]:
    """LLVM IR as assembly, as `runner.objects.to_assembly` makes it, and a number for each of its lines.

    `numbers` has one for each instruction of the text, in order; 0, here and there, is none. `name` stands for the text in
    error messages.
    """
    written = str(parsed(text, name))  # as llvmlite's LLVM writes it: an instruction for an instruction
    module = llvm.parse_assembly(_with_tables(written, numbers))
    module.verify()
    return _without_tables(assembly_of(module, target))


def _with_tables(text: str, numbers: Sequence[int]) -> str:
    """LLVM IR with a location for each instruction: the line of its number, in a file that does not exist.

    It says already, as all that MLIR translates, in which version its debug information is.
    """
    tables, each = _Tables(1 + max(map(int, _NUMBERED.findall(text)), default=-1)), iter(numbers)
    lines = []
    for line in text.split("\n"):
        if found := _DEFINED.match(line):
            lines.append(f"{line[:-1]}!dbg {tables.function(found[1].strip(chr(34)))} {{")
        elif line.startswith("  ") and line[2] != " " and not line.endswith(" ["):  # that one ends some lines later
            lines.append(f"{line}, !dbg {tables.location(next(each))}")
        else:
            lines.append(line)
    return "\n".join([*lines, *tables.lines])


class _Tables:
    """Line tables as LLVM writes them, `lines`, numbered from `first` on."""

    def __init__(self, first: int) -> None:
        self._free = itertools.count(first)
        self._known: dict[tuple[str, int], str] = {}
        self._scope = ""
        self.lines: list[str] = []
        self._file = self._new('!DIFile(filename: "origins", directory: "/")')
        self._type = self._new("!DISubroutineType(types: !{})")
        compiled = f'language: DW_LANG_C, file: {self._file}, producer: "", isOptimized: true, runtimeVersion: 0'
        self._unit = self._new(f"distinct !DICompileUnit({compiled}, emissionKind: LineTablesOnly)")
        self.lines.append(f"!llvm.dbg.cu = !{{{self._unit}}}")

    def function(self, name: str) -> str:
        """The scope of the locations that follow."""
        what = f'name: "{name}", scope: {self._file}, file: {self._file}, line: 1, type: {self._type}, unit: {self._unit}'
        self._scope = self._new(f"distinct !DISubprogram({what}, spFlags: DISPFlagDefinition)")
        return self._scope

    def location(self, line: int) -> str:
        here = (self._scope, line)
        if here not in self._known:
            self._known[here] = self._new(f"!DILocation(line: {line}, scope: {self._scope})")
        return self._known[here]

    def _new(self, what: str) -> str:
        name = f"!{next(self._free)}"
        self.lines.append(f"{name} = {what}")
        return name


def _without_tables(text: str) -> tuple[str, list[int]]:
    """Assembly without its line tables and how to unwind its stack, which comes with them; and the number of each line."""
    lines, numbers = [], []
    for line, number in _numbered(text.rstrip("\n")):
        lines.append(line)
        numbers.append(number)
    return "\n".join(lines) + "\n", numbers


def _numbered(text: str) -> Iterator[tuple[str, int]]:
    number, tables = 0, False
    for line in text.split("\n"):
        if _SECTION.match(line):
            tables = ".debug_" in line
        if found := _LOC.match(line):
            number = int(found[1])
        elif not tables and not _OF_TABLES.match(line):
            yield line, number if line.startswith("\t") and not line.startswith("\t.") else 0
            number = 0 if line.startswith(".Lfunc_end") else number
