"""The README's transcript is what the command prints, up to the figures and the order of independent tasks."""

import re
import subprocess
import sys
from pathlib import Path

from tasks.benchmarks import report, table

ROOT = Path(__file__).parent.parent


def shape(text: str) -> list[str]:
    """Lines with every number and the spaces around it replaced by #, in an order that does not depend on scheduling."""
    return sorted(re.sub(r"\s*\d+(\.\d+)?(e[+-]\d+)?", " #", line).rstrip() for line in text.strip().splitlines())


def test_transcript(tmp_path: Path) -> None:
    block = re.search(r"\$ \./doitw run\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert block
    done = subprocess.run(
        [sys.executable, "-m", "doit", f"build={tmp_path}", "run"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert shape(block[1]) == shape(done.stdout)


def test_transcript_of_benchmarks() -> None:
    """Its figures are of one run; what stands around them is what the command says."""
    block = re.search(r"\$ doit benchmarks (.*?)\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert block
    lines = [" ".join(line.split()) for line in block[2].splitlines()]
    names = [word for word in block[1].split() if "=" not in word]
    assert " ".join(report.HEADS) in lines and any(line.endswith(report.LEGEND) for line in lines)
    rows = [line.split() for line in lines if "✓" in line]
    assert [row[0] for row in rows] == [benchmark.name for benchmark in table.chosen(names)]
    assert all(row.count("✓") == 5 for row in rows) and f"{len(rows)} passed, 0 failed, 0 skipped" in block[2]


def test_every_group_in_the_readme_is_a_task() -> None:
    listed = subprocess.run([sys.executable, "-m", "doit", "list", "-q"], cwd=ROOT, capture_output=True, text=True, check=True)
    tasks = set(listed.stdout.split())
    named = set(re.findall(r"^\| `(\w+)`", (ROOT / "README.md").read_text(), re.MULTILINE)) | {"test", "lint"}
    assert named == tasks
