"""Run, list and complete passes from a shell: `python -m passes --help`."""

import sys
from importlib.util import find_spec

from passes import faults
from passes.command.arguments import main
from passes.mlir import PACKAGE

if find_spec(PACKAGE) is None:
    print(
        f"{sys.executable} has no {PACKAGE}, whose MLIR passes run in; say `source .venv/bin/activate` in the project's folder,"
        " which `./doitw` sets up, and then the same again",
        file=sys.stderr,
    )
    sys.exit(2)
try:
    status = main(sys.argv[1:])
except Exception as error:  # a pass that cannot be imported, say
    print(faults.sentence(error), file=sys.stderr)
    status = 1
sys.exit(status)
