"""A lowered module, called in this process on numpy's memory."""

from __future__ import annotations

import numpy as np
import pytest

from passes import pipelines, targets
from passes.mlir import ir
from runner.jit import Function, JitError

ADD = """
func.func @add_to(%x: memref<?x?xf32, strided<[?, ?], offset: ?>>, %sum: memref<?x?xf32, strided<[?, ?], offset: ?>>)
    attributes {llvm.emit_c_interface} {
  %zero = arith.constant 0 : index
  %one = arith.constant 1 : index
  %m = memref.dim %x, %zero : memref<?x?xf32, strided<[?, ?], offset: ?>>
  %n = memref.dim %x, %one : memref<?x?xf32, strided<[?, ?], offset: ?>>
  scf.for %i = %zero to %m step %one {
    scf.for %j = %zero to %n step %one {
      %a = memref.load %x[%i, %j] : memref<?x?xf32, strided<[?, ?], offset: ?>>
      %b = memref.load %sum[%i, %j] : memref<?x?xf32, strided<[?, ?], offset: ?>>
      %c = arith.addf %a, %b : f32
      memref.store %c, %sum[%i, %j] : memref<?x?xf32, strided<[?, ?], offset: ?>>
    }
  }
  return
}
"""
CALLS_NOTHING_KNOWN = """
func.func private @not_anywhere(f32)
func.func @calls(%x: memref<f32>) attributes {llvm.emit_c_interface} {
  %a = memref.load %x[] : memref<f32>
  func.call @not_anywhere(%a) : (f32) -> ()
  return
}
"""


def lowered(text: str) -> ir.Module:
    module = ir.Module.parse(text, ir.Context())
    pipelines.run(module, "backend", targets.find("native"))
    return module


@pytest.fixture(scope="module")
def add_to() -> Function:
    return Function(lowered(ADD), "add_to")


def test_results_are_written_in_place(add_to: Function) -> None:
    x, total = np.arange(6, dtype=np.float32).reshape(2, 3), np.ones((2, 3), np.float32)
    address = total.ctypes.data
    add_to([x], [total])
    add_to([x], [total])
    assert total.ctypes.data == address
    np.testing.assert_array_equal(total, 1 + 2 * x)


def test_views_are_passed_without_a_copy(add_to: Function) -> None:
    """A transposed and a strided view: only their elements of the memory below change."""
    x = np.arange(6, dtype=np.float32).reshape(3, 2)
    memory = np.zeros((4, 6), np.float32)
    add_to([x.T], [memory[1:3, ::2]])
    expected = np.zeros((4, 6), np.float32)
    expected[1:3, ::2] = x.T
    np.testing.assert_array_equal(memory, expected)


def test_an_empty_array(add_to: Function) -> None:
    memory = np.full((2, 3), 7, np.float32)
    add_to([np.zeros((0, 3), np.float32)], [memory[:0]])
    assert (memory == 7).all()


def test_a_missing_function() -> None:
    with pytest.raises(JitError, match="no function 'substract'"):
        Function(lowered(ADD), "substract")


def test_a_module_that_is_not_lowered() -> None:
    with pytest.raises(JitError, match="no function 'add_to' in the LLVM dialect"):
        Function(ir.Module.parse(ADD, ir.Context()), "add_to")


def test_a_module_that_calls_what_nobody_has() -> None:
    with pytest.raises(JitError, match="calls a function that neither it nor this process has"):
        Function(lowered(CALLS_NOTHING_KNOWN), "calls")


@pytest.mark.parametrize(("arguments", "results"), [(0, 0), (1, 0), (2, 1)])
def test_another_number_of_arrays(add_to: Function, arguments: int, results: int) -> None:
    """Called all the same, it would read a pointer that is not there."""
    arrays = [np.zeros((1, 1), np.float32) for _ in range(arguments + results)]
    with pytest.raises(JitError, match=f"takes 2 arrays.*{arguments} and {results} were given"):
        add_to(arrays[:arguments], arrays[arguments:])
