"""`doit profile` on small models, and how what the timers saw becomes rows, warnings and pictures."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from itertools import takewhile
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from frontend.graph import Graph, Input, Node, Ref, Source, TensorType
from tasks.profile import flame, report
from tasks.profile.events import Call, Share, Stretch, waiting
from tasks.profile.figures import warnings
from tasks.profile.rows import add_times, rows_of

ROOT = Path(__file__).parents[2]
BLOCK = ["hidden_size=128", "intermediate_size=512", "num_heads=4", "num_kv_heads=2", "head_dim=32", "seq_len=8"]
MODELS = {
    "mlp": (["model=mlp", "batch=64"], 1, 4),
    "block": (["model=deepseek_r1_block", *BLOCK], 2, 7),
    "block in bf16": (["model=deepseek_r1_block", "dtype=bf16", *BLOCK], 2, 3),
    "convolutions": (["model=resnet18", "image_size=32", "width=8", "classes=10"], 2, 3),
}
EVENT = {"name", "ph", "pid", "tid", "ts", "dur", "args"}
ROUNDING = 1e-3  # microseconds


def doit(root: Path, *words: str, status: int = 0) -> str:
    command = [sys.executable, "-m", "doit", f"build={root}", *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    output = done.stdout + done.stderr
    assert done.returncode == status and "Traceback" not in output, output
    return output


class Profile:
    """One run: what it printed and left."""

    def __init__(self, root: Path, words: Sequence[str], threads: int, iterations: int) -> None:
        self.root, self.threads, self.iterations = root, threads, iterations
        self.words = [*words, f"threads={threads}", f"iterations={iterations}", "profile"]
        self.output = doit(root, *self.words)
        (self.folder,) = (path.parent for path in root.rglob("profile.json"))
        self.figures: dict[str, Any] = json.loads((self.folder / "profile.json").read_text())
        self.trace: list[dict[str, Any]] = json.loads((self.folder / "profile-trace.json").read_text())["traceEvents"]

    @property
    def nodes(self) -> list[str]:
        """The nodes of graph.log."""
        rows = [line.split() for line in (self.folder / "graph.log").read_text().splitlines()[2:]]
        return [row[0] for row in rows if row[0] != "returns" and row[1] not in ("parameter", "input")]

    def lane(self, thread: int) -> list[dict[str, Any]]:
        """A thread's events, those that hold others before these."""
        events = [e for e in self.trace if e["ph"] == "X" and e["tid"] == thread]
        return sorted(events, key=lambda e: (e["ts"], -e["dur"]))


