"""Run, list and complete passes from a shell: `python -m passes --help`."""

import sys

from passes.command.arguments import main

sys.exit(main(sys.argv[1:]))
