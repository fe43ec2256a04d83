"""Code for each target: the registers that it uses, the numbers that it gives here, and what is made for machines elsewhere."""

from __future__ import annotations

import ctypes
import re
import struct
import subprocess
from pathlib import Path

import numpy as np
import pytest

from passes import pipelines, targets
from passes.mlir import ir
from passes.targets import TARGETS, Target
from passes.translate import to_llvm_ir
from runner.jit import Frame
from runner.link import link_library
from runner.objects import to_assembly, to_object, words_of

HERE = {target.name: target for target in (*TARGETS.values(), targets.native()) if not targets.missing_here(target)}
ELF_MACHINE = {"x86_64": 62, "aarch64": 183, "riscv64": 243}
MULTIPLY_ADD = {  # on whole vectors of f32
    "x86-64-v4": r"\bvfmadd231ps\t.*%zmm",
    "x86-64-v3": r"\bvfmadd231ps\t.*%ymm",
    "baseline": r"\bmulps\t.*%xmm",
    "aarch64": r"\bfmla\tv\d+\.4s",
    "riscv64": r"\bvfmacc\.v[fv]\t",
}
# A linear layer whose weight is packed in panels of 32 columns, then exp.
PRODUCT = """
#x = affine_map<(o, m, n, k) -> (m, k)>
#w = affine_map<(o, m, n, k) -> (o, k, n)>
#y = affine_map<(o, m, n, k) -> (m, o, n)>
func.func @f(%x: tensor<MxKxf32>, %w: tensor<OxKx32xf32>) -> tensor<MxOx32xf32> attributes {llvm.emit_c_interface} {
  %zero = arith.constant 0.0 : f32
  %empty = tensor.empty() : tensor<MxOx32xf32>
  %start = linalg.fill ins(%zero : f32) outs(%empty : tensor<MxOx32xf32>) -> tensor<MxOx32xf32>
  %p = linalg.generic {indexing_maps = [#x, #w, #y], iterator_types = ["parallel", "parallel", "parallel", "reduction"]}
      ins(%x, %w : tensor<MxKxf32>, tensor<OxKx32xf32>) outs(%start : tensor<MxOx32xf32>) {
  ^bb0(%a: f32, %b: f32, %c: f32):
    %ab = arith.mulf %a, %b : f32
    %s = arith.addf %c, %ab : f32
    linalg.yield %s : f32
  } -> tensor<MxOx32xf32>
  %y = linalg.exp ins(%p : tensor<MxOx32xf32>) outs(%empty : tensor<MxOx32xf32>) -> tensor<MxOx32xf32>
  return %y : tensor<MxOx32xf32>
}
"""
# The same of bf16, two steps of the sum side by side.
PAIRS = """
#x = affine_map<(o, m, n, k, p) -> (m, k, p)>
#w = affine_map<(o, m, n, k, p) -> (o, k, n, p)>
#y = affine_map<(o, m, n, k, p) -> (m, o, n)>
func.func @f(%x: tensor<MxKx2xbf16>, %w: tensor<OxKx32x2xbf16>) -> tensor<MxOx32xf32> attributes {llvm.emit_c_interface} {
  %zero = arith.constant 0.0 : f32
  %empty = tensor.empty() : tensor<MxOx32xf32>
  %start = linalg.fill ins(%zero : f32) outs(%empty : tensor<MxOx32xf32>) -> tensor<MxOx32xf32>
  %y = linalg.generic {indexing_maps = [#x, #w, #y],
      iterator_types = ["parallel", "parallel", "parallel", "reduction", "reduction"]}
      ins(%x, %w : tensor<MxKx2xbf16>, tensor<OxKx32x2xbf16>) outs(%start : tensor<MxOx32xf32>) {
  ^bb0(%a: bf16, %b: bf16, %c: f32):
    %a32 = arith.extf %a : bf16 to f32
    %b32 = arith.extf %b : bf16 to f32
    %ab = arith.mulf %a32, %b32 : f32
    %s = arith.addf %c, %ab : f32
    linalg.yield %s : f32
  } -> tensor<MxOx32xf32>
  return %y : tensor<MxOx32xf32>
}
"""


