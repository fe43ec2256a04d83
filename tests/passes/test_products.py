"""Matrix products: every extent is covered, the numbers are right for every tail, and the inner loop is what it should be."""

import itertools
import math
import re

import numpy as np
import pytest

from passes import pipelines, targets
from passes.lower_products import AHEAD
from passes.mlir import ir
from passes.products import product_of
from passes.schedule import find_all
from passes.tiles import FAR, column_tiles, k_block, row_tiles, spans
from runner.jit import Function
from tests.compiled import run_module

LINEAR = """
#x = affine_map<(o, m, n, k) -> (m, k)>
#w = affine_map<(o, m, n, k) -> (o, k, n)>
#y = affine_map<(o, m, n, k) -> (m, o, n)>
func.func @f(%x: tensor<{m}x{k}xf32>, %w: tensor<{o}x{k}x32xf32>) -> tensor<{m}x{o}x32xf32> {{
  %zero = arith.constant 0.0 : f32
  %empty = tensor.empty() : tensor<{m}x{o}x32xf32>
  %start = linalg.fill ins(%zero : f32) outs(%empty : tensor<{m}x{o}x32xf32>) -> tensor<{m}x{o}x32xf32>
  %y = linalg.generic {{indexing_maps = [#x, #w, #y], iterator_types = ["parallel", "parallel", "parallel", "reduction"]}}
      ins(%x, %w : tensor<{m}x{k}xf32>, tensor<{o}x{k}x32xf32>) outs(%start : tensor<{m}x{o}x32xf32>) {{
  ^bb0(%a: f32, %b: f32, %c: f32):
    %p = arith.mulf %a, %b : f32
    %s = arith.addf %c, %p : f32
    linalg.yield %s : f32
  }} -> tensor<{m}x{o}x32xf32>
  return %y : tensor<{m}x{o}x32xf32>
}}
"""

BATCH = """
func.func @f(%x: tensor<{b}x{m}x{k}xf32>, %w: tensor<{b}x{k}x{n}xf32>) -> tensor<{b}x{m}x{n}xf32> {{
  %zero = arith.constant 0.0 : f32
  %empty = tensor.empty() : tensor<{b}x{m}x{n}xf32>
  %start = linalg.fill ins(%zero : f32) outs(%empty : tensor<{b}x{m}x{n}xf32>) -> tensor<{b}x{m}x{n}xf32>
  %y = linalg.batch_matmul ins(%x, %w : tensor<{b}x{m}x{k}xf32>, tensor<{b}x{k}x{n}xf32>)
      outs(%start : tensor<{b}x{m}x{n}xf32>) -> tensor<{b}x{m}x{n}xf32>
  return %y : tensor<{b}x{m}x{n}xf32>
}}
"""


def parsed(text: str) -> ir.Module:
    return ir.Module.parse(text, ir.Context())


