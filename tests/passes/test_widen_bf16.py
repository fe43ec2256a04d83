"""Arithmetic of bf16: every result is rounded as it should be, with the target's instruction or by bits."""

from dataclasses import replace

import numpy as np
import pytest

from passes import pipelines, targets
from passes.mlir import ir
from passes.schedule import find_all
from passes.translate import to_llvm_ir
from runner.jit import Function
from runner.objects import to_assembly

BITS = replace(targets.native(), avx512_bf16=False)
WIDTHS = {"f32": np.float32, "f64": np.float64, "bf16": np.uint16, "i32": np.int32, "i1": np.bool_}
ELEMENTWISE = """
func.func @f(%x: tensor<{n}x{given}>) -> tensor<{n}x{made}> attributes {{llvm.emit_c_interface}} {{
  %empty = tensor.empty() : tensor<{n}x{made}>
  %y = linalg.generic {{indexing_maps = [affine_map<(i) -> (i)>, affine_map<(i) -> (i)>], iterator_types = ["parallel"]}}
      ins(%x : tensor<{n}x{given}>) outs(%empty : tensor<{n}x{made}>) {{
  ^bb0(%a: {given}, %c: {made}):
    {body}
    linalg.yield %b : {made}
  }} -> tensor<{n}x{made}>
  return %y : tensor<{n}x{made}>
}}
"""


def lowered(given: str, made: str, body: str, n: int, target: targets.Target) -> ir.Module:
    module = ir.Module.parse(ELEMENTWISE.format(n=n, given=given, made=made, body=body), ir.Context())
    for pipeline in pipelines.PIPELINES:
        pipelines.run(module, pipeline, target)
    return module


def run(given: str, made: str, body: str, x: np.ndarray, target: targets.Target) -> np.ndarray:
    y = np.full(x.shape, 7, WIDTHS[made])
    Function(lowered(given, made, body, x.size, target), "f")([x], [y])
    return y


def nearest(x: np.ndarray) -> np.ndarray:
    """The bits of the nearest bf16, of two that are as near the even one, among all of them."""
    real = np.arange(0x7F80)  # positive and finite
    every = reals(real).astype(np.float64)
    at = np.searchsorted(every[real], np.abs(x.astype(np.float64)))
    low, high = real[np.maximum(at - 1, 0)], real[np.minimum(at, len(real) - 1)]
    below, above = np.abs(x) - every[low], every[high] - np.abs(x)
    bits = np.where((below < above) | ((below == above) & (low % 2 == 0)), low, high)
    return (bits | (np.signbit(x).astype(np.int64) << 15)).astype(np.uint16)


def reals(bits: np.ndarray) -> np.ndarray:
    return (bits.astype(np.uint32) << 16).view(np.float32)


@pytest.mark.parametrize("target", [BITS, targets.native()], ids=["bits", "native"])
def test_rounding(target: targets.Target) -> None:
    """Of any normal number, with those in the middle between two."""
    random = np.random.default_rng(0)
    x = (random.standard_normal(20_000) * 10.0 ** random.uniform(-30, 30, 20_000)).astype(np.float32)
    x[:5000] = (x[:5000].view(np.uint32) & 0xFFFF0000 | 0x8000).view(np.float32)
    np.testing.assert_array_equal(run("f32", "bf16", "%b = arith.truncf %a : f32 to bf16", x, target), nearest(x))


def test_rounding_of_what_is_no_normal_number() -> None:
    values = [0.0, -0.0, np.inf, -np.inf, 3.4e38, -3.4e38, 1e-40, -1e-40]
    bits = run("f32", "bf16", "%b = arith.truncf %a : f32 to bf16", np.array(values, np.float32), BITS)
    expected = [
        0.0,
        -0.0,
        np.inf,
        -np.inf,
        np.inf,
        -np.inf,
        reals(nearest(np.array([1e-40])))[0],
        -reals(nearest(np.array([1e-40])))[0],
    ]
    np.testing.assert_array_equal(reals(bits), np.array(expected, np.float32))
    np.testing.assert_array_equal(np.signbit(reals(bits)), np.signbit(expected))
    nans = np.array([0x7F800001, 0xFFFFFFFF, 0x7FC00000, 0x7FFFFFFF], np.uint32).view(np.float32)
    assert np.isnan(reals(run("f32", "bf16", "%b = arith.truncf %a : f32 to bf16", nans, BITS))).all()


@pytest.mark.parametrize("target", [BITS, targets.native()], ids=["bits", "native"])
@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("%b = arith.addf %a, %a : bf16", lambda x: x + x),
        ("%b = arith.mulf %a, %a : bf16", lambda x: x * x),
        ("%b = arith.negf %a : bf16", lambda x: -x),
        ("%b = math.exp %a : bf16", lambda x: np.exp(x.astype(np.float64)).astype(np.float32)),
        ("%b = arith.maximumf %a, %c1 : bf16", lambda x: np.maximum(x, 1)),
    ],
)
def test_arithmetic(body: str, expected, target: targets.Target) -> None:
    x = nearest(np.random.default_rng(0).standard_normal(1000).astype(np.float32))
    made = run("bf16", "bf16", "%c1 = arith.constant 1.0 : bf16\n" + body, x, target)
    np.testing.assert_array_equal(made, nearest(expected(reals(x))))


def test_comparisons_and_integers() -> None:
    x = nearest(np.linspace(-9, 9, 100).astype(np.float32))
    zero = "%z = arith.constant 0.0 : bf16\n"
    greater = run("bf16", "i1", zero + "%b = arith.cmpf ogt, %a, %z : bf16", x, BITS)
    np.testing.assert_array_equal(greater, reals(x) > 0)
    np.testing.assert_array_equal(run("bf16", "i32", "%b = arith.fptosi %a : bf16 to i32", x, BITS), np.trunc(reals(x)))
    whole = np.arange(-500, 500, dtype=np.int32)
    made = run("i32", "bf16", "%b = arith.sitofp %a : i32 to bf16", whole, BITS)
    np.testing.assert_array_equal(made, nearest(whole.astype(np.float32)))
    made = run("f64", "bf16", "%b = arith.truncf %a : f64 to bf16", whole.astype(np.float64), BITS)
    np.testing.assert_array_equal(made, nearest(whole.astype(np.float32)))


@pytest.mark.parametrize("name", targets.TARGETS)
def test_nothing_is_called(name: str) -> None:
    target = targets.TARGETS[name]
    body = "%d = arith.addf %a, %a : bf16\n%e = math.exp %d : bf16\n%b = arith.mulf %e, %a : bf16"
    text = to_assembly(to_llvm_ir(lowered("bf16", "bf16", body, 64, target)), "f.ll", target)
    assert "bf2" not in text and "expf" not in text


def test_a_number_that_is_only_read_is_widened_once() -> None:
    module = ir.Module.parse(
        ELEMENTWISE.format(n=9, given="bf16", made="f32", body="%b = arith.extf %a : bf16 to f32"), ir.Context()
    )
    pipelines.run(module, "midend", targets.native())
    assert len(find_all(module.operation, "arith.extf")) == 1 and not find_all(module.operation, "arith.truncf")
