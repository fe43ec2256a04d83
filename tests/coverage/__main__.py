"""Measure the importer on PyTorch's operator database: `python -m tests.coverage --help`."""

from __future__ import annotations

import argparse
import collections
import json
import os
import time
from pathlib import Path
from typing import Any

from tests.coverage.run import run


def main() -> None:
    options = _options()
    from tests.coverage.samples import DTYPES, OPERATORS, measured

    names = options.ops.split(",") if options.ops else list(OPERATORS)
    dtypes = options.dtypes.split(",") if options.dtypes else list(DTYPES)
    chosen = None if options.samples is None else list(range(options.samples))
    jobs = [
        {"op": name, "dtype": dtype, "samples": chosen, "subject": options.subject, "perturb": options.perturb}
        for dtype in dtypes
        for name in names
        if measured(name, dtype)
    ][:: options.stride]
    begin, done = time.monotonic(), 0
    table: dict[str, dict[str, Any]] = {dtype: {} for dtype in dtypes}

    def report(job: dict[str, Any], rows: list[dict[str, Any]]) -> None:
        nonlocal done
        done += 1
        table[job["dtype"]][job["op"]] = rows
        counts = collections.Counter(row["result"] for row in rows)
        if options.verbose:
            seen = set()
            for row in rows:
                kind = row["result"], row.get("missing") or row.get("why", "")[:40]
                if row["result"] in ("wrong", "crashed", "unsupported") and kind not in seen:
                    seen.add(kind)
                    print(
                        f"  {job['op']} {job['dtype']} #{row['sample']}: {row['result']}: {row.get('why', '')[: options.width]}"
                    )
        print(f"{time.monotonic() - begin:6.0f} s {done}/{len(jobs)} {job['op']} {job['dtype']} {dict(counts)}", flush=True)

    run(jobs, options.workers, report)
    Path(options.out).write_text(json.dumps(table))
    for dtype, operators in table.items():
        rows = [row for each in operators.values() for row in each if row["result"] != "random"]
        live = {n: [r for r in each if r["result"] != "random"] for n, each in operators.items()}
        live = {n: each for n, each in live.items() if each}
        right = sum(all(r["result"] == "passed" for r in each) for each in live.values())
        print(dtype, "operators right", right, "of", len(live), dict(collections.Counter(r["result"] for r in rows)))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", default="coverage.json")
    parser.add_argument("--ops", help="names, separated by commas; all of them if left out")
    parser.add_argument("--dtypes", help="of f32, i64 and i1; all of them if left out")
    parser.add_argument("--samples", type=int, help="how many of each operator, from the first on")
    parser.add_argument("--stride", type=int, default=1, help="every n-th operator")
    parser.add_argument("--subject", default="sluice")
    parser.add_argument("--perturb", action="store_true", help="change every result, so that none may pass")
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    parser.add_argument("--verbose", action="store_true", help="tell what is wrong with each sample")
    parser.add_argument("--width", type=int, default=200)
    return parser.parse_args()


if __name__ == "__main__":
    main()
