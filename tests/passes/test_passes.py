"""The smaller passes: what each does to a module, and the numbers."""

import math
import re

import numpy as np
import pytest

from passes import pipelines
from passes.boundaries import read_only_arguments, results_of_callees
from passes.chunks import dynamic_chunks
from passes.copies import copies_to_linalg
from passes.mlir import ir
from passes.parallelize import parallelize
from passes.reassociate import reassociate_sums
from passes.schedule import Schedule, ScheduleError, find_all
from passes.targets import TARGETS
from passes.unused import drop_unused_calls
from tests.compiled import run_module

TARGET = TARGETS["x86-64-v4"]

ROW_SUMS = """
#in = affine_map<(i, j) -> (i, j)>
#out = affine_map<(i, j) -> (i)>
func.func @f(%x: tensor<{m}x{n}xf32>) -> tensor<{m}xf32> {{
  %zero = arith.constant 0.0 : f32
  %empty = tensor.empty() : tensor<{m}xf32>
  %start = linalg.fill ins(%zero : f32) outs(%empty : tensor<{m}xf32>) -> tensor<{m}xf32>
  %y = linalg.generic {{indexing_maps = [#in, #out], iterator_types = ["parallel", "reduction"]}}
      ins(%x : tensor<{m}x{n}xf32>) outs(%start : tensor<{m}xf32>) {{
  ^bb0(%a: f32, %b: f32):
    %s = arith.addf %b, %a : f32
    linalg.yield %s : f32
  }} -> tensor<{m}xf32>
  return %y : tensor<{m}xf32>
}}
"""


def apply(one_pass, text: str) -> ir.Module:
    module = ir.Module.parse(text, ir.Context())
    with module.context, ir.Location.unknown():
        one_pass(module.operation, TARGET)
    assert module.operation.verify()
    return module


def test_arguments_are_promised_to_be_read_only() -> None:
    text = "func.func private @g(tensor<2xf32>) -> tensor<2xf32>\nfunc.func @f(%a: tensor<2xf32>, %b: memref<4xi8>) { return }"
    printed = str(apply(read_only_arguments, text))
    assert '@g(tensor<2xf32> {bufferization.access = "read"})' in printed
    assert "@f(%arg0: tensor<2xf32> {bufferization.writable = false}, %arg1: memref<4xi8>)" in printed
    assert printed.count("llvm.emit_c_interface") == 1


def test_callees_get_memory_for_their_results() -> None:
    text = """
    func.func private @g(memref<2xf32>) -> (memref<3xf32>, memref<4xf32>) attributes {arg_attrs = [{}]}
    func.func @f(%a: memref<2xf32>) -> memref<4xf32> {
      %r:2 = call @g(%a) : (memref<2xf32>) -> (memref<3xf32>, memref<4xf32>)
      return %r#1 : memref<4xf32>
    }"""
    module = apply(results_of_callees, text)
    (call,) = find_all(module.operation, "func.call")
    assert [str(v.type) for v in call.operands] == ["memref<2xf32>", "memref<3xf32>", "memref<4xf32>"]
    assert not len(call.results)
    (returned,) = find_all(module.operation, "func.return")
    assert returned.operands[0] == call.operands[2]


def test_an_argument_is_never_written_even_when_the_result_could_reuse_it() -> None:
    text = """
    func.func @f(%x: tensor<5xf32>) -> tensor<5xf32> {
      %y = tosa.add %x, %x : (tensor<5xf32>, tensor<5xf32>) -> tensor<5xf32>
      return %y : tensor<5xf32>
    }"""
    x, y = np.arange(5, dtype=np.float32), np.empty(5, np.float32)
    run_module(ir.Module.parse(text, ir.Context()), "f", [x], [y])
    np.testing.assert_array_equal(x, np.arange(5))
    np.testing.assert_array_equal(y, 2 * np.arange(5))


def test_a_value_returned_twice_is_written_twice() -> None:
    text = """
    func.func @f(%x: tensor<5xf32>) -> (tensor<5xf32>, tensor<5xf32>) {
      %y = tosa.add %x, %x : (tensor<5xf32>, tensor<5xf32>) -> tensor<5xf32>
      %z = tosa.add %x, %x : (tensor<5xf32>, tensor<5xf32>) -> tensor<5xf32>
      return %y, %z : tensor<5xf32>, tensor<5xf32>
    }"""
    x, results = np.arange(5, dtype=np.float32), [np.full(5, np.nan, np.float32) for _ in range(2)]
    run_module(ir.Module.parse(text, ir.Context()), "f", [x], results)
    for result in results:
        np.testing.assert_array_equal(result, 2 * x)


