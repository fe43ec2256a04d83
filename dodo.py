"""The tasks of Sluice, for doit: `doit list` shows them, `doit` builds the model in one step.

doit [model=NAME] [SETTING=VALUE ...] [GROUP ...]
"""

import os
import sys

from tasks.build import stage_tasks
from tasks.builder import Builder
from tasks.cache import Cache, default_store
from tasks.checks import check_tasks
from tasks.database import Known
from tasks.foreign import refuse_foreign
from tasks.reporter import Reporter, interrupted
from tasks.run import run_tasks
from tasks.settings import default_tasks, from_command_line

SETTINGS = from_command_line()
BUILDER = Builder(SETTINGS.folder, Cache(default_store()) if SETTINGS.cache else None)

sys.excepthook = interrupted

DOIT_CONFIG = {
    "default_tasks": default_tasks(sys.argv[1:]),
    "backend": "records",
    "dep_file": str(BUILDER.state / "ignored.json"),  # one a build folder: switching models forgets nothing
    "check_file_uptodate": Known,
    "reporter": Reporter.of(BUILDER, SETTINGS.words),
    "continue": True,
    "par_type": "thread",
    "num_process": os.cpu_count() or 1,
}


def task_stages():
    return refuse_foreign(stage_tasks(SETTINGS, BUILDER), SETTINGS)


def task_runs():
    return refuse_foreign(run_tasks(SETTINGS, BUILDER), SETTINGS)


def task_checks():
    return check_tasks()
