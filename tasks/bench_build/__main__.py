"""`python -m tasks.bench_build [idle] [edits] [kills] [mutations]`: all of them unless some are named."""

from __future__ import annotations

import sys

from tasks.bench_build import edits, idle, kills, mutations

PARTS = {"idle": idle.measure, "edits": edits.measure, "kills": kills.measure, "mutations": mutations.measure}


def main() -> None:
    for name in sys.argv[1:] or PARTS:
        for what, figure in PARTS[name]():
            print(f"{what:52s} {figure}", flush=True)


if __name__ == "__main__":
    main()
