"""Numbers against numbers, memory that is poisoned, and every stage of a build against PyTorch, with artifacts made wrong."""

from __future__ import annotations

import json
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from passes import targets
from passes.mlir import ir
from runner.checking import cases, code, probe
from runner.checking.compare import compare

ROOT = Path(__file__).parents[2]
SMALL = ["hidden_size=64", "intermediate_size=96", "num_heads=4", "num_kv_heads=2", "head_dim=16", "seq_len=8"]
NAN, INF = float("nan"), float("inf")
STAGES = ["frontend", "nodes", "midend", "backend", "LLVM IR", "objects", "transformer-runner-staged", "transformer-runner"]


@pytest.mark.parametrize(
    ("actual", "expected", "nan", "error", "fault"),
    [
        ([1.0, 2, 4], [1.0, 3, 4], False, 0.25, ""),
        ([0.5, 0], [0.0, 0], False, 0.5, ""),
        ([INF, 1], [INF, 1], False, 0, ""),
        ([1, INF], [1, -INF], False, INF, "infinite where it should not be"),
        ([1.0, 2], [1, INF], False, INF, "finite where it should not be"),
        ([1, NAN], [1, NAN], False, INF, "not a number where it should not be"),
        ([1, NAN], [1, NAN], True, 0, ""),
        ([1, NAN], [1, 2.0], True, INF, "not a number where it should not be"),
        ([1.0, 2], [1, NAN], True, INF, "finite where it should not be"),
        ([], [], False, 0, ""),
        ([1 + 1j, 4], [1 + 2j, 4], False, 0.25, ""),
        ([1, 2, 3, 4], [1, 2, 3, 5], False, 0.25, ""),
        ([True, False], [True, True], False, 0.5, ""),
    ],
)
def test_compare(actual: list, expected: list, nan: bool, error: float, fault: str) -> None:
    found = compare(np.array(actual), np.array(expected, np.array(actual).dtype), nan)
    assert (found.error, found.fault) == (error, fault)
    assert found.within(max(error, 0)) == (not fault)
    assert error in (0, INF) or not found.within(error * 0.99)


def test_the_largest_error_is_found_where_it_is() -> None:
    expected = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    actual = expected.copy()
    actual[1, 0, 2] += 1
    actual[0, 2, 3] -= 5
    found = compare(actual, expected)
    assert (found.index, found.actual, found.expected) == ((0, 2, 3), "6", "11")
    assert found.error == pytest.approx(5 / 23)


HALF_WRITTEN = """
func.func @half(%x: memref<4xf32>, %y: memref<8xf32>) {{
  %fresh = memref.{kind}() : memref<8xf32>
  %part = memref.subview %fresh[0] [4] [1] : memref<8xf32> to memref<4xf32, strided<[1]>>
  memref.copy %x, %part : memref<4xf32> to memref<4xf32, strided<[1]>>
  memref.copy %fresh, %y : memref<8xf32> to memref<8xf32>
  return
}}
"""


def called(text: str, takes: list[np.ndarray], folder: Path, name: str) -> None:
    """A function of a file of MLIR, by the plain lowering, on these arrays."""
    from runner.jit import call

    (folder / "x.mlir").write_text(text)
    entries, _ = code.load([folder / "x.mlir"], {name: len(takes)}, targets.native(), folder)
    call(entries[name], takes)


@pytest.mark.parametrize("kind", ["alloc", "alloca"])
def test_fresh_memory_is_not_a_number(kind: str, tmp_path: Path) -> None:
    x, y = np.arange(4, dtype=np.float32), np.zeros(8, np.float32)
    called(HALF_WRITTEN.format(kind=kind), [x, y], tmp_path, "half")
    np.testing.assert_array_equal(y, [0, 1, 2, 3, NAN, NAN, NAN, NAN])


def test_memory_of_object_files_is_poisoned_too(tmp_path: Path) -> None:
    from runner.objects import to_object

    text = """
declare ptr @malloc(i64)
define void @_mlir_ciface_f(ptr %result) {
  %memory = call ptr @malloc(i64 4)
  %value = load float, ptr %memory
  %slot = getelementptr ptr, ptr %result, i64 1
  %data = load ptr, ptr %slot
  store float %value, ptr %data
  ret void
}
"""
    (tmp_path / "f.o").write_bytes(to_object(text, "f.ll", targets.native(), 0))
    from runner.jit import call

    y = np.zeros(1, np.float32)
    entries, _ = code.load([tmp_path / "f.o"], {"f": 1}, targets.native(), tmp_path)
    call(entries["f"], [y])
    assert np.isnan(y).all()


