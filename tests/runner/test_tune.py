"""The search for tilings: which products, in what memory, what counts as faster, and what is written."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from passes import pipelines, targets, tilings
from passes.products import Product, product_of
from passes.schedule import find_all
from passes.tilings import Tiling
from runner import trial, tune
from tests.passes.test_products import BATCH, LINEAR, parsed

NATIVE = targets.native()
NAME = "mk,akn->man f32,f32->f32 a=12 k=64 m=40 n=32"
F32 = ("f32", "f32", "f32")
LAYER = Product((0,), 1, 2, 3, None, None, ((1, 3), (0, 3, 2), (1, 0, 2)), (12, 40, 32, 64), F32)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where tables are, empty at first."""
    monkeypatch.setenv("SLUICE_TUNED", str(tmp_path))
    return tmp_path


@pytest.fixture
def module(folder: Path) -> Path:
    """A model with one product that is worth tuning."""
    (folder / "x.mlir").write_text(LINEAR.format(m=40, o=12, k=64))
    return folder / "x.mlir"


def run(module: Path, rounds: int = 2, search: str = "unroll") -> dict[str, dict[str, float]]:
    tune.tune([module], [tilings.path(NATIVE)], "native", "2", str(rounds), search)
    return tilings.rows(NATIVE)


def racing(pace: Callable[[Tiling], Sequence[float]], monkeypatch: pytest.MonkeyPatch) -> list[Tiling]:
    """Let each tiling's times be what `pace` says; the list fills with the tilings that were tried."""
    tried: list[Tiling] = []

    def compiled(self: trial.Trial, tiling: Tiling) -> tuple[Tiling, bool]:
        new = tiling not in tried
        if new:
            tried.append(tiling)
        return tiling, new

    monkeypatch.setattr(trial.Trial, "compile", compiled)
    monkeypatch.setattr(trial.Trial, "race", lambda self, entries, rounds: [pace(tiling) for tiling in entries])
    return tried


@pytest.mark.parametrize(
    "product",
    [
        LAYER,
        Product((), 0, 1, 2, None, None, ((0, 2), (2, 1), (0, 1)), (3, 5, 7), F32),
        Product((), None, 0, 1, None, None, ((1,), (1, 0), (0,)), (32, 9), F32),
        Product((0, 1), 2, 3, 4, None, None, ((0, 1, 2, 4), (0, 1, 4, 3), (0, 2, 1, 3)), (2, 3, 4, 5, 6), F32),
        Product((0,), 1, 2, 3, 4, None, ((1, 3, 4), (0, 3, 2, 4), (1, 0, 2)), (2, 3, 32, 5, 2), ("bf16", "bf16", "f32")),
        Product((0,), 1, 2, 3, None, None, ((1, 3), (0, 3, 2), (1, 0, 2)), (2, 3, 32, 5), ("f32", "i8", "f32")),
        Product((0,), 1, 2, 3, None, 4, ((4, 1, 3), (0, 4, 3, 2), (1, 0, 2)), (2, 13, 32, 32, 3), F32),
        Product((0, 1), 2, 3, 4, None, None, ((0, 1, 2, 4), (0, 4, 3), (0, 1, 2, 3)), (2, 3, 4, 5, 6), F32),
        Product((0,), 1, 2, 3, None, None, ((1, 3), (0, 3, 2), (1, 0, 2)), (2, 3, 32, 5), ("f32", "bf16", "f32")),
    ],
    ids=lambda product: product.name,
)
def test_a_product_alone_is_the_product(product: Product) -> None:
    module = parsed(trial.text_of(product))
    (op,) = find_all(module.operation, "linalg.generic")
    found = product_of(op)
    assert found is not None and found.name == product.name


def test_a_product_alone_runs() -> None:
    one = trial.Trial(LAYER, NATIVE, between=0)
    (plain, first), (same, again) = one.compile(Tiling(NATIVE.rows)), one.compile(Tiling(NATIVE.rows, block=1 << 19))
    assert first and not again and plain is same, "the block is larger than the operand"
    one._arrays[2][:] = np.nan
    assert 0 < one.seconds(plain, 3) < 1
    left, (right,), result = one._arrays
    np.testing.assert_allclose(result, np.einsum("mk,akn->man", left, right), rtol=1e-4, atol=1e-4)