def normal(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(shape, np.float32)


def assert_near(actual: np.ndarray, expected: np.ndarray, k: int) -> None:
    """f32 sums of k products of unit variance, against f64."""
    assert actual.shape == expected.shape and not np.isnan(actual).any()
    assert np.abs(actual - expected).max() <= 1e-6 * (4 + k)


@pytest.mark.parametrize("target", targets.TARGETS.values(), ids=targets.TARGETS)
def test_tiles_cover_every_extent(target: targets.Target) -> None:
    for extent in range(1, 200):
        for tiles in (row_tiles(extent, target), column_tiles(extent, target)):
            assert 1 <= len(tiles) <= 2
            assert sum(count * size for count, size in tiles) == extent
            assert all(count > 0 and size > 0 for count, size in tiles)
        assert max(size for _, size in row_tiles(extent, target)) <= target.rows
        assert max(size for _, size in column_tiles(extent, target)) <= 2 * target.lanes


@pytest.mark.parametrize("target", targets.TARGETS.values(), ids=targets.TARGETS)
def test_few_rows_have_wide_tiles_that_the_registers_hold(target: targets.Target) -> None:
    for rows in range(1, target.rows + 1):
        tiles = column_tiles(10_000, target, rows)
        assert sum(count * size for count, size in tiles) == 10_000
        vectors = max(size for _, size in tiles) // target.lanes
        assert vectors * rows <= 2 * target.rows
    assert column_tiles(10_000, target, 1)[0][1] > column_tiles(10_000, target, target.rows)[0][1] == 2 * target.lanes


def test_spans_follow_each_other() -> None:
    assert spans([(2, 10), (1, 9)]) == [(0, 2, 10), (20, 1, 9)]


@pytest.mark.parametrize(("extent", "block"), [(1, 1), (2048, 2048), (8960, 1792), (4096, 2048), (2053, 2053), (2054, 1027)])
def test_k_blocks_divide_and_fit(extent: int, block: int) -> None:
    most = FAR
    assert k_block(extent, 128, most) == block and extent % block == 0
    assert block == extent or block * 128 <= most


@pytest.mark.parametrize("target", targets.TARGETS)
@pytest.mark.parametrize(
    ("m", "o", "k"),
    [(1, 2, 5), (2, 1, 1), (10, 3, 7), (13, 2, 16), (40, 2, 33), (25, 1, 2), (3, 2, 4096), (101, 1, 40), (96, 1, 64)],
)
def test_packed_products(m: int, o: int, k: int, target: str) -> None:
    x, w, y = normal(m, k), normal(o, k, 32), np.full((m, o, 32), np.nan, np.float32)
    module = parsed(LINEAR.format(m=m, o=o, k=k))
    pipelines.run(module, "midend", targets.find(target))
    pipelines.run(module, "backend", targets.find(target))
    Function(module, "f")([x, w], [y])
    assert_near(y, np.einsum("mk,okn->mon", x.astype(np.float64), w), k)


@pytest.mark.parametrize(
    ("b", "m", "n", "k"),
    [
        (1, 1, 1, 1),
        (3, 1, 5, 4),
        (2, 7, 1, 3),
        (2, 5, 9, 1),
        (12, 40, 40, 128),
        (2, 11, 33, 5),
        (1, 3, 64, 8),
        (2, 24, 95, 3),
        (2, 333, 40, 16),
        (3, 101, 33, 70),
        (1, 1, 1000, 300),
        (2, 1, 257, 600),
        (1, 2, 600, 71),
        (2, 3, 333, 130),
        (1, 8, 1024, 96),
    ],
)
def test_batch_products(b: int, m: int, n: int, k: int) -> None:
    x, w, y = normal(b, m, k), normal(b, k, n), np.full((b, m, n), np.nan, np.float32)
    text = BATCH.format(b=b, m=m, n=n, k=k)
    run_module(parsed(text), "f", [x, w], [y])
    assert_near(y, x.astype(np.float64) @ w, k)
    x, w, y = x.astype(np.float64), w.astype(np.float64), np.full((b, m, n), np.nan)
    run_module(parsed(text.replace("f32", "f64")), "f", [x, w], [y])
    np.testing.assert_allclose(y, x @ w, rtol=1e-13, atol=1e-13 * k)


def test_inner_loop_is_broadcasts_and_fused_multiply_adds() -> None:
    """Ten rows of two vectors, two steps of k: 20 products of 32 lanes, and the sums are carried, not stored."""
    module = parsed(LINEAR.format(m=40, o=4, k=64))
    pipelines.run(module, "midend", targets.TARGETS["x86-64-v4"])
    (loop,) = {op.parent for op in find_all(module.operation, "vector.fma")}
    inside = [op.operation.name for op in loop.regions[0].blocks[0].operations]
    assert loop.name == "scf.for" and [str(r.type) for r in loop.results] == ["vector<16xf32>"] * 20
    assert inside.count("vector.fma") == 40 and inside.count("vector.load") == 4
    assert not [name for name in inside if "store" in name or "transfer" in name or "alloc" in name or "prefetch" in name]
    assert len(find_all(module.operation, "omp.wsloop")) == 1
    assert "schedule(dynamic)" in str(module)


@pytest.mark.parametrize("target", targets.TARGETS)
@pytest.mark.parametrize("m", [1, 7, 25, 40])
def test_every_line_of_the_next_block_is_fetched(m: int, target: str) -> None:
    """With fetches that write down what they fetch, from their own block on: all lines of the next one, and not many more.

    A single tile fetches what lies 8 KiB ahead instead.
    """
    k, lines = 256, 512  # of 16 elements
    x, w, y, seen = normal(m, k), normal(2, k, 32), np.zeros((m, 2, 32), np.float32), np.zeros(4 * lines, np.float32)
    module = parsed(LINEAR.format(m=m, o=2, k=k))
    pipelines.run(module, "midend", targets.find(target))
    text = str(module).replace("func.func @f(", f"func.func @f(%seen: memref<{len(seen)}xf32>, ", 1)
    number = itertools.count()

    def note(match: re.Match[str]) -> str:
        i, (row, column) = next(number), match.groups()
        return (
            f"%width{i} = arith.constant 32 : index\n%line{i} = arith.constant 16 : index\n%one{i} = arith.constant 1.0 : f32\n"
            f"%row{i} = arith.muli {row}, %width{i} : index\n%place{i} = arith.addi %row{i}, {column} : index\n"
            f"%at{i} = arith.divui %place{i}, %line{i} : index\nmemref.store %one{i}, %seen[%at{i}] : memref<{len(seen)}xf32>"
        )

    text = re.sub(r"memref.prefetch %\w+\[(?:%\w+, )?(%\w+), (%\w+)\].*", note, text)
    assert next(number), "no fetch"
    module = parsed(text)
    pipelines.run(module, "backend", targets.find(target))
    Function(module, "f")([seen, x, w], [y])
    assert_near(y, np.einsum("mk,okn->mon", x.astype(np.float64), w), k)
    machine = targets.find(target)
    single = m <= machine.rows and column_tiles(32, machine, m) == [(1, 32)]
    begin = AHEAD // 64 if single else lines
    assert not np.flatnonzero(seen[begin : begin + lines] == 0).tolist() and not seen[:begin].any()
    assert seen.sum() <= 1.1 * lines


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("arith.addf %c, %p", "arith.maximumf %c, %p"),
        ("(m, k)>", "(k, m)>"),
        ('"reduction"]', '"parallel"]'),
    ],
    ids=["not a sum", "still a product", "no reduction"],
)
def test_only_products_are_scheduled_as_products(old: str, new: str) -> None:
    text = LINEAR.format(m=8, o=2, k=8)
    assert old in text
    module = ir.Module.parse(text.replace(old, new), ir.Context()) if new != '"parallel"]' else None
    if module is None:
        with pytest.raises(ir.MLIRError):  # the result's map would have to name k: the verifier refuses it
            ir.Module.parse(text.replace(old, new).replace("(m, o, n)>", "(m, n)>"), ir.Context())
        return
    (op,) = find_all(module.operation, "linalg.generic")
    assert (product_of(op) is not None) == (new == "(k, m)>")


