"""The runner's arithmetic on element types, compiled on its own and held against numpy."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest

RUNNER = Path(__file__).parents[2] / "runner"

HALVES = """
#include <cstdio>
#include "verify.h"
int main() {
  for (DType dtype : {DType::f16, DType::bf16})
    for (unsigned bits = 0; bits < 65536; ++bits) {
      auto stored = static_cast<std::uint16_t>(bits);
      double value = real({"x", dtype, {1}}, reinterpret_cast<const char *>(&stored), 0);
      std::fwrite(&value, sizeof value, 1, stdout);
    }
}
"""

# A case: an element type, what was computed, what was expected. It prints the relative error, or the fault.
COMPARE = """
#include <cstdio>
#include <limits>
#include "verify.h"
template <class T>
void one(DType dtype, std::vector<T> actual, std::vector<T> expected) {
  Errors errors;
  TensorType type{"x", dtype, {static_cast<std::int64_t>(actual.size())}};
  compare(type, reinterpret_cast<char *>(actual.data()), reinterpret_cast<char *>(expected.data()), errors);
  if (errors.unacceptable.empty()) std::printf("%g\\n", errors.relative);
  else std::printf("%s\\n", errors.unacceptable.c_str());
}
int main() {
  constexpr float inf = std::numeric_limits<float>::infinity();
  one<float>(DType::f32, {1, 2, 4}, {1, 3, 4});
  one<float>(DType::f32, {0.5f, 0}, {0, 0});
  one<float>(DType::f32, {inf, 1}, {inf, 1});
  one<float>(DType::f32, {1, inf}, {1, -inf});
  one<float>(DType::f32, {1, 2}, {1, inf});
  one<float>(DType::f32, {1, NAN}, {1, NAN});
  one<float>(DType::f32, {}, {});
  one<double>(DType::f64, {1e300, -1}, {1e300, 1});
  std::vector<std::uint16_t> halves{0x3f80, 0xc000};  // 1 and -2 in bf16
  std::vector<float> wanted{1, -4};
  Errors errors;
  compare({"x", DType::bf16, {2}}, reinterpret_cast<char *>(halves.data()), reinterpret_cast<char *>(wanted.data()), errors);
  std::printf("%g\\n", errors.relative);
  one<std::int64_t>(DType::i64, {1L << 60, (1L << 60) + 1}, {1L << 60, 1L << 60});
  one<std::int64_t>(DType::i64, {-5, 1L << 60}, {-5, 1L << 60});
  one<std::int8_t>(DType::i8, {-1, 2}, {-1, 3});
  one<std::uint8_t>(DType::u8, {255}, {254});
  one<std::uint8_t>(DType::i1, {1, 0}, {1, 1});
}
"""


def output(source: str, folder: Path) -> bytes:
    (folder / "main.cpp").write_text(source)
    command = ["g++", "-std=c++17", "-O1", "-Wall", "-Wextra", "-Werror", f"-I{RUNNER}", "main.cpp", "-o", "main"]
    subprocess.run(command, cwd=folder, check=True)
    return subprocess.run([folder / "main"], check=True, capture_output=True).stdout


def test_every_half_and_every_bfloat16(tmp_path: Path) -> None:
    f16, bf16 = np.frombuffer(output(HALVES, tmp_path), np.float64).reshape(2, 65536)
    bits = np.arange(65536, dtype=np.uint32)
    np.testing.assert_array_equal(f16, bits.astype(np.uint16).view(np.float16).astype(np.float64))
    with np.errstate(invalid="ignore"):  # signalling NaNs
        np.testing.assert_array_equal(bf16, (bits << 16).view(np.float32).astype(np.float64))
    finite = np.isfinite(f16)
    assert (np.signbit(f16) == (bits >> 15 == 1))[finite].all(), "a zero keeps its sign"


def test_compare(tmp_path: Path) -> None:
    assert output(COMPARE, tmp_path).decode().splitlines() == [
        "0.25",
        "0.5",
        "0",
        "x[1] is infinite where it should not be: inf, expected -inf",
        "x[1] is infinite where it should not be: 2.000000, expected inf",
        "x[1] is not a number: nan, expected nan",
        "0",
        "2e-300",
        "0.5",
        f"x[1] is another number: {float(2**60):f}, expected {float(2**60):f}",
        "0",
        "x[1] is another number: 2.000000, expected 3.000000",
        "x[0] is another number: 255.000000, expected 254.000000",
        "x[1] is another number: 0.000000, expected 1.000000",
    ]


@pytest.mark.parametrize("flaw", ["exponent - 25", "exponent == 31"])
def test_a_flaw_in_the_conversion_would_be_found(tmp_path: Path, flaw: str) -> None:
    """The comparison above fails on a conversion with one digit changed."""
    original = (RUNNER / "verify.h").read_text()
    assert flaw in original
    digit = int(flaw.rsplit(maxsplit=1)[1])
    (tmp_path / "verify.h").write_text(original.replace(flaw, flaw.replace(str(digit), str(digit - 1))))
    (tmp_path / "tensor.h").write_text((RUNNER / "tensor.h").read_text())
    f16 = np.frombuffer(output(HALVES, tmp_path), np.float64)[:65536]
    expected = np.arange(65536, dtype=np.uint16).view(np.float16).astype(np.float64)
    assert not np.array_equal(f16, expected, equal_nan=True)
