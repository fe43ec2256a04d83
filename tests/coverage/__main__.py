"""Measure the importer on PyTorch's operator database: `python -m tests.coverage --help`."""

from __future__ import annotations

import argparse
import collections
import json
import os
import time
from pathlib import Path
from typing import Any

from tests.coverage.report import OTHERS, Rows, figures, page
from tests.coverage.run import run

Table = dict[str, dict[str, Rows]]


def main() -> None:
    options = _options()
    from tests.coverage.samples import DEFAULT, OPERATORS, measured

    names = options.ops.split(",") if options.ops else list(OPERATORS)
    dtypes = options.dtypes.split(",") if options.dtypes else list(DEFAULT)
    pairs = [(name, dtype) for dtype in dtypes for name in names if measured(name, dtype)]
    jobs = [_job(name, dtype, "sluice", options.samples, options.perturb) for name, dtype in pairs]
    if options.peer:
        jobs += [_job(name, "f32", "torch-mlir", options.peer, options.perturb) for name in names if measured(name, "f32")]
    table: dict[str, Table] = {"sluice": {dtype: {} for dtype in dtypes}, "torch-mlir": {"f32": {}}}
    begin, done = time.monotonic(), 0

    def report(job: dict[str, Any], rows: Rows) -> None:
        nonlocal done
        done += 1
        table[job["subject"]][job["dtype"]][job["op"]] = rows
        _tell(job, rows, options)
        counts = dict(collections.Counter(row["result"] for row in rows))
        print(f"{time.monotonic() - begin:6.0f} s {done}/{len(jobs)} {job['op']} {job['dtype']} {counts}", flush=True)

    run(jobs, options.workers, report)
    whole = figures(table["sluice"], table["torch-mlir"]["f32"], options.samples)
    _write(options.out, json.dumps(whole, indent=1))
    _write(options.page, page(whole))
    for part in (*([whole] if "ops" in whole else []), *(whole[name] for name in OTHERS if name in whole)):
        print(part["totals"])
    if "peer" in whole:
        print("peer", whole["peer"]["totals"], "sluice on the same samples", whole["peer"]["sluice"])


def _job(name: str, dtype: str, subject: str, samples: int | None, perturb: bool) -> dict[str, Any]:
    chosen = None if samples is None else list(range(samples))
    return {"op": name, "dtype": dtype, "samples": chosen, "subject": subject, "perturb": perturb}


def _tell(job: dict[str, Any], rows: Rows, options: argparse.Namespace) -> None:
    """One line for each kind of failure."""
    seen = set()
    for row in rows:
        kind = row["result"], row.get("missing") or row.get("why", "")[:40]
        if options.verbose and row["result"] in ("wrong", "crashed", "unsupported") and kind not in seen:
            seen.add(kind)
            where = f"{job['op']} {job['dtype']} #{row['sample']}"
            print(f"  {where}: {row['result']}: {row.get('why', '')[: options.width]}")


def _write(path: str | None, text: str) -> None:
    if path:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text(text)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", default="coverage.json", help="where the figures go")
    parser.add_argument("--page", help="where the page goes, if it is wanted")
    parser.add_argument("--ops", help="names, separated by commas; all of them if left out")
    parser.add_argument("--dtypes", help="of f32, i64, i1 and c64; all but the last if left out")
    parser.add_argument("--samples", type=int, help="how many of each operator, from the first on; all of them if left out")
    parser.add_argument(
        "--peer", type=int, default=0, help="measure torch-mlir too, on so many float32 samples of each operator"
    )
    parser.add_argument("--perturb", action="store_true", help="change every result, so that none may pass")
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    parser.add_argument("--verbose", action="store_true", help="tell what is wrong")
    parser.add_argument("--width", type=int, default=200)
    return parser.parse_args()


if __name__ == "__main__":
    main()