def llvm_ir(text: str, target: Target, **extents: int) -> str:
    """The product's LLVM IR; an extent stands for its letter wherever that is a size."""
    for name, value in extents.items():
        text = re.sub(rf"(?<=[<x]){name}(?=x)", str(value), text)
    module = ir.Module.parse(text, ir.Context())
    for pipeline in pipelines.PIPELINES:
        pipelines.run(module, pipeline, target)
    return to_llvm_ir(module)


def assembly(target: Target) -> str:
    return to_assembly(llvm_ir(PRODUCT, target, M=40, O=16, K=64), "f.ll", target)


def disassembled(code: bytes, folder: Path) -> str:
    (folder / "f.o").write_bytes(code)
    return subprocess.run(["objdump", "-d", folder / "f.o"], capture_output=True, text=True, check=True).stdout


def instructions(text: str) -> list[str]:
    """Without addresses and encodings, which an assembler may choose to be shorter, and without what is between functions."""
    lines = [line.split("\t")[2].split()[0] for line in text.splitlines() if line.count("\t") == 2]
    return [name for name in lines if not name.startswith(("nop", "data16", "cs", "xchg"))]


def call(code: bytes, folder: Path, arrays: list[np.ndarray]) -> None:
    """The function `f` of an object file on arrays, the last of which it writes."""
    (folder / "f.o").write_bytes(code)
    link_library([folder / "f.o"], folder / "f.so")
    frame = Frame([array.ndim for array in arrays])
    for number, (array, start) in enumerate(zip(arrays, frame.starts, strict=True)):
        frame.words[start] = frame.words[start + 1] = array.ctypes.data
        frame.shape(number, array.shape)
    base = ctypes.addressof(frame.words)
    ctypes.CDLL(str(folder / "f.so"))._mlir_ciface_f(*[ctypes.c_void_p(base + 8 * start) for start in frame.starts])


@pytest.mark.parametrize("name", HERE)
@pytest.mark.parametrize(("m", "o", "k"), [(1, 2, 5), (13, 3, 33), (40, 16, 64)])
def test_numbers(name: str, m: int, o: int, k: int, tmp_path: Path) -> None:
    target, random = HERE[name], np.random.default_rng(0)
    x, w = random.standard_normal((m, k), np.float32), random.standard_normal((o, k, 32), np.float32) / np.float32(k)
    y = np.full((m, o, 32), np.nan, np.float32)
    call(to_object(llvm_ir(PRODUCT, target, M=m, O=o, K=k), "f.ll", target), tmp_path, [x, w, y])
    np.testing.assert_allclose(y, np.exp(np.einsum("mk,okn->mon", x.astype(np.float64), w)), rtol=1e-5)


@pytest.mark.parametrize("name", HERE)
@pytest.mark.parametrize(("m", "o", "k"), [(1, 2, 5), (13, 3, 33)])
def test_numbers_of_bf16(name: str, m: int, o: int, k: int, tmp_path: Path) -> None:
    """Sums are of f32: what is left is their rounding."""
    target, random = HERE[name], np.random.default_rng(0)
    x, w = (random.standard_normal(shape, np.float32).view(np.uint32) >> 16 for shape in ((m, k, 2), (o, k, 32, 2)))
    y = np.full((m, o, 32), np.nan, np.float32)
    text = llvm_ir(PAIRS, target, M=m, O=o, K=k)
    assert ("vdpbf16ps" in to_assembly(text, "f.ll", target)) == target.avx512_bf16
    call(to_object(text, "f.ll", target), tmp_path, [x.astype(np.uint16), w.astype(np.uint16), y])
    real_x, real_w = ((bits << 16).view(np.float32).astype(np.float64) for bits in (x, w))
    assert np.abs(y - np.einsum("mkp,oknp->mon", real_x, real_w)).max() <= 1e-6 * (4 + 2 * k)


