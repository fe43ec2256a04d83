"""Search the tilings of a model's products: what is faster on this machine beyond its noise goes into the target's table."""

from __future__ import annotations

import ctypes
import math
import statistics
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

from passes import targets, tilings
from passes.groups import worth_a_region
from passes.products import RIGHT, Product
from passes.stages import read
from passes.targets import Target
from passes.tiles import parallel_tiles
from passes.tilings import Tiling
from runner.jit import Entry
from runner.link import openmp_library
from runner.trial import Trial, products_of

GAIN = 0.02  # of the time; less is not worth a row in a table
STEPS = {  # what to try of each parameter; of rows, beside the target's
    "rows": (-4, -3, -2, -1, 1, 2, 3, 4),
    "unroll": (1, 2, 4, 8),
    "block": (1 << 14, 1 << 15, 1 << 16, 1 << 17, 1 << 18, 1 << 19),
    "panels": (1, 2, 4, 8),
    "chunks": (4, 8, 12, 24, 48),
}


def tune(inputs: list[Path], outputs: list[Path], target: str, threads: str, rounds: str, search: str) -> None:
    """A module of the frontend to the target's table: rows for its products are made anew, others stay.

    `search` names the parameters to vary, with commas; `rounds` is how often candidates are timed in turns.
    """
    machine = targets.find(target)
    table = tilings.rows(machine)
    products = distinct(inputs[0], machine)
    between = sum(count * product.bytes(RIGHT) for product, count in products.items() if product.packed)
    ctypes.CDLL(str(openmp_library())).omp_set_num_threads(int(threads))
    for product, count in products.items():
        print(f"{product.name}   {count} of them", flush=True)
        found, ratio = fastest(Trial(product, machine, between), search.split(","), int(rounds), int(threads))
        table.pop(product.name, None)
        if found == tilings.default(machine):
            print("   the default", flush=True)
        else:
            table[product.name] = {**asdict(found), "ratio": round(ratio, 3)}
            print(f"   {found.words()}: {ratio:.3f} of the default's time", flush=True)
    outputs[0].write_text(tilings.written(table))


def distinct(path: Path, target: Target) -> dict[Product, int]:
    """The products of a module that are worth the threads, and of known extents, each with how often it is there."""
    module = read(path)
    found = [p for _, p in products_of(module, target) if p.rows is not None and worth_a_region(p)]
    by_name = {product.name: product for product in found}
    return {product: sum(p.name == name for p in found) for name, product in by_name.items()}


def fastest(trial: Trial, search: Sequence[str], rounds: int, threads: int) -> tuple[Tiling, float]:
    """The best tiling found by varying one parameter after the other, and its time as a part of the default's.

    A change is taken if it is clearly faster, and the outcome is raced against the default once more: of many candidates
    one is always lucky.
    """
    default = best = tilings.default(trial.target)
    for parameter in search:
        contenders = _contenders(trial, best, parameter, threads)
        ratios = trial.race(list(contenders.values()), rounds) if len(contenders) > 1 else [[1.0]]
        winner, times = min(zip(contenders, ratios, strict=True), key=lambda pair: statistics.median(pair[1]))
        if clear(times):
            best = winner
    if best != default:
        _, ratio = trial.race([trial.compile(default)[0], trial.compile(best)[0]], 2 * rounds)
        if clear(ratio):
            return best, statistics.median(ratio)
    return default, 1.0


def _contenders(trial: Trial, best: Tiling, parameter: str, threads: int) -> dict[Tiling, Entry]:
    """The best tiling so far, and those with other values of a parameter that give other code."""
    values = [trial.target.rows + step for step in STEPS["rows"]] if parameter == "rows" else STEPS[parameter]
    entries = {best: trial.compile(best)[0]}
    for value in values:
        tiling = replace(best, **{parameter: value})
        if 1 <= value <= tilings.MOST[parameter] and iterations(trial.product, tiling) >= 2 * threads:
            entry, new = trial.compile(tiling)
            if new:
                entries[tiling] = entry
    return entries


def iterations(product: Product, tiling: Tiling) -> int:
    """Of the threads' common loop. With few of them a tiling would win because the machine is busy, and lose when it is not."""
    return math.prod(-(-product.extent(loop) // tile) for loop, tile in parallel_tiles(product, tiling).items())


def clear(ratios: Sequence[float]) -> bool:
    """Whether times are below the others by GAIN in three quarters of the rounds: noise falls on both sides."""
    return sorted(ratios)[3 * len(ratios) // 4] < 1 - GAIN
