"""Whatever a step used, when it changes the step runs again; whatever it did not use, it does not."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.projects import Project


@pytest.fixture
def chain(project: Project) -> Project:
    project.chain(3)
    assert project.doit() == {"s0", "s1", "s2"}
    assert project.read("out/2") == "<<<source>>>"
    assert project.doit() == set()
    return project


def test_an_edit_runs_what_it_reaches(chain: Project) -> None:
    chain.write("source.txt", "other")
    assert chain.doit() == {"s0", "s1", "s2"}
    assert chain.read("out/2") == "<<<other>>>" and "source.txt changed" in chain.output


def test_the_same_bytes_stop_it(chain: Project) -> None:
    chain.write("helper.py", "def mark(text):\n    return '<' + text + '>'\n")
    assert chain.doit("s0") == {"s0"}
    assert "helper.py changed" in chain.output
    chain.write("source.txt", "source")
    os.utime(chain.root / "source.txt", (1, 1))
    assert chain.doit() == {"s1", "s2"}, "they use helper.py too"
    assert chain.doit() == set()


@pytest.mark.parametrize(
    "edit",
    [
        lambda path: path.write_text("# a comment\n" + path.read_text()),
        lambda path: path.write_text(path.read_text().replace("(text):\n    ", "(text):\n\n        ")),
        os.utime,
    ],
    ids=["comment", "format", "touch"],
)
def test_what_does_not_matter_runs_nothing(chain: Project, edit: Callable[[Path], object]) -> None:
    edit(chain.root / "helper.py")
    assert chain.doit() == set()


@pytest.mark.parametrize("stamp", ["equal", "older"])
def test_time_stamps_are_not_believed(chain: Project, stamp: str) -> None:
    path = chain.root / "source.txt"
    before = path.stat()
    path.write_text("ecruos")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns - (10**9 if stamp == "older" else 0)))
    assert chain.doit() == {"s0", "s1", "s2"}
    assert chain.read("out/2") == "<<<ecruos>>>"


@pytest.mark.parametrize("text", ["edited by hand", "", None], ids=["edited", "truncated", "deleted"])
def test_an_artifact_that_is_not_as_it_was_made(chain: Project, text: str | None) -> None:
    path = chain.root / "out/1"
    if text is None:
        path.unlink()
    else:
        path.write_text(text)
    assert chain.doit() == {"s1"}, "the same bytes come out, so s2 does not run"
    assert chain.read("out/1") == "<<source>>"
    saved = chain.root / "out/1.edited"
    assert (saved.read_text() if saved.exists() else None) == text, "an edit is never lost"
    assert (text is None) != ("to build from it: cp out/1.edited out/1 && doit keep out/1" in chain.output)


def test_a_second_edit_is_saved_under_a_second_name(chain: Project) -> None:
    for count, text in enumerate(("first", "second")):
        chain.write("out/1", text)
        chain.doit()
        assert chain.read("out/1.edited" if count == 0 else "out/1.edited-2") == text


def test_another_option(chain: Project) -> None:
    chain.chain(3, suffix="!")
    assert chain.doit() == {"s0", "s1", "s2"}
    assert "suffix changed from None to !" in chain.output and chain.read("out/0") == "<source>!"


def test_other_files(chain: Project) -> None:
    chain.chain(2)
    rows = [{"name": "s0", "run": "stages:join", "inputs": ["./source.txt", "./helper.py"], "outputs": ["out/0"]}]
    chain.steps(*rows)
    assert chain.doit() == {"s0"} and "it takes or makes other files now" in chain.output


@pytest.fixture
def looking(project: Project) -> Project:
    """One step that uses a variable, a data file, a program and a module that is not there."""
    (project.root / "bin").mkdir()
    project.environment["PATH"] = f"{project.root / 'bin'}:{project.environment['PATH']}"
    project.write("table.txt", "1 2 3")
    program(project, "bin", "hello")
    project.steps({"name": "look", "run": "stages:look", "inputs": ["./source.txt"], "outputs": ["out/seen"]})
    assert project.doit() == {"look"}
    assert project.read("out/seen") == "none 1 2 3 hello slow"
    assert project.doit() == set()
    return project


def program(project: Project, folder: str, says: str) -> None:
    path = project.root / folder / "greet"
    path.write_text(f"#!/bin/sh\necho {says}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def test_a_variable(looking: Project) -> None:
    looking.environment["COLOUR"] = "red"
    assert looking.doit() == {"look"} and "variable COLOUR changed from None to red" in looking.output
    looking.environment["UNUSED"] = "x"
    assert looking.doit() == set()


def test_a_data_file(looking: Project) -> None:
    looking.write("table.txt", "4 5 6")
    assert looking.doit() == {"look"} and "table.txt changed" in looking.output


def test_a_program(looking: Project) -> None:
    program(looking, "bin", "goodbye")
    assert looking.doit() == {"look"} and looking.read("out/seen") == "none 1 2 3 goodbye slow"


def test_another_program_of_that_name_found_first(looking: Project) -> None:
    (looking.root / "first").mkdir()
    program(looking, "first", "hi")
    looking.environment["PATH"] = f"{looking.root / 'first'}:{looking.environment['PATH']}"
    assert looking.doit() == {"look"} and looking.read("out/seen") == "none 1 2 3 hi slow"


def test_a_module_that_was_missing(looking: Project) -> None:
    looking.write("fast.py", "")
    assert looking.doit() == {"look"} and "fast.py appeared" in looking.output
    assert looking.read("out/seen") == "none 1 2 3 hello fast"


def test_a_file_that_was_not_there(project: Project) -> None:
    project.steps({"name": "s", "run": "stages:remark", "inputs": [], "outputs": ["out/said"]})
    assert project.doit() == {"s"} and project.read("out/said") == "none"
    assert project.doit() == set()
    project.write("remark.txt", "one")
    assert project.doit() == {"s"} and "remark.txt appeared" in project.output
    project.write("remark.txt", "two")
    assert project.doit() == {"s"} and "remark.txt changed" in project.output and project.read("out/said") == "two"
    (project.root / "remark.txt").unlink()
    assert project.doit() == {"s"} and "remark.txt is gone" in project.output and project.read("out/said") == "none"


def test_a_package_that_hides_a_module(looking: Project) -> None:
    (looking.root / "helper").mkdir()
    looking.write("helper/__init__.py", "def mark(text):\n    return text\n")
    assert looking.doit() == {"look"} and "helper/__init__.py appeared" in looking.output


def test_a_link_that_leads_elsewhere(looking: Project) -> None:
    (looking.root / "table.txt").rename(looking.root / "one.txt")
    looking.write("two.txt", "7 8 9")
    (looking.root / "table.txt").symlink_to("one.txt")
    assert looking.doit() == set(), "the same bytes"
    (looking.root / "table.txt").unlink()
    (looking.root / "table.txt").symlink_to("two.txt")
    assert looking.doit() == {"look"} and looking.read("out/seen") == "none 7 8 9 hello slow"


def test_a_file_opened_for_update_is_read(project: Project) -> None:
    project.write("table.txt", "1")
    project.write("stages.py", "def go(inputs, outputs):\n    outputs[0].write_text(open('table.txt', 'r+').read())\n")
    project.steps({"name": "go", "run": "stages:go", "inputs": ["./source.txt"], "outputs": ["out/x"]})
    project.doit()
    project.write("table.txt", "2")
    assert project.doit() == {"go"} and project.read("out/x") == "2"


def test_a_variable_that_the_step_sets_itself(project: Project) -> None:
    project.write(
        "stages.py",
        "import os\ndef go(inputs, outputs):\n    os.environ['MINE'] = '1'\n    outputs[0].write_text(os.environ['MINE'])\n",
    )
    project.steps({"name": "go", "run": "stages:go", "inputs": ["./source.txt"], "outputs": ["out/x"]})
    assert project.doit() == {"go"}
    assert project.doit() == set()


@pytest.mark.parametrize("text", ["", "[]", "{", '{"run": 1}', '{"used": null}'])
def test_damaged_state(chain: Project, text: str) -> None:
    for path in (chain.root / "out/.state").glob("*.json"):
        path.write_text(text)
    for name in ("held", "ignored", "digests"):
        chain.write(f"out/.state/{name}.json", text)
    assert chain.doit() == {"s0", "s1", "s2"}, "what cannot be read is not believed"
    assert "Traceback" not in chain.output
    assert chain.doit() == set()


def test_a_folder_in_an_artifacts_place(chain: Project) -> None:
    (chain.root / "out/1").unlink()
    (chain.root / "out/1").mkdir()
    chain.doit(status=2)
    assert "out/1: Is a directory" in chain.output and "Traceback" not in chain.output


def test_a_file_that_nobody_uses(looking: Project) -> None:
    looking.write("unused.py", "")
    looking.write("notes.txt", "")
    assert looking.doit() == set()


def test_the_plan_is_what_happens(chain: Project) -> None:
    chain.write("out/1", "edited")
    chain.doit("plan")
    assert [line.split()[:2] for line in chain.output.splitlines()[:-1]] == [["run", "s1"], ["maybe", "s2"]]
    assert "out/1 was edited" in chain.output and "if s1 gives something new" in chain.output
    assert chain.doit() == {"s1"}
    chain.doit("plan")
    assert chain.output.strip() == "3 up to date"


def test_the_list_is_true(chain: Project) -> None:
    chain.doit("list", "--status")
    assert [line.split()[0] for line in chain.output.splitlines()] == ["U", "U", "U"]
    chain.write("source.txt", "other")
    chain.doit("list", "--status")
    assert [line.split()[0] for line in chain.output.splitlines()] == ["R", "R", "R"], "what comes after may run too"


def test_forget(chain: Project) -> None:
    chain.doit("forget", "s1")
    assert chain.doit() == {"s1"}
    chain.doit("forget")
    assert chain.doit() == {"s0", "s1", "s2"}