@pytest.mark.parametrize(
    ("name", "used", "unused"),
    [("x86-64-v4", "zmm", None), ("x86-64-v3", "ymm", r"zmm|%k[0-7]\b"), ("baseline", "xmm", r"ymm|zmm|\bv[a-z]+ps\b")],
)
def test_registers(name: str, used: str, unused: str | None, tmp_path: Path) -> None:
    """Of the widest kind that the target has, and of no wider one."""
    text = disassembled(to_object(llvm_ir(PRODUCT, TARGETS[name], M=40, O=16, K=64), "f.ll", TARGETS[name]), tmp_path)
    assert used in text
    assert unused is None or not re.search(unused, text)


def test_compiled_loops_use_whole_registers() -> None:
    """Where LLVM vectorizes by itself, too: exp is not written in vectors."""
    loops = [part for part in assembly(TARGETS["x86-64-v4"]).split(".LBB") if "vscalefps" in part or "vpslld" in part]
    assert loops and all("zmm" in part for part in loops)


@pytest.mark.parametrize("name", TARGETS)
def test_assembly(name: str) -> None:
    """Products are multiply-adds of vectors, and nothing calls libm for them."""
    text = assembly(TARGETS[name])
    assert len(re.findall(MULTIPLY_ADD[name], text)) >= 4 * TARGETS[name].rows
    assert not re.search(r"\b(fmaf|expf)\b", text)


@pytest.mark.parametrize("name", TARGETS)
def test_objects(name: str) -> None:
    code = to_object(llvm_ir(PRODUCT, TARGETS[name], M=4, O=2, K=3), "f.ll", TARGETS[name])
    assert code[:5] == b"\x7fELF\x02"
    assert struct.unpack_from("<H", code, 18) == (ELF_MACHINE[TARGETS[name].architecture],)
    if name == "riscv64":
        assert struct.unpack_from("<I", code, 48)[0] & 6 == 4, "double floats in registers, as Linux has it"


@pytest.mark.parametrize("name", HERE)
def test_the_assembly_is_that_of_the_object(name: str, tmp_path: Path) -> None:
    text = llvm_ir(PRODUCT, HERE[name], M=4, O=2, K=3)
    (tmp_path / "g.s").write_text(to_assembly(text, "f.ll", HERE[name]))
    subprocess.run(["g++", "-c", "g.s", "-o", "g.o"], cwd=tmp_path, check=True)
    assembled = disassembled((tmp_path / "g.o").read_bytes(), tmp_path)
    code = disassembled(to_object(text, "f.ll", HERE[name]), tmp_path)
    assert instructions(assembled) == instructions(code)


def test_native_is_this_machine() -> None:
    triple, cpu, features = words_of(targets.native())
    assert triple.startswith(targets.native().architecture) and cpu not in ("", "native") and features != "native"
    assert targets.find("native") is targets.native() and not targets.missing_here(targets.native())


def test_a_target_of_another_architecture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    monkeypatch.setattr(targets, "_flags", frozenset)
    assert targets.missing_here(TARGETS["x86-64-v3"]) == "it is for x86_64, this machine is aarch64"
    assert targets.native.__wrapped__().lanes == TARGETS["aarch64"].lanes


def test_a_target_that_the_processor_has_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    monkeypatch.setattr(targets, "_flags", lambda: frozenset({"avx2", "bmi2", "f16c", "fma", "avx512f"}))
    assert targets.missing_here(TARGETS["x86-64-v4"]) == "this machine has no avx512bw, avx512cd, avx512dq, avx512vl"
    native = targets.native.__wrapped__()
    assert (native.name, native.lanes, native.rows, native.avx512_bf16) == ("native", 8, 6, False)