def test_other_element_types_are_left_to_loops() -> None:
    text = BATCH.format(b=2, m=3, n=4, k=5).replace("f32", "f16")
    x, w, y = normal(2, 3, 5).astype(np.float16), normal(2, 5, 4).astype(np.float16), np.full((2, 3, 4), np.nan, np.float16)
    run_module(parsed(text), "f", [x, w], [y])
    np.testing.assert_allclose(y, x.astype(np.float64) @ w, rtol=1e-2, atol=1e-2)


ONE_BY_ONE = [1e8, 1, -1e8, 1]  # in order 1, the second half added to the first 2


@pytest.mark.parametrize(
    ("rows", "columns", "steps", "transposed", "total"),
    [
        (1, 3, 4, False, 1),
        (1, 3, 4, True, 2),
        (40, 8, 8, True, 2),
        (3, 40, 8, True, 2),
        (4, 12, 4, True, 1),
        (1, 3, 64, True, 1),
    ],
)
def test_sums_are_added_as_eager_adds_them(rows: int, columns: int, steps: int, transposed: bool, total: int) -> None:
    text, shape = BATCH.format(b=1, m=rows, n=columns, k=steps), f"1x{steps}x{columns}xf32"
    if transposed:
        given = f"1x{columns}x{steps}xf32"
        text = text.replace(f"%w: tensor<{shape}>", f"%v: tensor<{given}>").replace(
            "  %y =",
            f"  %into = tensor.empty() : tensor<{shape}>\n  %w = linalg.transpose ins(%v : tensor<{given}>) "
            f"outs(%into : tensor<{shape}>) permutation = [0, 2, 1]\n  %y =",
        )
    x, y = np.zeros((1, rows, steps), np.float32), np.full((1, rows, columns), np.nan, np.float32)
    x[:, :, :: steps // 4] = ONE_BY_ONE
    run_module(parsed(text), "f", [x, np.ones((1, columns, steps) if transposed else (1, steps, columns), np.float32)], [y])
    assert (y == total).all()


KEYS = """
#all = affine_map<(h, s, d) -> (h, s, d)>
func.func @f(%q: tensor<6x5x16xf32>, %k: tensor<2x7x16xf32>) -> tensor<6x5x7xf32> {
  %zero = arith.constant 0.0 : f32
  %each = tensor.empty() : tensor<2x7x16xf32>
  %tanh = linalg.generic {indexing_maps = [#all, #all], iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%k : tensor<2x7x16xf32>) outs(%each : tensor<2x7x16xf32>) {
  ^bb0(%a: f32, %b: f32):
    %t = math.tanh %a : f32
    linalg.yield %t : f32
  } -> tensor<2x7x16xf32>
  %into = tensor.empty() : tensor<2x3x7x16xf32>
  %three = linalg.broadcast ins(%tanh : tensor<2x7x16xf32>) outs(%into : tensor<2x3x7x16xf32>) dimensions = [1]
  %keys = tensor.collapse_shape %three [[0, 1], [2], [3]] : tensor<2x3x7x16xf32> into tensor<6x7x16xf32>
  %turned = tensor.empty() : tensor<6x16x7xf32>
  %right = linalg.transpose ins(%keys : tensor<6x7x16xf32>) outs(%turned : tensor<6x16x7xf32>) permutation = [0, 2, 1]
  %empty = tensor.empty() : tensor<6x5x7xf32>
  %start = linalg.fill ins(%zero : f32) outs(%empty : tensor<6x5x7xf32>) -> tensor<6x5x7xf32>
  %y = linalg.batch_matmul ins(%q, %right : tensor<6x5x16xf32>, tensor<6x16x7xf32>)
      outs(%start : tensor<6x5x7xf32>) -> tensor<6x5x7xf32>
  return %y : tensor<6x5x7xf32>
}
"""


def test_what_heads_share_is_computed_once() -> None:
    module, native = parsed(KEYS), targets.find("native")
    before = pipelines.MIDEND[: pipelines.MIDEND.index(pipelines.schedule_products)]
    with module.context:
        pipelines.build(before, native, module.context).run(module.operation)
    (computed,) = [op for op in find_all(module.operation, "linalg.generic") if "math.tanh" in str(op)]
    assert math.prod(ir.ShapedType(computed.results[0].type).shape) == 2 * 7 * 16
    assert "unrealized_conversion_cast" not in str(module)
    q, k, y = normal(6, 5, 16), normal(2, 7, 16), np.full((6, 5, 7), np.nan, np.float32)
    run_module(parsed(KEYS), "f", [q, k], [y])
    np.testing.assert_allclose(y, q @ np.tanh(k).repeat(3, 0).swapaxes(1, 2), rtol=1e-5, atol=1e-5)
