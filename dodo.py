"""The tasks of Sluice, for doit: `doit list` shows them, `doit` builds the model in one step.

doit [model=NAME] [SETTING=VALUE ...] [GROUP ...]
"""

import sys

from doit.tools import create_folder

from tasks.build import stage_tasks
from tasks.checks import check_tasks
from tasks.run import run_tasks
from tasks.settings import default_tasks, from_command_line

SETTINGS = from_command_line()
create_folder(str(SETTINGS.folder))

DOIT_CONFIG = {
    "default_tasks": default_tasks(sys.argv[1:]),
    "backend": "sqlite3",
    "dep_file": str(SETTINGS.folder / ".doit.db"),  # one a build folder: switching models forgets nothing
}


def task_stages():
    return stage_tasks(SETTINGS)


def task_runs():
    return run_tasks(SETTINGS)


def task_checks():
    return check_tasks()
