"""Left operands in panels: the numbers for all numbers of rows, and where they are used."""

import numpy as np
import pytest

from passes import pipelines, targets
from passes.mlir import ir
from passes.panels import MOST
from passes.products import WIDEST, product_of
from passes.schedule import find_all
from tests.compiled import run_module
from tests.passes.test_groups import after as block

LAYER = """
#x = affine_map<(o, m, n, k) -> (m, k)>
#w = affine_map<(o, m, n, k) -> (o, k, n)>
#y = affine_map<(o, m, n, k) -> (m, o, n)>
func.func @f(%x: tensor<{m}x{k}xf32>, %w: tensor<{o}x{k}x32xf32>, %v: tensor<{o}x{k}x32xf32>)
    -> (tensor<{m}x{o}x32xf32>, tensor<{m}x{o}x32xf32>{also}) {{
  %zero = arith.constant 0.0 : f32
  %square = {computed}
  %empty = tensor.empty() : tensor<{m}x{o}x32xf32>
  %start = linalg.fill ins(%zero : f32) outs(%empty : tensor<{m}x{o}x32xf32>) -> tensor<{m}x{o}x32xf32>
  %y = linalg.contract indexing_maps = [#x, #w, #y]
      ins(%square, %w : tensor<{m}x{k}xf32>, tensor<{o}x{k}x32xf32>)
      outs(%start : tensor<{m}x{o}x32xf32>) -> tensor<{m}x{o}x32xf32>
  %z = linalg.contract indexing_maps = [#x, #w, #y]
      ins(%square, %v : tensor<{m}x{k}xf32>, tensor<{o}x{k}x32xf32>)
      outs(%start : tensor<{m}x{o}x32xf32>) -> tensor<{m}x{o}x32xf32>
  return %y, %z{returned} : tensor<{m}x{o}x32xf32>, tensor<{m}x{o}x32xf32>{also}
}}
"""
SQUARE = "tosa.tanh %x : (tensor<{m}x{k}xf32>) -> tensor<{m}x{k}xf32>"
GIVEN = "tensor.cast %x : tensor<{m}x{k}xf32> to tensor<{m}x{k}xf32>"


def layer(m: int, o: int, k: int, computed: str = SQUARE, also: bool = False) -> ir.Module:
    sizes = {"m": m, "o": o, "k": k}
    more, returned = (f", tensor<{m}x{k}xf32>", ", %square") if also else ("", "")
    text = LAYER.format(**sizes, computed=computed.format(**sizes), also=more, returned=returned)
    return ir.Module.parse(text, ir.Context())


def panels(module: ir.Module, target: str = "x86-64-v4") -> list[bool]:
    """For each product whether its left operand is in panels."""
    names = [pipelines.name_of(entry) for entry in pipelines.MIDEND]
    with module.context, ir.Location.unknown():
        part = pipelines.MIDEND[: names.index("restore-products") + 1]
        pipelines.build(part, targets.TARGETS[target], module.context).run(module.operation)
    found = [product_of(op) for op in find_all(module.operation, "linalg.generic")]
    return [product.panel is not None for product in found if product]


@pytest.mark.parametrize("target", ["x86-64-v3", "x86-64-v4"])
@pytest.mark.parametrize(("m", "o", "k"), [(11, 1, 32), (16, 3, 64), (23, 2, 96), (40, 5, 544), (64, 2, 1536), (13, 2, 8960)])
def test_numbers(m: int, o: int, k: int, target: str) -> None:
    assert panels(layer(m, o, k), target) == [True, True]
    rng = np.random.default_rng(m)
    x, w, v = (rng.standard_normal(shape, np.float32) for shape in ((m, k), (o, k, 32), (o, k, 32)))
    results = [np.full((m, o, 32), np.nan, np.float32) for _ in range(2)]
    run_module(layer(m, o, k), "f", [x, w, v], results)
    for result, weight in zip(results, (w, v), strict=True):
        expected = np.einsum("mk,okn->mon", np.tanh(x).astype(np.float64), weight)
        assert np.abs(result - expected).max() <= 1e-6 * np.sqrt(k) * 4


@pytest.mark.parametrize(
    ("module", "why"),
    [
        (layer(10, 2, 64), "one register tile has all rows"),
        (layer(MOST + 1, 2, 64), "the panels lie too far apart"),
        (layer(40, 2, 48), "half a panel is left"),
        (layer(40, 2, 64, GIVEN), "nothing computes it"),
        (layer(40, 2, 64, also=True), "somebody else reads it"),
    ],
    ids=lambda value: value.replace(" ", "-") if isinstance(value, str) else "",
)
def test_rows_as_they_were(module: ir.Module, why: str) -> None:
    assert panels(module) == [False, False], why


@pytest.mark.parametrize(("seq_len", "in_panels"), [(24, True), (8, False)])
def test_a_decoder_block_has_all_of_them(seq_len: int, in_panels: bool) -> None:
    """What norms, attention and SwiGLU leave for the five weights; scores and weighted sums have no packed weights."""
    module = block("restore-products", seq_len)
    found = [product_of(op) for op in find_all(module.operation, "linalg.generic")]
    lefts = [product.panel is not None for product in found if product and product.packed]
    assert lefts == [in_panels] * 5
    assert [product.panel for product in found if product and not product.packed] == [None, None]


@pytest.mark.parametrize(("width", "is_product"), [(WIDEST, True), (WIDEST + 1, False)])
def test_panels_are_no_wider_than_a_run(width: int, is_product: bool) -> None:
    """A panel's steps are added up in one run, which rounds more the longer it is."""
    text = f"""
#x = affine_map<(m, n, q, k) -> (q, m, k)>
#w = affine_map<(m, n, q, k) -> (q, k, n)>
#y = affine_map<(m, n, q, k) -> (m, n)>
func.func @f(%x: tensor<3x16x{width}xf32>, %w: tensor<3x{width}x32xf32>, %start: tensor<16x32xf32>) -> tensor<16x32xf32> {{
  %y = linalg.contract indexing_maps = [#x, #w, #y]
      ins(%x, %w : tensor<3x16x{width}xf32>, tensor<3x{width}x32xf32>) outs(%start : tensor<16x32xf32>) -> tensor<16x32xf32>
  return %y : tensor<16x32xf32>
}}
"""
    assert panels(ir.Module.parse(text, ir.Context())) == [True] * is_product