def test_a_result_of_another_shape_is_computed_where_the_caller_says() -> None:
    text = """
    func.func @f(%x: tensor<6x4xf32>) -> (tensor<2x12xf32>, tensor<6x4xf32>) {
      %0 = tosa.exp %x : (tensor<6x4xf32>) -> tensor<6x4xf32>
      %1 = tensor.collapse_shape %0 [[0, 1]] : tensor<6x4xf32> into tensor<24xf32>
      %2 = tensor.expand_shape %1 [[0, 1]] output_shape [2, 12] : tensor<24xf32> into tensor<2x12xf32>
      return %2, %0 : tensor<2x12xf32>, tensor<6x4xf32>
    }"""
    x = np.random.default_rng(0).standard_normal((6, 4)).astype(np.float32)
    results = [np.full((2, 12), np.nan, np.float32), np.full((6, 4), np.nan, np.float32)]
    run_module(ir.Module.parse(text, ir.Context()), "f", [x], results)
    np.testing.assert_allclose(results[0].reshape(6, 4), np.exp(x), rtol=1e-6)
    np.testing.assert_array_equal(results[1], results[0].reshape(6, 4))
    one = text.replace("(tensor<2x12xf32>, tensor<6x4xf32>)", "tensor<2x12xf32>")
    one = one.replace("%2, %0 : tensor<2x12xf32>, tensor<6x4xf32>", "%2 : tensor<2x12xf32>")
    alone = ir.Module.parse(one, ir.Context())
    pipelines.run(alone, "midend", TARGET)
    assert not find_all(alone.operation, "memref.alloc", "memref.copy", "linalg.copy")


def parts_of(loop: ir.Operation) -> int:
    counts = re.search(r" in \(([\d, ]+)\)", str(loop))
    assert counts
    return math.prod(int(count) for count in counts[1].split(","))


NORM = """
#all = affine_map<(i, j) -> (i, j)>
#row = affine_map<(i, j) -> (i)>
func.func @f(%x: tensor<30x700xf32>) -> tensor<30x700xf32> {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<30xf32>
  %z = linalg.fill ins(%zero : f32) outs(%e : tensor<30xf32>) -> tensor<30xf32>
  %s = linalg.generic {indexing_maps = [#all, #row], iterator_types = ["parallel", "reduction"]}
      ins(%x : tensor<30x700xf32>) outs(%z : tensor<30xf32>) {
  ^bb0(%a: f32, %b: f32):
    %p = arith.mulf %a, %a : f32
    %t = arith.addf %p, %b : f32
    linalg.yield %t : f32
  } -> tensor<30xf32>
  %o = tensor.empty() : tensor<30x700xf32>
  %y = linalg.generic {indexing_maps = [#all, #row, #all], iterator_types = ["parallel", "parallel"]}
      ins(%x, %s : tensor<30x700xf32>, tensor<30xf32>) outs(%o : tensor<30x700xf32>) {
  ^bb0(%a: f32, %b: f32, %c: f32):
    %q = arith.divf %a, %b : f32
    linalg.yield %q : f32
  } -> tensor<30x700xf32>
  return %y : tensor<30x700xf32>
}
"""


def test_a_norm_is_one_loop_of_some_parts() -> None:
    module = apply(parallelize, NORM)
    (loop,) = find_all(module.operation, "scf.forall")
    assert len(find_all(loop, "linalg.generic")) == 2 and parts_of(loop) == 30
    x, y = np.random.default_rng(0).standard_normal((30, 700)).astype(np.float32), np.full((30, 700), np.nan, np.float32)
    run_module(ir.Module.parse(NORM, ir.Context()), "f", [x], [y])
    np.testing.assert_allclose(y, x / (x.astype(np.float64) ** 2).sum(1, keepdims=True), rtol=1e-5)


@pytest.mark.parametrize(("shape", "parts"), [((40, 1536), 20), ((12, 40, 128), 24), ((7, 11, 400), 77), ((3, 9000), 18)])
def test_loops_are_cut_into_about_as_many_parts_as_threads_need(shape: tuple[int, ...], parts: int) -> None:
    type_ = f"tensor<{'x'.join(map(str, shape))}xf32>"
    letters = ", ".join("ijk"[: len(shape)])
    kinds = ", ".join(['"parallel"'] * len(shape))
    text = f"""
    func.func @f(%x: {type_}) -> {type_} {{
      %o = tensor.empty() : {type_}
      %y = linalg.generic {{indexing_maps = [affine_map<({letters}) -> ({letters})>, affine_map<({letters}) -> ({letters})>],
          iterator_types = [{kinds}]}} ins(%x : {type_}) outs(%o : {type_}) {{
      ^bb0(%a: f32, %b: f32):
        %n = arith.negf %a : f32
        linalg.yield %n : f32
      }} -> {type_}
      return %y : {type_}
    }}"""
    module = apply(parallelize, text)
    (loop,) = find_all(module.operation, "scf.forall")
    assert parts_of(loop) == parts


