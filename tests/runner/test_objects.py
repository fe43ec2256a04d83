"""LLVM IR text to object code: what is accepted, what is refused and how, and what the code computes."""

from __future__ import annotations

import ctypes
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest

from passes import targets
from runner.bitcode import BadLLVMIR, to_bitcode
from runner.objects import compile_object, to_object

ROOT = Path(__file__).parents[2]
HERE = targets.native()
ADD = """define float @add(float %x) {{
  %y = fadd float %x, {constant}
  ret float %y
}}
"""


def add_function(folder: Path, constant: str) -> ctypes._NamedFuncPointer:
    """`add` with a constant as text, from an object file that the C compiler links and the process calls."""
    (folder / "add.o").write_bytes(to_object(ADD.format(constant=constant), "add.ll", HERE))
    subprocess.run(["g++", "-shared", "-o", "add.so", "add.o"], cwd=folder, check=True)
    function = ctypes.CDLL(str(folder / "add.so")).add
    function.restype, function.argtypes = ctypes.c_float, [ctypes.c_float]
    return function


@pytest.mark.parametrize(
    ("constant", "value"),
    [
        ("1.5", 1.5),
        ("0.1", np.float32(0.1)),  # not a binary fraction: older LLVM refuses it in text
        ("1.0e-40", np.float32(1e-40)),
        ("0x3FB99999A0000000", np.float32(0.1)),
        ("0x7FF0000000000000", np.inf),
        ("0xFFF0000000000000", -np.inf),
        ("0x7FF8000000000000", np.nan),
    ],
)
def test_constants(tmp_path: Path, constant: str, value: float) -> None:
    result = add_function(tmp_path, constant)(0.0)
    assert np.float32(result) == np.float32(value) or (np.isnan(value) and np.isnan(result))


def test_an_object_defines_its_functions(tmp_path: Path) -> None:
    text = "declare void @other()\ndefine void @mine() {\n  call void @other()\n  ret void\n}\n"
    (tmp_path / "x.ll").write_text(text)
    compile_object([tmp_path / "x.ll"], [tmp_path / "x.o"], "native")
    symbols = subprocess.run(["nm", tmp_path / "x.o"], capture_output=True, text=True, check=True).stdout.split()
    assert symbols[symbols.index("mine") - 1] == "T"
    assert symbols[symbols.index("other") - 1] == "U"


def test_the_same_text_gives_the_same_bytes() -> None:
    """Where a text names its source, as the translation's does, its file's name leaves no trace."""
    one, two = ('source_filename = "x"\n' + ADD.format(constant=constant) for constant in ("1.0", "2.0"))
    assert to_object(one, "one.ll", HERE) == to_object(one, "two.ll", HERE) != to_object(two, "one.ll", HERE)


def test_inline_assembly() -> None:
    assert to_object('define void @f() {\n  call void asm sideeffect "nop", ""()\n  ret void\n}\n', "x.ll", HERE)


def test_a_mistake_is_refused_with_file_and_line() -> None:
    with pytest.raises(BadLLVMIR) as refusal:
        to_object(ADD.format(constant="1.0").replace("fadd", "fadx"), "folder/x.ll", HERE)
    first, *quoted = str(refusal.value).splitlines()
    assert first == "folder/x.ll:2:8: error: expected instruction opcode"
    assert "%y = fadx float" in quoted[0]


def test_a_value_used_before_it_exists_is_refused() -> None:
    """Such text parses; only verification finds it."""
    text = """define i32 @f(i1 %c) {
  br i1 %c, label %a, label %b
a:
  %x = add i32 1, 1
  br label %b
b:
  ret i32 %x
}
"""
    with pytest.raises(BadLLVMIR, match=r"folder/x\.ll: Instruction does not dominate all uses"):
        to_object(text, "folder/x.ll", HERE)


@pytest.mark.parametrize("content", [b"\x7fELF\x02\x01\xff\xfe", b"define void @f() {", b"BC\xc0\xde garbage"])
def test_a_file_that_is_not_llvm_ir(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.ll").write_bytes(content)
    with pytest.raises(BadLLVMIR, match=r"."):
        compile_object([tmp_path / "x.ll"], [tmp_path / "x.o"], "native")
    assert not (tmp_path / "x.o").exists()


def test_no_memory_is_kept_from_one_text_to_the_next() -> None:
    """A fresh process that has read 12 texts of 10 MB does not hold them all."""
    program = """
from passes import targets
from runner.bitcode import to_bitcode
text = "; " + "x" * 10_000_000 + "\\ndefine void @f() {\\n  ret void\\n}\\n"
def resident():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmRSS"))
to_bitcode(text, "x.ll")
before = resident()
for _ in range(12):
    to_bitcode(text, "x.ll")
print(resident() - before)
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert int(done.stdout) < 40_000  # kB


def test_bitcode_needs_no_temporary_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """LLVM's streams end the process when they cannot write to a file, so a full disk would."""
    monkeypatch.setattr(tempfile, "tempdir", "/nowhere")
    assert to_bitcode(ADD.format(constant="1.0"), "x.ll").startswith(b"BC")


def test_bitcode_starts_with_its_mark_and_is_not_text() -> None:
    bitcode = to_bitcode(ADD.format(constant="1.0"), "x.ll")
    assert bitcode.startswith(b"BC\xc0\xde") and b"fadd" not in bitcode


def test_descriptors_are_closed() -> None:
    def opened() -> int:
        return len(os.listdir("/proc/self/fd"))

    to_bitcode("", "x.ll")
    before = opened()
    for _ in range(5):
        to_bitcode("", "x.ll")
    assert opened() == before < resource.getrlimit(resource.RLIMIT_NOFILE)[0]
