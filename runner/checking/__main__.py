"""Verify every stage of a build folder: a table on stdout, `verify.json`, exit status 1 if one is not right.

`python -m runner.checking FOLDER STAGED ONESTEP --target T --timeout S --json FILE [--missing STAGE SENTENCE]...`
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from runner.checking import report
from runner.checking.probe import TIMEOUT
from runner.checking.stages import RIGHT, rows


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("executables", nargs="*", type=Path)
    parser.add_argument("--target", default="native")
    parser.add_argument("--timeout", type=float, default=TIMEOUT)
    parser.add_argument("--json", type=Path, required=True)
    parser.add_argument("--missing", nargs=2, action="append", default=[], metavar=("STAGE", "SENTENCE"))
    given = parser.parse_args()
    found = list(rows(given.folder, given.executables, given.target, given.timeout, dict(given.missing)))
    report.show(found)
    report.write(found, given.json)
    executables = [row for row in found if row.stage in {path.name for path in given.executables}]
    if all(row.word == RIGHT for row in executables):
        print("the same bits from all executables")
    return 0 if all(row.word == RIGHT for row in found) else 1


if __name__ == "__main__":
    sys.exit(main())
