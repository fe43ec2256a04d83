"""Tilings: their names for products, the table of a target, what it changes in the code, and what is wrong with one."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from passes import pipelines, targets, tilings
from passes.mlir import ir
from passes.products import product_of
from passes.schedule import find_all
from passes.tilings import BadTable, Tiling
from runner.jit import Function
from tests.passes.test_products import BATCH, LINEAR, assert_near, normal, parsed

V4 = targets.TARGETS["x86-64-v4"]
NAME = "mk,akn->man f32,f32->f32 a=12 k=64 m=40 n=32"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where tables are, empty at first."""
    monkeypatch.setenv("SLUICE_TUNED", str(tmp_path))
    return tmp_path


def write(table: dict[str, Any], target: targets.Target = V4) -> None:
    tilings.path(target).write_text(tilings.written(table))


def row(tiling: Tiling) -> dict[str, Any]:
    return {**asdict(tiling), "ratio": 0.9}


def midend(target: targets.Target = V4) -> ir.Module:
    module = parsed(LINEAR.format(m=40, o=12, k=64))
    pipelines.run(module, "midend", target)
    return module


def carried(module: ir.Module) -> set[int]:
    """How many vectors of sums the innermost loops carry."""
    return {len(op.parent.results) for op in find_all(module.operation, "vector.fma") if op.parent.name == "scf.for"}


def iterations(module: ir.Module) -> list[str]:
    """Of the parallel loops."""
    return re.findall(r"omp\.loop_nest .* to \((.*)\) step", str(module))


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (LINEAR.format(m=40, o=12, k=64), NAME),
        (BATCH.format(b=2, m=3, n=4, k=5), "amk,akn->amn f32,f32->f32 a=2 k=5 m=3 n=4"),
        (LINEAR.format(m="?", o=12, k=64), NAME.replace("m=40", "m=?")),
    ],
)
def test_names_of_products(text: str, name: str) -> None:
    if "?" in text:
        text = text.replace("tensor.empty()", "tensor.empty(%rows)").replace("func @f(", "func @f(%rows: index, ")
    module = parsed(text)
    pipelines.build((pipelines.protect_products, pipelines.restore_products), V4, module.context).run(module.operation)
    (op,) = find_all(module.operation, "linalg.generic")
    product = product_of(op)
    assert product is not None and product.name == name


def test_without_a_table_the_default() -> None:
    assert tilings.tiling_of(NAME, V4) == tilings.default(V4) == Tiling(rows=10)
    assert carried(midend()) == {20}


def test_the_table_is_honoured() -> None:
    """Of eight rows there are five tiles; four steps of the sum a turn; three panels an iteration."""
    assert iterations(midend()) == ["%c12"]
    write({NAME: row(Tiling(rows=8, unroll=4, panels=3))})
    module = midend()
    assert carried(module) == {16}
    (loop,) = {op.parent for op in find_all(module.operation, "vector.fma")}
    inside = [op.operation.name for op in loop.regions[0].blocks[0].operations]
    assert inside.count("vector.fma") == 4 * 16
    assert iterations(module) == ["%c4"]


def test_blocks_of_the_sum() -> None:
    write({NAME: row(Tiling(rows=10, block=2048))})
    module = midend()
    starts = [op for op in find_all(module.operation, "scf.for") if "arith.constant 16 " in str(op.operands[2].owner)]
    assert starts, "blocks of sixteen steps of 128 bytes"


def test_chunks_of_a_batch() -> None:
    text, name = BATCH.format(b=2, m=96, n=64, k=64), "amk,akn->amn f32,f32->f32 a=2 k=64 m=96 n=64"
    found = []
    for chunks in (4, 8):
        write({name: row(Tiling(rows=10, chunks=chunks))})
        module = parsed(text)
        pipelines.run(module, "midend", V4)
        found += iterations(module)
    assert found == ["%c2, %c2", "%c2, %c4"]


def test_a_table_says_nothing_of_other_products_and_targets() -> None:
    write({NAME.replace("k=64", "k=65"): row(Tiling(rows=4))})
    write({NAME: row(Tiling(rows=4))}, targets.TARGETS["x86-64-v3"])
    assert carried(midend()) == {20}


@pytest.mark.parametrize(
    "tiling",
    [Tiling(1), Tiling(3, 1), Tiling(32, 7), Tiling(6, 4, 1), Tiling(6, 4, 4096, 5), Tiling(6, 16, 1 << 20, 100, 1)],
    ids=Tiling.words,
)
@pytest.mark.parametrize(("m", "o", "k"), [(40, 12, 64), (13, 12, 65), (1, 12, 333)])
def test_every_tiling_gives_the_right_numbers(tiling: Tiling, m: int, o: int, k: int) -> None:
    write({NAME.replace("m=40", f"m={m}").replace("k=64", f"k={k}"): row(tiling)}, targets.native())
    x, w, y = normal(m, k), normal(o, k, 32), np.full((m, o, 32), np.nan, np.float32)
    module = parsed(LINEAR.format(m=m, o=o, k=k))
    for pipeline in pipelines.PIPELINES:
        pipelines.run(module, pipeline, targets.native())
    Function(module, "f")([x, w], [y])
    assert_near(y, np.einsum("mk,okn->mon", x.astype(np.float64), w), k)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("{", "is not JSON (Expecting property name enclosed in double quotes: line 1 column 2 (char 1))"),
        ("[]", ": expected products with their tilings"),
        ('{"x": 3}', ": 'x': expected rows, unroll, block, panels, chunks and ratio"),
        (json.dumps({"x": {**row(Tiling(8)), "rows": 0}}), ": 'x': rows is 0, expected a whole number from 1 to 32"),
        (json.dumps({"x": {**row(Tiling(8)), "unroll": "4"}}), ": 'x': unroll is \"4\", expected a whole number from 1 to 64"),
        (json.dumps({"x": {**row(Tiling(8)), "panels": True}}), ": 'x': panels is true, expected a whole number from 1 to"),
        (json.dumps({"x": asdict(Tiling(8))}), ": 'x': expected rows, unroll, block, panels, chunks and ratio"),
    ],
)
def test_a_broken_table_is_refused(text: str, fault: str, folder: Path) -> None:
    tilings.path(V4).write_text(text)
    with pytest.raises(BadTable) as refusal:
        midend()
    sentence = str(refusal.value)
    assert sentence.startswith(f"{folder}/x86-64-v4.json") and fault in sentence and "\n" not in sentence
    assert sentence.endswith("; correct it, or delete the file: `doit tune` makes another")


def test_a_table_as_text() -> None:
    """A product a line, in order, and read back as it was."""
    table = {name: row(Tiling(rows)) for name, rows in (("b", 8), ("a", 9))}
    write(table)
    first, *_ = tilings.text(V4).splitlines()[1:]
    assert first == '  "a": {"block": 0, "chunks": 12, "panels": 1, "ratio": 0.9, "rows": 9, "unroll": 2},'
    assert tilings.rows(V4) == table
    write({})
    assert tilings.rows(V4) == {}


def test_native_is_named_after_the_processor() -> None:
    assert tilings.path(targets.native()).name == re.sub("[^a-z0-9]+", "-", targets.processor().lower()) + ".json"
    assert tilings.path(V4).name == "x86-64-v4.json"