def test_drawn_numbers_are_the_same_each_time() -> None:
    case = cases.Case("f", tuple(cases.Tensor(d, d, (64,)) for d in ("f32", "bf16", "f64", "i32", "i1", "c64", "i8")), ())
    first, second = cases.numbers(case), cases.numbers(case)
    assert all(a.tobytes() == b.tobytes() and len(set(a.tolist())) > 1 for a, b in zip(first, second, strict=True))
    assert set(first[3].tolist()) == {0, 1} == set(first[4].tolist())
    assert first[6].min() < 0 < first[6].max(), "a weight's sign counts"
    assert abs(cases.decoded(first[1], "bf16").std() - 1) < 0.4


# ---- a whole build


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The block at small sizes, verified: every stage of it is right."""
    root = tmp_path_factory.mktemp("build")
    command = [sys.executable, "-m", "doit", f"build={root}", *SMALL, "verify"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (folder,) = [path for path in root.iterdir() if path.is_dir()]
    return folder


@pytest.fixture
def folder(built: Path, tmp_path: Path) -> Path:
    """A copy of the build, for a test to damage."""
    return Path(shutil.copytree(built, tmp_path / "copy"))


def verify(folder: Path, *words: str) -> tuple[dict, str]:
    """What is verified of a folder, as JSON and as printed."""
    runners = [str(folder / name) for name in STAGES[-2:]]
    command = [sys.executable, "-m", "runner.checking", str(folder), *runners, "--json", str(folder / "verify.json"), *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    rows = json.loads((folder / "verify.json").read_text())
    assert done.returncode == int(any(row["verdict"] != "right" for row in rows.values())), done.stderr
    assert list(rows) == STAGES
    return rows, done.stdout


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def not_right(rows: dict) -> dict[str, str]:
    return {stage: row["verdict"] for stage, row in rows.items() if row["verdict"] != "right"}


def test_every_stage_of_a_build_is_right(built: Path) -> None:
    rows = json.loads((built / "verify.json").read_text())
    assert list(rows) == STAGES and not not_right(rows)
    assert all(0 < row["max_rel_err"] < 1e-5 for row in rows.values())
    assert rows["transformer-runner"]["model"] == "deepseek_r1_block"


def test_every_node_has_a_value(built: Path) -> None:
    """As many as the graph that is lowered has, but for products that were merged: they are in no graph of PyTorch's."""
    lowered = [line.split() for line in (built / "graph.log").read_text().splitlines()[1:]]
    nodes = {words[0] for words in lowered if words[1:] and words[1].startswith(("aten.", "sluice."))}
    known = {name.lstrip("%").partition("#")[0] for name in json.loads((built / "places.json").read_text())}
    assert len(known) > 50 and known <= nodes
    assert all("_and_" in name for name in nodes - known), nodes - known


def test_a_wrong_node_is_told_with_its_line(folder: Path) -> None:
    """An artifact of the frontend, edited by hand: the nodes after the wrong one are wrong as well, the first is told."""
    edit(folder / "subgraph0.mlir", "tosa.rsqrt", "tosa.exp")
    rows, said = verify(folder)
    assert not_right(rows) == {"frontend": "wrong", "nodes": "wrong"}
    assert (rows["nodes"]["node"], rows["nodes"]["source"]) == ("rsqrt", "model/deepseek_r1_block.py:54")
    row = next(line for line in said.splitlines() if line.startswith("nodes"))
    assert "rsqrt at model/deepseek_r1_block.py:54" in row and row.rstrip().endswith("wrong")


def test_what_does_not_parse_is_told_and_the_others_go_on(folder: Path) -> None:
    (folder / "subgraph0-midend.mlir").write_text("this is no MLIR\n")
    rows, said = verify(folder)
    assert not_right(rows) == {"midend": "cannot be run"}
    (sentence,) = [line for line in said.splitlines() if line.startswith("midend: ")]
    assert "subgraph0-midend.mlir is not valid MLIR" in sentence and "Traceback" not in said


