"""exp as arithmetic: within 2 ulp everywhere, and right at the ends of the range."""

import numpy as np
import pytest

from passes import pipelines, targets
from passes.mlir import ir
from tests.compiled import run_module

TEXT = """
func.func @f(%x: tensor<{n}xf32>) -> tensor<{n}xf32> {{
  %empty = tensor.empty() : tensor<{n}xf32>
  %y = linalg.exp ins(%x : tensor<{n}xf32>) outs(%empty : tensor<{n}xf32>) -> tensor<{n}xf32>
  return %y : tensor<{n}xf32>
}}
"""


def compiled_exp(x: np.ndarray) -> np.ndarray:
    y = np.full_like(x, 7)
    run_module(ir.Module.parse(TEXT.format(n=x.size), ir.Context()), "f", [x], [y])
    return y


def test_within_two_ulp() -> None:
    x = np.random.default_rng(0).uniform(-103.9, 88.7, 1_000_000).astype(np.float32)
    x[:400_000] /= 100
    exact = np.exp(x.astype(np.float64))
    ulp = np.spacing(exact.astype(np.float32)).astype(np.float64)
    assert (np.abs(compiled_exp(x) - exact) / ulp).max() <= 2


@pytest.mark.parametrize(
    ("x", "expected"),
    [
        (0.0, 1.0),
        (-0.0, 1.0),
        (np.inf, np.inf),
        (-np.inf, 0.0),
        (np.nan, np.nan),
        (88.73, np.inf),
        (88.72, np.exp(88.72)),
        (1e30, np.inf),
        (-1e30, 0.0),
        (-103.0, np.exp(-103.0)),
        (-105.0, 0.0),
        (1e-40, 1.0),
    ],
)
def test_ends_of_the_range(x: float, expected: float) -> None:
    np.testing.assert_allclose(compiled_exp(np.array([x] * 3, np.float32)), [np.float32(expected)] * 3, rtol=1e-5)


def test_no_call_of_libm_is_left_for_f32() -> None:
    module = ir.Module.parse(TEXT.format(n=64), ir.Context())
    pipelines.run(module, "midend", targets.find("native"))
    assert "math.exp" not in str(module) and "math.fma" in str(module)


def test_f64_keeps_its_exp() -> None:
    x, y = np.linspace(-700, 700, 101), np.empty(101)
    run_module(ir.Module.parse(TEXT.format(n=101).replace("f32", "f64"), ir.Context()), "f", [x], [y])
    np.testing.assert_allclose(y, np.exp(x), rtol=1e-14)