def test_weights_take_turns() -> None:
    """As many copies as a model reads between two uses of one; what is computed from a batch is at hand."""
    batch = Product((0,), 1, 2, 3, None, None, ((0, 1, 3), (0, 3, 2), (0, 1, 2)), (12, 40, 32, 64), F32)
    bytes_ = LAYER.bytes(1)
    assert bytes_ == 12 * 64 * 32 * 4
    assert [len(trial.Trial(p, NATIVE, n)._frames) for p, n in ((LAYER, 3 * bytes_), (LAYER, 0), (batch, 9 * bytes_))] == [
        3,
        1,
        1,
    ]


def test_a_race_is_run_in_turns() -> None:
    one = trial.Trial(LAYER, NATIVE, between=0)
    order: list[int] = []
    one.seconds = lambda entry, calls: order.append(entry) or float(entry)  # type: ignore
    ratios = one.race([1, 2, 4], rounds=3)  # type: ignore
    assert ratios == [[1, 1, 1], [2, 2, 2], [4, 4, 4]]
    assert order[-9:] == [1, 2, 4, 2, 4, 1, 4, 1, 2]


@pytest.mark.parametrize(
    ("ratios", "clear"),
    [([0.9] * 9, True), ([0.9] * 6 + [1.1] * 3, False), ([0.99] * 9, False), ([0.5, 0.9, 1.2, 1.3], False), ([0.9], True)],
)
def test_what_counts_as_faster(ratios: list[float], clear: bool) -> None:
    assert tune.clear(ratios) == clear


def test_what_is_faster_is_written(module: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    racing(lambda tiling: [0.8 if tiling.rows == 3 else 1.0] * 5, monkeypatch)
    monkeypatch.setitem(tune.STEPS, "rows", (3 - NATIVE.rows, 1))
    assert run(module, search="rows,unroll") == {NAME: {**asdict(Tiling(3)), "ratio": 0.8}}
    assert tilings.tiling_of(NAME, NATIVE) == Tiling(3)


def test_noise_is_not_written(module: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor what won by luck and loses when it is raced again; an earlier row of the product goes, others stay."""
    other = NAME.replace("m=40", "m=41")
    before = {"rows": 2, "unroll": 2, "block": 64, "panels": 1, "chunks": 1, "ratio": 0.5}
    tilings.path(NATIVE).write_text(tilings.written({NAME: before, other: before}))
    luck = iter([0.8])
    racing(lambda tiling: [next(luck, 1.0) if tiling.unroll == 4 else 1.0] * 3, monkeypatch)
    assert run(module) == {other: before}


def test_parameters_are_varied_one_after_the_other(module: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tried = racing(lambda tiling: [1.0 - 0.1 * (tiling.unroll == 8) - 0.1 * (tiling.panels == 3)] * 3, monkeypatch)
    monkeypatch.setitem(tune.STEPS, "panels", (1, 3, 6))
    row = run(module, search="unroll,panels")[NAME]
    assert (row["unroll"], row["panels"], row["ratio"]) == (8, 3, 0.8)
    rows = NATIVE.rows
    assert tried == [*(Tiling(rows, unroll) for unroll in (2, 1, 4, 8)), Tiling(rows, 8, panels=3)], "six are too few to share"


def test_a_small_search_to_its_end(module: Path) -> None:
    table = run(module, rounds=1, search="rows,unroll,block,panels,chunks")
    assert set(table) <= {NAME}
    json.loads(tilings.text(NATIVE))
    pipelines.run(parsed(module.read_text()), "midend", NATIVE)


def test_products_of_a_model(folder: Path) -> None:
    """Those that are worth the threads, each once."""
    (folder / "small.mlir").write_text(BATCH.format(b=2, m=3, n=4, k=5))
    assert tune.distinct(folder / "small.mlir", NATIVE) == {}
    text = LINEAR.format(m=40, o=12, k=64)
    (folder / "two.mlir").write_text(text + "".join(text.partition("func.func")[1:]).replace("@f", "@g"))
    assert {product.name: count for product, count in tune.distinct(folder / "two.mlir", NATIVE).items()} == {NAME: 2}


def test_a_broken_table_is_not_lost(module: Path, folder: Path) -> None:
    tilings.path(NATIVE).write_text("{")
    with pytest.raises(tilings.BadTable):
        run(module)
    assert tilings.path(NATIVE).read_text() == "{"
