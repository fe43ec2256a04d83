"""Kills, races, failures, many at once: nothing half-made stays, nothing is lost, nothing false is shown."""

from __future__ import annotations

import json
import os
import random
import re
import resource
import signal
import time
from pathlib import Path

import pytest

from tests.projects import Project


def alive(project: Project) -> list[int]:
    """Processes that work for the project."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                if (entry / "cwd").readlink() == project.root:
                    found.append(int(entry.name))
            except OSError:
                continue
    return found


def wait_for(condition, seconds: float = 10) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.02)
    return False


def outputs(project: Project) -> dict[str, str]:
    return {path.name: path.read_text() for path in (project.root / "out").iterdir() if path.is_file()}


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_killed_at_any_moment(project: Project, signum: signal.Signals) -> None:
    """Four builds killed at random moments; after each the next one ends with a clean build's bytes."""
    project.chain(4, pause="0.1")
    right = {"0": "<{}>", "1": "<<{}>>", "2": "<<<{}>>>", "3": "<<<<{}>>>>"}
    rng = random.Random(signum)
    for attempt in range(4):
        text = f"text {attempt}"
        project.write("source.txt", text)
        process = project.start(start_new_session=True)
        time.sleep(rng.uniform(0.15, 1.0))
        if signum == signal.SIGINT:
            os.killpg(process.pid, signum)  # as Ctrl-C does
        else:
            process.send_signal(signum)
        process.communicate(timeout=20)
        assert wait_for(lambda: not alive(project)), "a stage outlived its doit"
        made = outputs(project) if (project.root / "out").exists() else {}
        assert not [name for name in made if name.startswith(".part")]
        project.doit()
        assert outputs(project) == {name: form.format(text) for name, form in right.items()}
        assert project.doit() == set()


def test_progress_survives_a_kill(project: Project) -> None:
    project.chain(4, pause="0.2")
    process = project.start()
    assert wait_for((project.root / "out/.state/s1.json").exists)
    process.kill()
    process.communicate()
    assert {"s0", "s1"}.isdisjoint(project.doit())


@pytest.mark.parametrize("name", ["source.txt", "helper.py"])
def test_an_input_edited_while_it_is_built(project: Project, name: str) -> None:
    project.chain(1, pause="1.0")
    process = project.start()
    time.sleep(0.7)
    project.write(name, "later" if name == "source.txt" else "def mark(text):\n    return f'[{text}]'\n")
    said, _ = process.communicate()
    assert "what it was made from changed meanwhile" in said
    assert project.doit() == {"s0"}, "what was read is not what is there"
    assert project.read("out/0") == ("<later>" if name == "source.txt" else "[source]")
    assert project.doit() == set()


