"""`doit tune`, and what its table makes run again."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from passes import targets, tilings

ROOT = Path(__file__).parents[2]
NAME = "mk,akn->man f32,f32->f32 a=8 k=64 m=32 n=32"
ROW = {"rows": 4, "unroll": 2, "block": 1 << 18, "panels": 1, "chunks": 12, "ratio": 0.9}


class Bench:
    """A small model whose first product is worth tuning, and a folder of tables."""

    def __init__(self, root: Path) -> None:
        self.environment = {**os.environ, "SLUICE_TUNED": str(root / "tuned")}
        self.words = [f"build={root}", "model=mlp", "batch=32", "features=64", "hidden=256"]
        (root / "tuned").mkdir()
        self.table = root / "tuned" / tilings.path(targets.native()).name

    def doit(self, *words: str, status: int = 0) -> str:
        command = [sys.executable, "-m", "doit", *self.words, *words]
        done = subprocess.run(command, cwd=ROOT, env=self.environment, capture_output=True, text=True, check=False)
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout + done.stderr

    def planned(self) -> dict[str, str]:
        """Why each step would run, of those that surely would."""
        lines = self.doit("plan", "frontend", "codegen").splitlines()
        return {line.split()[1]: " ".join(line.split()[2:]) for line in lines if line.startswith("run  ")}


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    bench = Bench(tmp_path_factory.mktemp("tune"))
    bench.doit("frontend", "codegen")
    return bench


@pytest.fixture(autouse=True)
def no_table(bench: Bench) -> None:
    bench.table.unlink(missing_ok=True)


def test_a_small_search_leaves_a_table(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    said = bench.doit("tune", "search=unroll", "iterations=2", "threads=1")
    assert NAME in said
    monkeypatch.setenv("SLUICE_TUNED", bench.environment["SLUICE_TUNED"])
    assert set(tilings.rows(targets.native())) <= {NAME}


def test_the_table_is_a_file_that_the_midend_reads(bench: Bench) -> None:
    """Its rows change what the midend makes; nothing before the midend looks at it."""
    assert bench.planned() == {}
    bench.table.write_text(tilings.written({NAME: ROW}))
    assert bench.planned() == {"midend:subgraph0": f"{bench.table} appeared"}
    ran = bench.doit("codegen")
    assert "codegen:subgraph0.o" in ran and "forward" not in ran
    bench.table.write_text(tilings.written({NAME: {**ROW, "rows": 5}}))
    assert bench.planned() == {"midend:subgraph0": f"{bench.table} changed"}
    bench.table.unlink()
    assert bench.planned() == {"midend:subgraph0": f"{bench.table} is gone"}
    bench.doit("codegen")
    assert bench.planned() == {}


def test_a_broken_table_is_one_sentence(bench: Bench) -> None:
    bench.table.write_text('{"x": 3}')
    said = bench.doit("midend", status=2)
    expected = f"{bench.table}: 'x': expected rows, unroll, block, panels, chunks and ratio; correct it, or delete the file"
    assert expected in said and "Traceback" not in said
    bench.table.unlink()
    bench.doit("codegen")


def test_words(bench: Bench) -> None:
    assert "search=rows,size: expected some of rows,unroll,block,panels,chunks" in bench.doit(
        "search=rows,size", "list", status=3
    )
