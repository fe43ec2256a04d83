"""How products are tiled: the default for a target, and a table of what `doit tune` found faster on one machine.

The table of a target is `tuned/<target>.json`, for `native` `tuned/<processor>.json`: for each product, named as
`Product.name` does, a tiling and what its time was, as a part of the default's. SLUICE_TUNED names another folder.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from passes.targets import NATIVE, Target, processor

ROOT = Path(__file__).parent.parent
AGAIN = "correct it, or delete the file: `doit tune` makes another"


@dataclass(frozen=True)
class Tiling:
    """How one product is cut.

    rows: of a register tile, at most. unroll: steps of the sum in the innermost loop, more where there are few sums.
    block: bytes of the right operand, at most, that stay in a cache while all rows pass; 0 leaves it to their number.
    panels: of a weight, in one iteration of the threads' common loop. chunks: iterations of it, about, where rows are cut.
    """

    rows: int
    unroll: int = 2
    block: int = 0
    panels: int = 1
    chunks: int = 12

    def words(self) -> str:
        return " ".join(f"{name}={value}" for name, value in asdict(self).items())


PARAMETERS = tuple(field.name for field in fields(Tiling))
MOST = {"rows": 32, "unroll": 64, "block": 1 << 30, "panels": 1 << 20, "chunks": 1 << 20}


class BadTable(Exception):
    """A table that does not say what a table says: the file, the place, and what is accepted."""

    located = True


def default(target: Target) -> Tiling:
    return Tiling(target.rows)


def tiling_of(product: str, target: Target) -> Tiling:
    """The tiling of a product, by its name: from the target's table, or the default."""
    row = rows(target).get(product)
    return Tiling(**{name: row[name] for name in PARAMETERS}) if row else default(target)


def path(target: Target) -> Path:
    name = processor() if target.triple == NATIVE else target.name
    folder = os.environ.get("SLUICE_TUNED") or os.path.relpath(ROOT / "tuned")
    return Path(folder, f"{re.sub('[^a-z0-9]+', '-', name.lower()).strip('-')}.json")


def text(target: Target) -> str:
    """The table as it stands in its file; empty where there is none."""
    try:
        return path(target).read_text()
    except FileNotFoundError:
        return ""


def rows(target: Target) -> dict[str, dict[str, Any]]:
    """The table by products: the numbers of a tiling, and `ratio`."""
    found = text(target)
    if not found:
        return {}
    try:
        table = json.loads(found)
    except ValueError as error:
        raise BadTable(f"{path(target)} is not JSON ({error}); {AGAIN}") from error
    if not isinstance(table, dict):
        raise BadTable(f"{path(target)}: expected products with their tilings; {AGAIN}")
    for product, row in table.items():
        if fault := _fault(row):
            raise BadTable(f"{path(target)}: {product!r}: {fault}; {AGAIN}")
    return table


def written(table: dict[str, dict[str, Any]]) -> str:
    """A table as text, a product a line."""
    lines = [f"  {json.dumps(product)}: {json.dumps(row, sort_keys=True)}" for product, row in sorted(table.items())]
    return "{\n" + ",\n".join(lines) + "\n}\n" if lines else "{}\n"


def _fault(row: object) -> str:
    if not isinstance(row, dict) or set(row) != {*PARAMETERS, "ratio"}:
        return f"expected {', '.join(PARAMETERS)} and ratio"
    for name, most in MOST.items():
        least = 0 if name == "block" else 1
        if type(row[name]) is not int or not least <= row[name] <= most:
            return f"{name} is {json.dumps(row[name])}, expected a whole number from {least} to {most}"
    return ""
