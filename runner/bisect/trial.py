"""Try one pass on cuts of a file, in a process of its own: which of them show the fault.

`python -m runner.bisect.trial FILE FOLDER --target T --function F --pipelines NAME,... --until PIPELINE LABEL [--hangs]`
FOLDER holds `picks.json`, the operations of each cut; `progress.jsonl` and `right.json` are left there.
"""

from __future__ import annotations

import argparse
import json
import math
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

from runner.checking.child import guarded
from runner.checking.probe import answer, finding, runs

PROGRESS, PICKS, RIGHT = "progress.jsonl", "picks.json", "right.json"
LEAST, PATIENCE = 3, 10  # seconds; times what all before it took: longer than that, and a pass does not end
EARLIER, PASS, BEFORE, AFTER = "earlier", "pass", "before", "after"  # where a trial may end


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("folder", type=Path)
    for name in ("target", "function", "pipelines"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--until", nargs=2, required=True)
    parser.add_argument("--hangs", action="store_true", help="the fault is that the pass does not end: do not wait long")
    given = parser.parse_args()
    with (given.folder / PROGRESS).open("w", buffering=1) as progress:
        return guarded(lambda: _run(given, progress))


def _run(given: argparse.Namespace, progress: IO[str]) -> None:
    """`right.json`: for each cut whether the pass keeps its numbers; None where it is no function, and behind the first whose
    numbers it does not keep: running them takes long."""
    from passes import reference, slices, stages, targets

    def at(place: str, cut: int | None = None) -> None:
        progress.write(json.dumps([place, cut]) + "\n")

    began = time.perf_counter()
    at(EARLIER)
    target = targets.find(given.target)
    source = stages.read(given.file)
    picks = json.loads((given.folder / PICKS).read_text())
    module, possible = slices.cut(source, slices.function_of(source, given.function), picks)
    with module.context:
        reference.with_interface(module.operation, target)
    cases = dict(_cases(module))
    run_until(module, given.pipelines.split(","), tuple(given.until), target)
    stages.write(module, given.folder / "before.mlir")
    at(PASS)
    if given.hangs:
        signal.alarm(max(LEAST, math.ceil(PATIENCE * (time.perf_counter() - began))))
    run_pass(module, given.until[0], given.until[1], target)
    signal.alarm(0)
    stages.write(module, given.folder / "after.mlir")
    at(BEFORE)
    before, _ = _loaded(given, "before.mlir", cases, target)
    at(AFTER)
    after, parallel = _loaded(given, "after.mlir", cases, target)
    right: list[bool | None] = [None] * len(picks)
    for number in (number for number, there in enumerate(possible) if there):
        name, case = f"slice{number}", cases[f"slice{number}"]
        at(BEFORE)
        wanted = answer(before[name], case)
        at(AFTER, number)
        results = runs(after[name], case, parallel)
        found = [finding(case, r, [run[i] for run in results], wanted[i]) for i, r in enumerate(case.results)]
        right[number] = all(f.right for f in found)
        if not right[number]:
            break
    (given.folder / RIGHT).write_text(json.dumps(right))


def run_until(module: Any, names: Sequence[str], until: tuple[str, str], target: Any) -> None:
    """The passes before one."""
    from passes import pipelines
    from passes.steps import steps_of

    for name in names:
        steps = steps_of(pipelines.find(name))
        labels = [step.label for step in steps]
        end = labels.index(until[1]) if name == until[0] else len(steps)
        pipelines.run(module, name, target, steps[:end])
        if name == until[0]:
            return


def run_pass(module: Any, name: str, label: str, target: Any) -> None:
    from passes import pipelines
    from passes.steps import steps_of

    pipelines.run(module, name, target, [step for step in steps_of(pipelines.find(name)) if step.label == label])


def _cases(module: Any) -> Any:
    from passes import slices
    from passes.schedule import find_all
    from runner.bisect.reproduce import drawn_case

    for op in find_all(module.operation, "func.func"):
        if not op.opview.is_external:
            takes, returns = slices.signature(op)
            name = op.opview.name.value
            yield name, drawn_case({"function": name, "takes": takes, "returns": returns})


def _loaded(given: argparse.Namespace, file: str, cases: dict[str, Any], target: Any) -> tuple[dict[str, Any], bool]:
    """The functions of a file, and whether they start threads."""
    from runner.checking import code

    folder = given.folder / Path(file).stem
    folder.mkdir(exist_ok=True)
    takes = {n: len(c.arguments) + sum(r.argument is None for r in c.results) for n, c in cases.items()}
    return code.load([given.folder / file], takes, target, folder)


if __name__ == "__main__":
    sys.exit(main())
