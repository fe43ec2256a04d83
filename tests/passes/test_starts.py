"""What products begin with: the numbers, and that no pass over memory is spent on it."""

import numpy as np
import pytest

from passes import pipelines, targets
from passes.lower_products import lower_products
from passes.mlir import ir
from passes.schedule import find_all
from tests.compiled import run_module

SOURCES = {  # the shape of what is moved into the result, and its subscripts
    "number": ("", "()"),
    "columns": ("{n}x", "(n)"),
    "rows": ("{m}x", "(m)"),
    "all": ("{m}x{n}x", "(m, n)"),
    "transposed": ("{n}x{m}x", "(n, m)"),
    "diagonal": ("{n}x{n}x", "(n, n)"),
}

STARTED = """
#s = affine_map<(m, n) -> {subscripts}>
#r = affine_map<(m, n) -> (m, n)>
func.func @f(%x: tensor<{m}x{k}xf32>, %w: tensor<{k}x{n}xf32>, %v: tensor<{k}x{n}xf32>, %s: tensor<{shape}f32>)
    -> (tensor<{m}x{n}xf32>, tensor<{m}x{n}xf32>) {{
  %empty = tensor.empty() : tensor<{m}x{n}xf32>
  %start = linalg.generic {{indexing_maps = [#s, #r], iterator_types = ["parallel", "parallel"]}}
      ins(%s : tensor<{shape}f32>) outs(%empty : tensor<{m}x{n}xf32>) {{
  ^bb0(%a: f32, %b: f32):
    linalg.yield %a : f32
  }} -> tensor<{m}x{n}xf32>
  %y = linalg.matmul ins(%x, %w : tensor<{m}x{k}xf32>, tensor<{k}x{n}xf32>)
      outs(%start : tensor<{m}x{n}xf32>) -> tensor<{m}x{n}xf32>
  %z = linalg.matmul ins(%x, %v : tensor<{m}x{k}xf32>, tensor<{k}x{n}xf32>)
      outs(%start : tensor<{m}x{n}xf32>) -> tensor<{m}x{n}xf32>
  return %y, %z : tensor<{m}x{n}xf32>, tensor<{m}x{n}xf32>
}}
"""

SAME_MEMORY = """
#s = affine_map<(m, n) -> (m, n)>
#x = affine_map<(m, n, k) -> (m, k)>
#w = affine_map<(m, n, k) -> (k, n)>
#y = affine_map<(m, n, k) -> (m, n)>
func.func @f(%x: memref<4x8xf32>, %w: memref<8x32xf32>, %both: memref<8x32xf32>) {
  %from = memref.subview %both[SHIFT, 0] [4, 32] [1, 1] : memref<8x32xf32> to memref<4x32xf32, strided<[32, 1], offset: OFFSET>>
  %to = memref.subview %both[0, 0] [4, 32] [1, 1] : memref<8x32xf32> to memref<4x32xf32, strided<[32, 1]>>
  linalg.generic {indexing_maps = [#s, #s], iterator_types = ["parallel", "parallel"]}
      ins(%from : memref<4x32xf32, strided<[32, 1], offset: OFFSET>>) outs(%to : memref<4x32xf32, strided<[32, 1]>>) {
  ^bb0(%a: f32, %b: f32):
    linalg.yield %a : f32
  }
  WRITE
  linalg.generic {indexing_maps = [#x, #w, #y], iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%x, %w : memref<4x8xf32>, memref<8x32xf32>) outs(%to : memref<4x32xf32, strided<[32, 1]>>) {
  ^bb0(%a: f32, %b: f32, %c: f32):
    %p = arith.mulf %a, %b : f32
    %s = arith.addf %c, %p : f32
    linalg.yield %s : f32
  }
  return
}
"""


def normal(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape, np.float32)


def module_of(source: str, m: int, n: int, k: int) -> ir.Module:
    shape, subscripts = (part.format(m=m, n=n) for part in SOURCES[source])
    return ir.Module.parse(STARTED.format(m=m, n=n, k=k, shape=shape, subscripts=subscripts), ir.Context())


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("m,n,k", [(1, 33, 5), (1, 32, 600), (5, 7, 3), (40, 64, 700), (3, 95, 520), (301, 16, 300)])
def test_products_that_share_a_start(source: str, m: int, n: int, k: int) -> None:
    start = normal(
        0, *{"number": (), "columns": (n,), "rows": (m,), "all": (m, n), "transposed": (n, m), "diagonal": (n, n)}[source]
    )
    x, w, v = normal(1, m, k), normal(2, k, n), normal(3, k, n)
    results = [np.full((m, n), np.nan, np.float32) for _ in range(2)]
    run_module(module_of(source, m, n, k), "f", [x, w, v, start], results)
    shown = {"rows": lambda s: s[:, None], "transposed": np.transpose, "diagonal": np.diagonal}.get(source, np.asarray)
    wide = shown(start).astype(np.float64)
    for right, result in zip((w, v), results, strict=True):
        np.testing.assert_allclose(result, wide + x.astype(np.float64) @ right, rtol=1e-5, atol=2e-6 * (4 + k))


@pytest.mark.parametrize(
    ("source", "m", "n", "k"),
    [("number", 40, 64, 700), ("columns", 40, 64, 700), ("rows", 40, 64, 700), ("columns", 4, 32, 8), ("all", 4, 32, 8)],
)
def test_starts_need_no_pass_over_memory(source: str, m: int, n: int, k: int) -> None:
    module = module_of(source, m, n, k)
    with module.context, ir.Location.unknown():
        pipeline = pipelines.MIDEND[: pipelines.MIDEND.index(lower_products) + 1]
        pipelines.build(pipeline, targets.find("native"), module.context).run(module.operation)
    assert not find_all(module.operation, "linalg.generic", "memref.copy")


@pytest.mark.parametrize(
    ("shift", "write", "left"),
    [
        (4, "", 1),  # other rows of the same memory: nobody looks whether they overlap
        (0, "", 1),
        (4, "memref.store %number, %w[%c0, %c0] : memref<8x32xf32>", 1),  # what stands between might write what is read later
    ],
)
def test_a_move_that_may_be_told_apart_stays(shift: int, write: str, left: int) -> None:
    constants = "%number = arith.constant 1.0 : f32\n %c0 = arith.constant 0 : index\n" if write else ""
    text = SAME_MEMORY.replace("SHIFT", str(shift)).replace("OFFSET", str(32 * shift)).replace("WRITE", constants + write)
    module = ir.Module.parse(text.replace(", offset: 0>", ">"), ir.Context())
    with module.context, ir.Location.unknown():
        lower_products(module.operation, targets.find("native"))
    assert len(find_all(module.operation, "linalg.generic")) == left