@pytest.mark.parametrize(
    ("calls", "fate"), [("abort", "crashes with SIGABRT"), ("pause", "ran out of time: it does not end within 5 s")]
)
def test_what_crashes_or_hangs_is_told_and_the_others_go_on(calls: str, fate: str, folder: Path) -> None:
    path = folder / "forward.ll"
    edit(path, "ret void", f"call void @{calls}()\n  ret void")
    path.write_text(path.read_text() + f"\ndeclare void @{calls}()\n")
    rows, said = verify(folder, "--timeout", "5" if calls == "pause" else "60")
    assert not_right(rows) == {"LLVM IR": "out of time" if calls == "pause" else "cannot be run"}
    assert f"LLVM IR: forward.ll, subgraph0.ll: {fate}" in said.splitlines()


def test_an_object_file_that_is_none(folder: Path) -> None:
    (folder / "subgraph0.o").write_bytes(b"nothing")
    rows, said = verify(folder)
    assert not_right(rows) == {"objects": "cannot be run"}
    assert any(line.startswith("objects: forward.o, subgraph0.o: ") for line in said.splitlines())


def program(path: Path, answer: str) -> None:
    """Stands for an executable: `--data D --warmup 0 --iterations 1 --json J --output O`."""
    path.write_text(f'#!/bin/sh\nprintf \'{{"max_rel_err": 0}}\' >"$8"\n{answer} >"${{10}}"\n')
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def test_executables_give_the_same_bits(folder: Path) -> None:
    """One that is right within the tolerance, and differs from the other in its last bits."""
    answer = np.fromfile(folder / "expected.data", np.float32)
    answer[5] = np.nextafter(answer[5], np.float32(9))
    answer.tofile(folder / "near.data")
    program(folder / "transformer-runner-staged", 'cat "$2/expected.data"')
    program(folder / "transformer-runner", 'cat "$2/near.data"')
    rows, said = verify(folder)
    assert not_right(rows) == {"transformer-runner": "wrong"}
    assert "transformer-runner: transformer-runner: gives other bits than transformer-runner-staged" in said
    assert "the same bits" not in said


@pytest.mark.parametrize("value", [NAN, 1e-3])
def test_a_single_element_counts(value: float, folder: Path) -> None:
    answer = np.fromfile(folder / "expected.data", np.float32)
    answer[70] += value
    answer.tofile(folder / "near.data")
    program(folder / "transformer-runner", 'cat "$2/near.data"')
    rows, _ = verify(folder)
    row = rows["transformer-runner"]
    assert (row["verdict"], row["where"]) == ("wrong", "output0[0, 1, 6]")
    assert bool(row["fault"]) == np.isnan(value)


def test_an_executable_that_fails_speaks_for_itself(folder: Path) -> None:
    program(folder / "transformer-runner", "echo 'it is wrong' >&2; exit 3; cat /dev/null")
    rows, said = verify(folder)
    assert not_right(rows) == {"transformer-runner": "cannot be run"}
    assert "transformer-runner: transformer-runner: exit status 3: it is wrong" in said.splitlines()


def test_an_edited_artifact_of_another_shape(folder: Path) -> None:
    """Code that takes what the case does not give would read what is not there."""
    edit(folder / "cases.json", '"function": "forward"', '"function": "backward"')
    verdict = probe.probe([folder / "forward.mlir", folder / "subgraph0.mlir"], folder / "cases.json", "forward", "native")
    assert "holds no case of 'forward'" in verdict.said
    verdict = probe.probe([folder / "forward.mlir", folder / "subgraph0.mlir"], folder / "cases.json", "backward", "native")
    assert "no function 'backward' with a C interface" in verdict.said


def test_values_from_inside_a_function() -> None:
    from passes.expose import expose

    text = """
func.func @f(%x: tensor<4xf32>) -> tensor<4xf32> {
  %a = math.exp %x : tensor<4xf32> loc("a"("m.py":1:0))
  %b = math.exp %a : tensor<4xf32> loc("b"("m.py":2:0))
  %c = math.exp %b : tensor<4xf32> loc("b"("m.py":2:0))
  return %c : tensor<4xf32>
}
"""
    module = ir.Module.parse(text, ir.Context())
    assert expose(module, "f", [("b", 0, 0), ("gone", 0, 0), ("a", 0, 0), ("b", 2, 0)]) == [True, False, True, False]
    assert module.operation.verify()
    (function,) = module.body.operations
    assert len(function.type.results) == 3
