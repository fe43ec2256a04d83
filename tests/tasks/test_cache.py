"""What was built before comes from the cache, here and in other checkouts, and only when it is right."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest

from tasks.cache import FolderStore
from tests.projects import Project


def blobs(project: Project) -> list[Path]:
    return list(Path(project.environment["XDG_CACHE_HOME"], "sluice", "cas").glob("*/*"))


def test_a_reverted_edit_is_a_hit(cached_project: Project) -> None:
    project = cached_project
    project.chain(2)
    assert project.doit() == {"s0", "s1"}
    project.write("source.txt", "other")
    assert project.doit() == {"s0", "s1"}
    project.write("source.txt", "source")
    assert project.doit() == set() and project.cached == {"s0", "s1"}
    assert project.read("out/1") == "<<source>>" and "from the cache: ./source.txt changed" in project.output
    assert project.doit() == set() and not project.cached


def test_reverted_code_is_a_hit_and_other_code_is_not(cached_project: Project) -> None:
    project = cached_project
    project.chain(1)
    project.doit()
    before = project.read("helper.py")
    project.write("helper.py", before.replace("<", "["))
    assert project.doit() == {"s0"} and project.read("out/0") == "[source>"
    project.write("helper.py", before)
    assert project.doit() == set() and project.cached == {"s0"} and project.read("out/0") == "<source>"


def test_a_second_checkout_is_a_hit(cached_project: Project, tmp_path: Path) -> None:
    cached_project.chain(2)
    cached_project.doit()
    (tmp_path / "there").mkdir()
    other = Project(tmp_path / "there", cached_project.environment)
    other.chain(2)
    assert other.doit() == set() and other.cached == {"s0", "s1"} and other.read("out/1") == "<<source>>"


@pytest.mark.parametrize("damage", [b"", b"<sourcE>"], ids=["truncated", "changed"])
def test_a_corrupted_entry_is_a_miss(cached_project: Project, damage: bytes) -> None:
    project = cached_project
    project.chain(1)
    project.doit()
    for blob in blobs(project):
        blob.write_bytes(damage)
    shutil.rmtree(project.root / "out")
    assert project.doit() == {"s0"} and project.read("out/0") == "<source>"
    shutil.rmtree(project.root / "out")
    assert project.doit() == set() and project.cached == {"s0"}, "the damaged blob was replaced"


def test_damaged_entries_are_misses(cached_project: Project) -> None:
    project = cached_project
    project.chain(1)
    project.doit()
    for entry in Path(project.environment["XDG_CACHE_HOME"], "sluice", "ac").glob("*/*"):
        entry.write_text('[{"run": 1}]')
    shutil.rmtree(project.root / "out")
    assert project.doit() == {"s0"}


def test_an_executable_stays_executable(cached_project: Project) -> None:
    project = cached_project
    project.write(
        "stages.py",
        project.read("stages.py") + "\ndef tool(inputs, outputs):\n    join(inputs, outputs)\n    outputs[0].chmod(0o755)\n",
    )
    project.steps({"name": "s0", "run": "stages:tool", "inputs": ["./source.txt"], "outputs": ["out/0"]})
    project.doit()
    shutil.rmtree(project.root / "out")
    assert project.doit() == set() and project.cached == {"s0"}
    assert os.access(project.root / "out/0", os.X_OK)


def test_off(project: Project) -> None:
    project.environment["XDG_CACHE_HOME"] = str(project.root / "cache")
    project.chain(1)
    project.doit()
    assert not (project.root / "cache").exists()


def test_stats_and_clear(cached_project: Project) -> None:
    cached_project.chain(2)
    cached_project.doit()
    cached_project.doit("cache", "stats")
    assert "4 files" in cached_project.output and "of 4096 MiB" in cached_project.output
    cached_project.doit("cache", "clear")
    cached_project.doit("cache", "stats")
    assert "0 files, 0.0 of" in cached_project.output


def test_what_was_used_longest_ago_goes_first(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "store", limit=2500)
    for age, name in enumerate(("aa", "bb", "cc")):
        source = tmp_path / name
        source.write_bytes(name.encode() * 500)
        digest = __import__("hashlib").sha256(source.read_bytes()).hexdigest()
        store.put_blob(digest, source)
        os.utime(store._path("cas", digest), (age, age))
    first = __import__("hashlib").sha256(b"aa" * 500).hexdigest()
    assert store.blob(first, tmp_path / "taken"), "taking it makes it young again"
    store.trim()
    left = {path.read_bytes()[:2] for path in store.files()}
    assert left == {b"aa", b"cc"}


def test_a_run_trims(cached_project: Project) -> None:
    project = cached_project
    project.environment["SLUICE_CACHE_SIZE"] = "1"
    project.write("source.txt", "x" * 700_000)
    project.chain(3)
    project.doit()
    assert sum(blob.stat().st_size for blob in blobs(project)) <= 1 << 20


def test_an_edit_between_looking_and_running_is_not_cached_under_the_old_name(cached_project: Project) -> None:
    """The step waits for its turn while its input and its code change: what it makes is filed under what it read."""
    project = cached_project
    project.chain(2, pause="0.6")
    first = project.start("s0")
    time.sleep(0.4)
    second = project.start()  # waits for the first, having looked at source.txt
    time.sleep(0.3)
    project.write("source.txt", "other")
    first.communicate()
    second.communicate()
    project.doit()
    assert project.read("out/1") == "<<other>>"
    project.write("source.txt", "source")
    project.doit()
    assert project.read("out/1") == "<<source>>"