@pytest.mark.parametrize(("m", "n", "regions"), [(64, 300, 1), (4, 5, 0), (1, 20000, 0)])
def test_large_operations_run_in_parallel_and_small_ones_do_not(m: int, n: int, regions: int) -> None:
    module = apply(parallelize, ROW_SUMS.format(m=m, n=n))
    assert len(find_all(module.operation, "scf.forall")) == regions
    x, y = np.random.default_rng(0).standard_normal((m, n), np.float32), np.full(m, np.nan, np.float32)
    run_module(ir.Module.parse(ROW_SUMS.format(m=m, n=n), ir.Context()), "f", [x], [y])
    np.testing.assert_allclose(y, x.astype(np.float64).sum(1), atol=1e-3)


def test_only_sums_over_loops_are_reassociated() -> None:
    assert str(apply(reassociate_sums, ROW_SUMS.format(m=3, n=4))).count("fastmath<reassoc>") == 1
    no_reduction = ROW_SUMS.format(m=3, n=4).replace('"reduction"', '"parallel"').replace("-> (i)>", "-> (i, j)>")
    no_reduction = no_reduction.replace("tensor<3xf32>", "tensor<3x4xf32>").replace(
        "empty() : tensor<3x", "empty() : tensor<3x"
    )
    assert "reassoc" not in str(apply(reassociate_sums, no_reduction))


def test_copies_become_loops_that_need_no_library() -> None:
    text = """
    func.func @f(%a: memref<4x4xf32>, %b: memref<4x4xf32>) attributes {llvm.emit_c_interface} {
      %s = memref.subview %a[0, 1] [4, 2] [1, 1] : memref<4x4xf32> to memref<4x2xf32, strided<[4, 1], offset: 1>>
      %d = memref.subview %b[0, 2] [4, 2] [1, 1] : memref<4x4xf32> to memref<4x2xf32, strided<[4, 1], offset: 2>>
      memref.copy %s, %d : memref<4x2xf32, strided<[4, 1], offset: 1>> to memref<4x2xf32, strided<[4, 1], offset: 2>>
      return
    }"""
    assert "memref.copy" not in str(apply(copies_to_linalg, text))
    a, b = np.arange(16, dtype=np.float32).reshape(4, 4), np.zeros((4, 4), np.float32)
    run_module(ir.Module.parse(text, ir.Context()), "f", [a, b], [])
    np.testing.assert_array_equal(b[:, 2:], a[:, 1:3])
    assert not b[:, :2].any()


def test_every_loop_of_threads_is_dynamic() -> None:
    loop = "omp.wsloop { omp.loop_nest (%i) : index = (%a) to (%a) step (%a) { omp.yield } }"
    assert str(apply(dynamic_chunks, f"func.func @f(%a: index) {{ {loop} {loop} return }}")).count("schedule(dynamic)") == 2


def test_a_sequence_that_fails_says_on_what_and_why() -> None:
    module = ir.Module.parse("func.func @f() { return }", ir.Context())
    schedule = Schedule()
    schedule.split(schedule.match("%root", "func.return"), 0, 1)
    with pytest.raises(ScheduleError, match=r"func\.func at .*Failed to apply"), module.context, ir.Location.unknown():
        schedule.apply(find_all(module.operation, "func.func")[0])


UNUSED_CALLS = """
#map = affine_map<(i) -> (i)>
func.func private @cos(f64) -> f64
func.func @f(%x: tensor<4xf64>, %memory: memref<4xf64>) {
  %empty = tensor.empty() : tensor<4xf64>
  %once = linalg.generic {indexing_maps = [#map, #map], iterator_types = ["parallel"]}
      ins(%x : tensor<4xf64>) outs(%empty : tensor<4xf64>) {
  ^bb0(%a: f64, %b: f64):
    %y = func.call @cos(%a) : (f64) -> f64
    linalg.yield %y : f64
  } -> tensor<4xf64>
  %twice = linalg.generic {indexing_maps = [#map, #map], iterator_types = ["parallel"]}
      ins(%once : tensor<4xf64>) outs(%empty : tensor<4xf64>) {
  ^bb0(%a: f64, %b: f64):
    %y = func.call @cos(%a) : (f64) -> f64
    linalg.yield %y : f64
  } -> tensor<4xf64>
  linalg.generic {indexing_maps = [#map], iterator_types = ["parallel"]} outs(%memory : memref<4xf64>) {
  ^bb0(%b: f64):
    linalg.yield %b : f64
  }
  return
}
"""


def test_calls_whose_results_are_unused_go_and_writes_to_memory_stay() -> None:
    module = apply(drop_unused_calls, UNUSED_CALLS)
    assert len(find_all(module.operation, "linalg.generic")) == 1