@pytest.fixture(scope="module", params=MODELS)
def profile(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Profile:
    return Profile(tmp_path_factory.mktemp("profile"), *MODELS[request.param])


# ---- runs


def test_every_node_is_accounted_for_once(profile: Profile) -> None:
    rows = profile.figures["rows"]
    accounted = Counter(node for row in rows for node in row["nodes"]) + Counter(profile.figures["no_code"])
    assert accounted == Counter(profile.nodes)
    assert sum(bool(row["nodes"]) for row in rows) > 2


def test_the_table_has_every_row(profile: Profile) -> None:
    """Names that are too long for their column go on below."""
    _, _, table = profile.output.partition(" operator ")
    head, _, *lines = table.splitlines()
    width = len(" operator ") + head.index("source")
    named: list[str] = []
    for line in takewhile(str.strip, lines):
        named += [line[:width].strip()] if line[width:].strip() else []
        named[-1] += "" if line[width:].strip() else f" {line[:width].strip()}"
    *operators, waits, elsewhere = named
    assert (waits, elsewhere) == ("waiting", "elsewhere")
    assert Counter(operators) == Counter(row["operator"] for row in profile.figures["rows"])


def test_calls_and_times(profile: Profile) -> None:
    found = profile.figures
    assert found["calls"] == profile.iterations and found["threads"] == profile.threads
    for row in found["rows"]:
        assert row["calls"] == profile.iterations
        assert row["min_ms"] <= row["avg_ms"] <= row["max_ms"] <= found["whole"]["max_ms"]
    parts = sum(row["share"] for row in found["rows"]) + found["waiting"]["share"] + found["elsewhere"]["share"]
    assert parts == pytest.approx(1)
    assert found["elsewhere"]["min_ms"] >= 0 and 0 < found["parts_of_whole"] <= 1


def test_lines_and_work(profile: Profile) -> None:
    rows = profile.figures["rows"]
    assert all(re.search(r":\d+$", row["source"]) for row in rows if row["nodes"])
    header = (profile.folder / "signature.h").read_text()
    flops = re.search(r"flops = (\d+)", header)
    assert flops and sum(row["flops"] for row in rows) == int(flops[1]) > 0
    assert all(row["bytes"] > 0 for row in rows if row["nodes"])


def test_the_trace_is_nested_in_lanes(profile: Profile) -> None:
    lanes = {e["tid"] for e in profile.trace if e["ph"] == "M" and e["name"] == "thread_name"}
    assert lanes == set(range(profile.threads)) == {e["tid"] for e in profile.trace}
    for thread in lanes:
        open_until: list[float] = []
        for event in profile.lane(thread):
            assert set(event) == EVENT and event["dur"] >= 0
            while open_until and event["ts"] >= open_until[-1] - ROUNDING:
                open_until.pop()
            end = event["ts"] + event["dur"]
            assert not open_until or end <= open_until[-1] + ROUNDING, event
            open_until.append(end)


def test_the_parts_do_not_exceed_the_whole(profile: Profile) -> None:
    """On every thread, in every call: what is directly within a call, one thing after the other."""
    calls = [e for e in profile.lane(0) if e["name"] == "forward"]
    assert len(calls) == profile.iterations
    labels = {row["operator"] for row in profile.figures["rows"]}
    for thread in range(profile.threads):
        for call in calls:
            end = call["ts"] + call["dur"]
            inside = [e for e in profile.lane(thread) if e is not call and call["ts"] <= e["ts"] and e["ts"] <= end]
            parts = [e for e in inside if e["name"] in labels or thread > 0]
            assert {e["name"] for e in inside} <= labels | {"waiting"}
            assert 0 < sum(e["dur"] for e in parts) <= call["dur"] + ROUNDING * len(parts)


def test_the_flame_graph(profile: Profile) -> None:
    """The model's function on top, then lines, then operators."""
    root = ElementTree.parse(profile.folder / "profile.svg").getroot()
    frames = root.findall("{http://www.w3.org/2000/svg}g")
    labels = [frame.attrib["data-label"] for frame in frames]
    assert labels[0] == "forward" and {row["operator"] for row in profile.figures["rows"]} <= set(labels)
    assert all(0 <= float(f.attrib["data-begin"]) + float(f.attrib["data-width"]) <= 1.00001 for f in frames)


def test_threads_wait(profile: Profile) -> None:
    waits = [e for thread in range(profile.threads) for e in profile.lane(thread) if e["name"] == "waiting"]
    shared = profile.threads > 1 and "omp.parallel" in (profile.folder / "subgraph0-midend.mlir").read_text()
    assert bool(waits) == shared
    assert (profile.figures["waiting"]["max_ms"] > 0) == shared


# ---- as tasks


@pytest.fixture(scope="module")
def mlp(tmp_path_factory: pytest.TempPathFactory) -> Profile:
    return Profile(tmp_path_factory.mktemp("mlp"), ["model=mlp"], 2, 2)


def test_only_the_run_is_made_again(mlp: Profile) -> None:
    ran = {line.split()[1] for line in doit(mlp.root, *mlp.words).splitlines() if line.startswith(".  ")}
    assert ran == {"profile:run"}


def test_what_is_timed_is_the_midends_module(mlp: Profile) -> None:
    """An edit that is kept there is in the profile, too."""
    midend = mlp.folder / "subgraph0-midend.mlir"
    text = midend.read_text()
    midend.write_text(text.replace('"tanh"', '"tanh_edited"'))
    doit(mlp.root, "model=mlp", "keep", str(midend))
    try:
        doit(mlp.root, *mlp.words)
        regions = json.loads((mlp.folder / "subgraph0-profile.json").read_text())
    finally:
        doit(mlp.root, "model=mlp", "unkeep", str(midend))
    assert "tanh_edited" in {region["name"] for region in regions} and '"tanh"' in text


def test_wrong_answers_are_found(mlp: Profile) -> None:
    """With the executable that has timers: no figures are left of it."""
    expected = mlp.folder / "expected.data"
    right = expected.read_bytes()
    command = [str(mlp.folder / "mlp-runner-profile"), "--serve", "--events", str(mlp.folder / "events")]
    expected.write_bytes(bytes(len(right)))
    doit(mlp.root, "model=mlp", "keep", str(expected))
    try:
        alone = subprocess.run(command, input="1\n", capture_output=True, text=True, check=False)
        output = doit(mlp.root, *mlp.words, status=2)
        assert not (mlp.folder / "profile.json").exists()
    finally:
        doit(mlp.root, "model=mlp", "unkeep", str(expected))
        expected.write_bytes(right)
    assert alone.returncode == 1 and re.fullmatch(
        r"Wrong answer: the relative error .* is over the tolerance .*\.\n", alone.stderr
    )
    assert re.search(r"mlp-runner-\w+: Wrong answer: the relative error", output)


def test_an_executable_without_timers_has_no_events(mlp: Profile) -> None:
    command = [str(mlp.folder / "mlp-runner-staged"), "--serve", "--events", str(mlp.folder / "no-events")]
    done = subprocess.run(command, input="", capture_output=True, text=True, check=False)
    assert done.returncode == 2 and not (mlp.folder / "no-events").exists()
    assert done.stderr == "--events goes with --serve, in an executable with timers: `doit profile` builds one\n"


def test_who_asks_takes_a_halted_executable_along(mlp: Profile) -> None:
    program = """
import os, signal, subprocess, sys
served = subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True)
served.stdin.write("1\\n")
served.stdin.flush()
served.stdout.readline()
os.kill(served.pid, signal.SIGSTOP)
print(served.pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
    command = [sys.executable, "-c", program, str(mlp.folder / "mlp-runner-profile"), "--serve"]
    asked = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    assert asked.returncode == -9
    status = Path("/proc", asked.stdout.strip(), "status")
    for _ in range(100):
        if not status.exists() or "State:\tZ" in status.read_text():
            return
        time.sleep(0.1)
    pytest.fail(f"{status} is still there")


@pytest.mark.parametrize(
    ("words", "status", "sentence"),
    [
        (["iteration=3"], 3, "iteration=: nothing takes it; did you mean 'iterations'?"),
        (["iterations=0"], 3, "iterations=0: expected a whole number from 1"),
        (["seq_len=40000"], 2, "seq_len=40000: this model takes 1 to 32768 tokens"),
        (["model=mpl"], 3, "no model 'mpl'; did you mean 'mlp'?"),
    ],
)
def test_what_cannot_be_profiled(tmp_path: Path, words: list[str], status: int, sentence: str) -> None:
    assert sentence in doit(tmp_path, *words, "profile", status=status)


# ---- rows


def node(name: str, *args: str, op: str = "aten.add.Tensor", shape: tuple[int, ...] = (4, 4)) -> Node:
    refs = {("self", "mat2")[place]: Ref(arg) for place, arg in enumerate(args)}
    return Node(name, op, refs, (TensorType(shape, "f32"),), Source("model/x.py", 3, "forward"))


GRAPH = Graph(
    "forward",
    inputs=[Input("x", TensorType((4, 4), "f32"))],
    nodes=[
        node("exp", "x", op="aten.exp.default"),
        node("view", "exp", op="aten.view.default", shape=(4, 4)),
        node("mm", "view", "x", op="aten.mm.default"),
        node("add", "mm"),
        node("neg", "exp", op="aten.neg.default"),
    ],
    outputs=[Ref("add"), Ref("neg")],
)
REGIONS: list[dict[str, object]] = [
    {"name": "exp", "nodes": {"exp": 5}},
    {"name": "add", "nodes": {"exp": 9, "mm": 20, "add": 1}},
    {"name": "neg", "nodes": {"neg": 2}},
    {"name": "exp", "nodes": {"exp": 1, "neg": 7}},
    {"name": "subgraph0", "nodes": {"subgraph0": 4}},
    {"name": "", "nodes": {}},
    {"name": "memory given back", "nodes": {}},
]


def test_a_node_belongs_to_the_row_of_its_name() -> None:
    """Not to that with most of its code; and regions of one name are one row."""
    rows = rows_of(GRAPH, REGIONS)
    labels = [row.label for row in rows.rows]
    assert labels == ["exp", "mm + add", "neg", "results copied", "of no known node", "memory given back"]
    assert [row.label for row in rows.of_region] == [*labels[:3], "exp", *labels[3:]]
    assert [n.name for n in rows.no_code] == ["view"]


def test_a_row_reads_what_comes_from_outside_and_writes_what_goes_there() -> None:
    exp, product, *_ = rows_of(GRAPH, REGIONS).rows
    tile = 16 * 4
    assert (exp.work.flops, exp.work.bytes) == (0, 2 * tile)
    assert (product.work.flops, product.work.bytes) == (2 * 4**3, 3 * tile)  # the view is read as what it is a view of


def test_what_only_fills_memory_belongs_to_the_code_that_uses_it() -> None:
    """Unless there is no other code of its node."""
    regions: list[dict[str, object]] = [
        {"name": "exp", "nodes": {}},
        {"name": "mm", "nodes": {"mm": 9, "exp": 1}},
        {"name": "neg", "nodes": {}},
    ]
    rows = rows_of(GRAPH, regions)
    assert [row.label for row in rows.rows] == ["mm + exp", "neg"]
    assert [row.name for row in rows.of_region] == ["mm", "mm", "neg"]


def test_a_region_of_no_known_name_is_named_after_most_of_it() -> None:
    (row,) = rows_of(GRAPH, [{"name": "loop", "nodes": {"exp": 1, "neg": 3}}]).rows
    assert [n.name for n in row.nodes] == ["neg", "exp"]


def test_waiting_is_what_the_threads_do_not_work() -> None:
    team = [Share(0, 1, 100, 180, 200), Share(1, 1, 120, 200, 200)]
    assert waiting(team) == 20
    call = Call(0, 1000, [Stretch(0, 10, 90), Stretch(1, 90, 210), Stretch(3, 210, 250)], team)
    rows = rows_of(GRAPH, REGIONS)
    add_times(rows, [call])
    assert [row.ms for row in rows.rows[:3]] == [[pytest.approx(120e-6)], [pytest.approx(100e-6)], [0]]
    assert [row.waiting_ms for row in rows.rows[:2]] == [[0], [pytest.approx(20e-6)]]


def test_threads_that_go_parallel_again_are_another_team() -> None:
    shares = [Share(thread, 1, begin, begin + 5, begin + 9) for begin in (0, 10) for thread in (0, 1)]
    shares.append(Share(0, 2, 30, 35, 39))
    assert [[share.begin for share in team] for team in Call(0, 50, [], shares).teams()] == [[0, 0], [10, 10], [30]]


# ---- what is said


SHORT = "a call takes 1.00 µs: too short to be cut into parts by a clock"


def doubts(share: float, low: float | None, parts: float, plain_ms: float = 5.0) -> list[str]:
    return warnings({"cost": {"share": share, "low": low, "high": None}, "parts_of_whole": parts, "plain_ms": plain_ms})


@pytest.mark.parametrize(
    ("share", "low", "parts", "plain_ms", "sentences"),
    [
        (0.019, 0.01, 0.951, 5.0, []),
        (0.031, 0.01, 1.0, 5.0, ["the timers cost 3.1 % of a run, 2 % are allowed"]),
        (0.031, -0.01, 1.0, 5.0, ["the timers cost 3.1 % of a run, 2 % are allowed, a difference inside the noise"]),
        (0.031, None, 1.0, 5.0, ["the timers cost 3.1 % of a run, 2 % are allowed, of too few calls to tell it from noise"]),
        (0.0, 0.0, 0.94, 5.0, ["the parts are 94.0 % of the whole, not within 5 %"]),
        (0.0, 0.0, 0.94, 0.001, ["the parts are 94.0 % of the whole, not within 5 %", SHORT]),
    ],
)
def test_doubtful_figures(share: float, low: float | None, parts: float, plain_ms: float, sentences: list[str]) -> None:
    assert doubts(share, low, parts, plain_ms) == sentences


def test_many_nodes_of_one_operator_are_counted() -> None:
    nodes = ["view", "cat", "view_1", "view_2", "mul_7", "view_10"]
    assert report._by_operator(nodes) == ["4 view", "cat", "mul_7"]


def test_frames_are_as_wide_as_their_time(tmp_path: Path) -> None:
    """A child is within its parent, and names are safe in XML."""
    flame.write(tmp_path / "x.svg", flame.Frame('a<"b">', 10.0, children=[flame.Frame("c", 2.5), flame.Frame("d", 5.0)]))
    frames = ElementTree.parse(tmp_path / "x.svg").getroot().findall("{http://www.w3.org/2000/svg}g")
    places = {f.attrib["data-label"]: (float(f.attrib["data-begin"]), float(f.attrib["data-width"])) for f in frames}
    assert places == {'a<"b">': (0, 1), "d": (0, 0.5), "c": (0.5, 0.25)}