def test_eight_at_once(project: Project) -> None:
    project.chain(4, pause="0.1")
    processes = [project.start() for _ in range(8)]
    said = [process.communicate(timeout=120)[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * 8, said
    assert project.read("out/3") == "<<<<source>>>>"
    assert sum(text.count(".  s") for text in said) == 4, "each step ran once"
    assert any("another doit is building in out; waiting for it" in text for text in said)
    for path in (project.root / "out/.state").glob("s*.json"):
        json.loads(path.read_text())
    assert project.doit() == set()


def test_a_failure_stops_only_what_needs_it(project: Project) -> None:
    project.steps(
        {"name": "bad", "run": "stages:fail", "inputs": ["./source.txt"], "outputs": ["out/bad"]},
        {"name": "after", "run": "stages:join", "inputs": ["out/bad"], "outputs": ["out/after"]},
        {"name": "beside", "run": "stages:join", "inputs": ["./source.txt"], "outputs": ["out/beside"]},
    )
    assert project.doit(status=2) == {"beside"}
    assert "!  bad" in project.output and "about to fail" not in project.output
    assert "   ValueError: it cannot be done (stages.py:16); see out/.state/bad.log\n" in project.output
    assert "again, alone: doit bad" in project.output
    log = project.read("out/.state/bad.log")
    assert log.startswith("ValueError: it cannot be done (stages.py:16)\n\nabout to fail\n") and "Traceback" in log
    assert "1 failed, 1 not run" in project.output
    assert set(outputs(project)) == {"beside"}
    project.write(
        "stages.py", project.read("stages.py").replace("def fail(", "def old_fail(").replace("def join(", "def fail(", 1)
    )
    project.write("stages.py", project.read("stages.py") + "\njoin = fail\n")
    assert project.doit() == {"bad", "after", "beside"}
    assert not (project.root / "out/.state/bad.log").exists()


def test_a_step_that_crashes(project: Project) -> None:
    """The log has the line of Python that it came from."""
    project.steps({"name": "bad", "run": "stages:crash", "inputs": ["./source.txt"], "outputs": ["out/bad"]})
    project.doit(status=1)
    assert "   it crashed with SIGABRT; see out/.state/bad.log\n" in project.output and "Fatal" not in project.output
    assert re.search(r'stages\.py", line \d+ in crash', project.read("out/.state/bad.log"))


def test_steps_side_by_side(project: Project) -> None:
    """Four pauses of half a second in two lanes: output is not mixed, and each line is whole."""
    rows = [
        {
            "name": f"s{i}",
            "run": "stages:join",
            "inputs": ["./source.txt"],
            "outputs": [f"out/{i}"],
            "options": {"pause": "0.5"},
        }
        for i in range(4)
    ]
    project.steps(*rows)
    assert project.doit("-n", "4") == {"s0", "s1", "s2", "s3"}
    events = json.loads(project.read("out/.state/trace.json"))["traceEvents"]
    assert {event["name"] for event in events} == {"s0", "s1", "s2", "s3"}
    assert len({event["tid"] for event in events}) > 1
    assert all(event["ph"] == "X" and event["dur"] > 0 for event in events)


def test_the_critical_path(project: Project) -> None:
    project.chain(3)
    project.doit()
    project.doit("critical")
    assert [line.split()[2] for line in project.output.splitlines()[:3]] == ["s0", "s1", "s2"]


def test_a_full_disk(project: Project) -> None:
    project.write("source.txt", "x" * 300_000)
    project.chain(1)

    def small_files() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    process = project.start(preexec_fn=small_files)
    said, _ = process.communicate()
    assert process.returncode != 0 and "out/0: File too large" in said and "Traceback" not in said
    assert outputs(project) == {}
    assert project.doit() == {"s0"}


def test_keep_and_unkeep(project: Project) -> None:
    project.chain(3)
    project.doit()
    project.write("out/1", "mine")
    project.doit("keep", "out/1")
    project.doit("plan")
    assert "held   s1" in project.output and "out/1 kept as edited" in project.output
    project.doit("list", "--status")
    assert [line.split()[0] for line in project.output.splitlines()] == ["U", "H", "R"]
    assert project.doit() == {"s2"} and project.read("out/2") == "<mine>"
    project.write("source.txt", "other")
    assert project.doit() == {"s0"} and project.read("out/1") == "mine", "held whatever happens before it"
    project.doit("unkeep", "out/1")
    assert project.doit() == {"s1", "s2"} and project.read("out/2") == "<<<other>>>"
    assert project.read("out/1.edited") == "mine"


def test_clean_ends_a_hold(project: Project) -> None:
    project.chain(2)
    project.doit()
    project.write("out/0", "mine")
    project.doit("keep", "out/0")
    project.doit("clean")
    assert project.doit() == {"s0", "s1"}
    project.write("source.txt", "other")
    assert project.doit() == {"s0", "s1"} and project.read("out/1") == "<<other>>", "what was held is gone"


def test_an_edit_before_a_step_begins_and_taken_back_after(project: Project) -> None:
    """The step ran on what was there for a moment: that must not pass for what is there now."""
    project.chain(2, pause="0.5")
    process = project.start("-n", "1")
    assert wait_for((project.root / "out/.state/s0.json").exists)
    time.sleep(0.02)
    project.write("helper.py", "def mark(text):\n    return f'[{text}]'\n")
    process.communicate()
    project.write("helper.py", "def mark(text):\n    return f'<{text}>'\n")
    project.doit()
    assert project.read("out/1") == "<<source>>"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("keep", "out/9"), "out/9: no task makes it"),
        (("keep", "out/0"), "out/0: it is not there; `doit s0` makes it"),
        (("keep",), "name a file: doit keep FILE..."),
        (("cache", "empty"), "cache empty: expected stats|clear"),
        (("critical",), "a run that builds something leaves it"),
    ],
)
def test_commands_refuse_in_a_sentence(project: Project, words: tuple[str, ...], sentence: str) -> None:
    project.chain(1)
    project.doit(*words, status=3)
    assert sentence in project.output and "Traceback" not in project.output


def test_a_terminal_sees_what_is_running(project: Project) -> None:
    """On a terminal a line tells what runs and for how long, and goes away; elsewhere there is none."""
    project.chain(2, pause="0.8")
    main, side = os.openpty()
    process = project.start()
    process.communicate()
    project.write("source.txt", "other")
    process = project.start(stdin=side, stdout=side, stderr=side)
    os.close(side)
    seen = b""
    while chunk := _read(main):
        seen += chunk
    assert process.wait() == 0
    assert b"[0/2] s0 " in seen and b"[1/2] s1 " in seen and b"\r\x1b[K" in seen
    project.write("source.txt", "another")
    assert project.doit() == {"s0", "s1"} and "\r" not in project.output and "[0/2]" not in project.output


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 4096)
    except OSError:  # the other side is closed
        return b""
