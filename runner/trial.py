"""One product alone: compiled for this process as a tiling says, and timed."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np

from passes import pipelines
from passes.mlir import ir
from passes.products import LEFT, RIGHT, Product, product_of
from passes.schedule import find_all
from passes.schedule_products import schedule_products
from passes.targets import Target
from passes.tiles import set_tiling
from passes.tilings import Tiling
from passes.translate import to_llvm_ir
from runner.jit import Entry, Frame, from_library
from runner.library import make

NAME = "product"
LEAST = 3e-3  # seconds of one measurement: calls are repeated until they take as long
MOST = 1 << 28  # bytes of weights, all copies together
ARRAYS = {"f32": np.float32, "bf16": np.uint16, "f16": np.float16, "i8": np.int8}
BEFORE = pipelines.MIDEND[: pipelines.MIDEND.index(schedule_products)]
SINCE = pipelines.MIDEND[len(BEFORE) :]


def products_of(module: ir.Module, target: Target) -> list[tuple[ir.Operation, Product]]:
    """The products of a module as they are when they are scheduled; the module is changed up to there."""
    with module.context, ir.Location.unknown():
        pipelines.build(BEFORE, target, module.context).run(module.operation)
        ops = find_all(module.operation, "linalg.generic")
    return [(op, product) for op in ops if (product := product_of(op)) is not None]


class Trial:
    """A product with operands in memory.

    `between`: bytes of weights that a model reads between two uses of the same. A weight then comes from where it would come
    from in the model, because calls take turns on as many copies.
    """

    def __init__(self, product: Product, target: Target, between: int) -> None:
        self.product, self.target = product, target
        left, right, result = (_filled(product.shape(i), type_) for i, type_ in enumerate(product.types))
        copies = max(1, min(between, MOST) // right.nbytes) if product.packed else 1
        self._arrays = [left, np.stack([right] * copies), result]
        self._frames = [_frame([left, weights, result]) for weights in self._arrays[1]]
        self._turn = 0
        self._codes: dict[str, Entry] = {}
        self._folder = tempfile.TemporaryDirectory()

    def compile(self, tiling: Tiling) -> tuple[Entry, bool]:
        """The product's code, and whether no earlier tiling gave the same."""
        text = self._llvm_ir(tiling)
        new = text not in self._codes
        if new:
            path = Path(self._folder.name, f"{len(self._codes)}.so")
            make(text, NAME, 3, self.target, path)
            self._codes[text] = from_library(path, NAME, 3)
        return self._codes[text], new

    def seconds(self, entry: Entry, calls: int) -> float:
        """Of one of so many calls."""
        frames = self._frames
        begin = time.perf_counter()
        for number in range(self._turn, self._turn + calls):
            entry.call(frames[number % len(frames)].address)
        self._turn += calls
        return (time.perf_counter() - begin) / calls

    def race(self, entries: Sequence[Entry], rounds: int) -> list[list[float]]:
        """For each entry its time in every round, as a part of the first one's in that round; the order changes by rounds."""
        self.seconds(entries[0], 1)
        calls = max(1, round(LEAST / self.seconds(entries[0], 1)))
        times: list[list[float]] = [[] for _ in entries]
        for entry in entries:
            self.seconds(entry, 1)
        for number in range(rounds):
            for i in range(len(entries)):
                at = (i + number) % len(entries)
                times[at].append(self.seconds(entries[at], calls))
        return [[mine / first for mine, first in zip(row, times[0], strict=True)] for row in times]

    @cached_property
    def _scheduled_next(self) -> str:
        module = ir.Module.parse(text_of(self.product), ir.Context())
        products_of(module, self.target)
        return str(module)

    def _llvm_ir(self, tiling: Tiling) -> str:
        module = ir.Module.parse(self._scheduled_next, ir.Context())
        with module.context, ir.Location.unknown():
            for op in find_all(module.operation, "linalg.generic"):
                set_tiling(op, tiling)
            pipelines.build(SINCE, self.target, module.context).run(module.operation)
        pipelines.run(module, "backend", self.target)
        return to_llvm_ir(module)


def text_of(product: Product) -> str:
    """A module whose function `product` computes nothing but the product, in MLIR."""
    loops = range(len(product.sizes))
    maps = [f"affine_map<({_list('d', loops)}) -> ({_list('d', operand)})>" for operand in product.reads]
    kinds = ['"reduction"' if loop in (product.k, product.pair, product.panel) else '"parallel"' for loop in loops]
    left, right, result = (_tensor(product.shape(i), type_) for i, type_ in enumerate(product.types))
    sums = product.types[-1]
    (a, widen_a), (b, widen_b) = (_widened(name, product.types[i], sums) for name, i in (("%a", LEFT), ("%b", RIGHT)))
    return f"""
func.func @{NAME}(%left: {left}, %right: {right}) -> {result} attributes {{llvm.emit_c_interface}} {{
  %zero = arith.constant 0.0 : {sums}
  %empty = tensor.empty() : {result}
  %start = linalg.fill ins(%zero : {sums}) outs(%empty : {result}) -> {result}
  %product = linalg.generic {{indexing_maps = [{", ".join(maps)}], iterator_types = [{", ".join(kinds)}]}}
      ins(%left, %right : {left}, {right}) outs(%start : {result}) {{
  ^bb0(%a: {product.types[LEFT]}, %b: {product.types[RIGHT]}, %c: {sums}):
    {widen_a}{widen_b}%ab = arith.mulf {a}, {b} : {sums}
    %sum = arith.addf %c, %ab : {sums}
    linalg.yield %sum : {sums}
  }} -> {result}
  return %product : {result}
}}
"""


def _widened(value: str, type_: str, to: str) -> tuple[str, str]:
    """The value in the type of the sums, and the line that makes it so."""
    if type_ == to:
        return value, ""
    return (
        f"{value}_wide",
        f"{value}_wide = arith.{'sitofp' if type_.startswith('i') else 'extf'} {value} : {type_} to {to}\n    ",
    )


def _list(letter: str, numbers: Iterable[int]) -> str:
    return ", ".join(f"{letter}{number}" for number in numbers)


def _tensor(shape: Sequence[int], type_: str) -> str:
    return f"tensor<{'x'.join(map(str, shape))}x{type_}>"


def _filled(shape: Sequence[int], type_: str) -> np.ndarray:
    numbers = np.random.default_rng(0).standard_normal(shape, np.float32)
    if type_ == "bf16":
        return (numbers.view(np.uint32) >> 16).astype(np.uint16)
    return (numbers * (50 if type_ == "i8" else 1)).astype(ARRAYS[type_])


def _frame(arrays: Sequence[np.ndarray]) -> Frame:
    frame = Frame([array.ndim for array in arrays])
    for number, (array, start) in enumerate(zip(arrays, frame.starts, strict=True)):
        frame.words[start] = frame.words[start + 1] = array.ctypes.data
        frame.shape(number, array.shape)
    return frame
