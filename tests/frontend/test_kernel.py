"""Loops over memory, written as Python writes them."""

from __future__ import annotations

import numpy as np
import pytest

from frontend.ops.elements import element_type
from frontend.ops.kernel import array, cell, copy_of, loop, positions, reader, when, while_
from frontend.ops.scalars import Scalar, where
from passes.mlir import func, ir
from tests.compiled import run_module


def build(inputs: list[tuple[list[int], str]], body: object, result: tuple[list[int], str]) -> ir.Module:
    def type_(shape: list[int], dtype: str) -> ir.Type:
        return ir.RankedTensorType.get(shape, element_type(dtype))

    with ir.Context(), ir.Location.unknown():
        module = ir.Module.create()
        with ir.InsertionPoint(module.body):
            function = func.FuncOp("kernel", ([type_(*i) for i in inputs], [type_(*result)]))
        with ir.InsertionPoint(function.add_entry_block()):
            func.ReturnOp([body(*function.arguments)])  # type: ignore[operator]
        return module


def test_a_triangular_loop_with_conditions() -> None:
    def bubble_sort(x: ir.Value) -> ir.Value:
        sorted_ = copy_of(x)
        for end in loop(1, 7):
            for i in loop(0, Scalar(end.value).like(7) - end):
                a, b = sorted_[i], sorted_[i + 1]
                with when(b < a):
                    sorted_[i] = b
                    sorted_[i + 1] = a
        return sorted_.tensor()

    x = np.array([3, -1, 7, 0, 0, -9, 2], np.int64)
    (result,) = run_module(build([([7], "i64")], bubble_sort, ([7], "i64")), "kernel", [x], [np.zeros(7, np.int64)])
    np.testing.assert_array_equal(result, np.sort(x))


def test_while_and_cells() -> None:
    def collatz(x: ir.Value) -> ir.Value:
        steps = array([3], "i64", 0)
        values = reader(x)
        n, count = cell("i64", 0), cell("i64", 0)
        for i in loop(3):
            n.value = values[i]
            count.value = 0
            for _ in while_(lambda: n.value > 1):
                n.value = where(n.value % 2 == 0, n.value // 2, n.value * 3 + 1)
                count.value = count.value + 1
            steps[i] = count.value
        return steps.tensor()

    x = np.array([1, 6, 27], np.int64)
    (result,) = run_module(build([([3], "i64")], collatz, ([3], "i64")), "kernel", [x], [np.zeros(3, np.int64)])
    assert result.tolist() == [0, 8, 111]


@pytest.mark.parametrize(("dtype", "numpy"), [("c64", np.complex64), ("u8", np.uint8), ("i1", np.bool_), ("f64", np.float64)])
def test_element_types(dtype: str, numpy: type) -> None:
    def add_transposed(x: ir.Value, y: ir.Value) -> ir.Value:
        a, b = reader(x), reader(y)
        sum_ = array([2, 3], dtype)
        for i, j in positions([2, 3]):
            sum_[i, j] = a[i, j] + b[j, i]
        return sum_.tensor()

    generator = np.random.default_rng(0)
    x = (generator.integers(0, 200, (2, 3)) + (1j if dtype == "c64" else 0)).astype(numpy)
    y = generator.integers(0, 200, (3, 2)).astype(numpy)
    module = build([([2, 3], dtype), ([3, 2], dtype)], add_transposed, ([2, 3], dtype))
    (result,) = run_module(module, "kernel", [x, y], [np.zeros((2, 3), numpy)])
    np.testing.assert_array_equal(result, x + y.T)


def test_memory_that_begins_as_a_number() -> None:
    def counted(x: ir.Value) -> ir.Value:
        flags, made, number = reader(x), array([5], "i64", 7), cell("i64", 40)
        for i in loop(4):
            with when(flags[i] > 0):
                number.value = number.value + 1
                made[i] = number.value
        return made.tensor()

    module = build([([4], "i64")], counted, ([5], "i64"))
    (result,) = run_module(module, "kernel", [np.array([1, 0, 1, 0])], [np.zeros(5, np.int64)])
    np.testing.assert_array_equal(result, [41, 7, 42, 7, 7])
