"""Regions of the code to rows of operators: every node of the graph is in one row, or has no code of its own."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from frontend.flops import flops
from frontend.graph import Graph, Node
from frontend.limits import Work, work_of_groups
from tasks.profile.events import Call, waiting

Regions = Sequence[Mapping[str, object]]  # as `passes.timers` writes them: `name`, and `nodes` with their numbers of operations
NO_NODES = {"": "of no known node", "subgraph0": "results copied"}  # what code is for that comes from no node


@dataclass
class Row:
    """What one place of the code does, in all regions of its name. `nodes` begins with the main one.

    `ms` are the milliseconds that it worked, of each call; where threads shared it, their mean. `waiting_ms` is the rest.
    """

    name: str
    nodes: list[Node] = field(default_factory=list)
    work: Work = field(default_factory=lambda: Work(0, 0))
    ms: list[float] = field(default_factory=list)
    waiting_ms: list[float] = field(default_factory=list)

    @property
    def label(self) -> str:
        return " + ".join(map(spelled, self.nodes)) or self.name

    @property
    def source(self) -> str:
        return str(self.nodes[0].source or "") if self.nodes else ""

    @property
    def average(self) -> float:
        return statistics.fmean(self.ms)


@dataclass
class Rows:
    """`of_region` says which row each region belongs to; `no_code` are nodes that only give others another view."""

    rows: list[Row]
    of_region: list[Row]
    no_code: list[Node]


def spelled(node: Node) -> str:
    """`add_3`, `linear mm_1`: a node's name, behind the operator if it does not begin with that."""
    operator = node.op.split(".")[1] if "." in node.op else node.op
    return node.name if node.name.startswith(operator) else f"{operator} {node.name}"


def rows_of(graph: Graph, regions: Regions) -> Rows:
    """A row a region, regions of one name together. A node is where its name is, unless nothing but a fill is there.

    That fill belongs to where the node's other code is.
    """
    nodes = {node.name: node for node in graph.nodes}
    names = [_name(region, nodes) for region in regions]
    counts: dict[str, dict[str, int]] = {name: {} for name in names}  # row -> node -> operations
    for name, region in zip(names, regions, strict=True):
        for origin, count in _counted(region).items():
            counts[name][origin] = counts[name].get(origin, 0) + count
    homes = {node.name: home for node in graph.nodes if (home := _home(node.name, counts))}
    rows = {name: Row(NO_NODES.get(name, name)) for name in counts if homes.get(name, name) == name}
    for name, home in homes.items():
        rows[home].nodes.append(nodes[name])
    no_code = [node for node in graph.nodes if node.name not in homes]
    for name, found in rows.items():
        _main_first(found, graph, name)
    _count_work(list(rows.values()), graph, no_code)
    return Rows(list(rows.values()), [rows[homes.get(name, name)] for name in names], no_code)


def _home(node: str, counts: Mapping[str, Mapping[str, int]]) -> str | None:
    """The row that a node belongs to, if it has code; a row whose own name's node has another home is none."""
    if node in counts and counts[node].get(node):
        return node
    elsewhere = [name for name in counts if counts[name].get(node) and counts[name].get(name)]
    return max(elsewhere, key=lambda name: counts[name][node], default=node if node in counts else None)


def add_times(rows: Rows, calls: Sequence[Call]) -> None:
    for call in calls:
        passed: dict[int, float] = {}
        waited: dict[int, float] = {}
        for stretch in call.stretches:
            key = id(rows.of_region[stretch.region])
            passed[key] = passed.get(key, 0) + stretch.end - stretch.begin
        for team in call.teams():
            key = id(rows.of_region[team[0].region])
            waited[key] = waited.get(key, 0) + waiting(team)
        for row in rows.rows:
            row.waiting_ms.append(waited.get(id(row), 0) * 1e-6)
            row.ms.append((passed.get(id(row), 0) - waited.get(id(row), 0)) * 1e-6)


def _counted(region: Mapping[str, object]) -> dict[str, int]:
    nodes = region["nodes"]
    assert isinstance(nodes, dict)
    return nodes


def _name(region: Mapping[str, object], nodes: Mapping[str, Node]) -> str:
    """The node that a region is named after; if its name is none, the one that most of its code comes from."""
    name, counted = str(region["name"]), _counted(region)
    known = [node for node in counted if node in nodes]
    return name if name in nodes or not known else max(known, key=lambda node: counted[node])


def _main_first(row: Row, graph: Graph, name: str) -> None:
    """Products by their arithmetic, or else the node that the region is named after; the others in the graph's order."""
    work = {node.name: flops(graph, [node]) for node in row.nodes}
    row.nodes.sort(key=lambda node: (-work[node.name], any(work.values()) or node.name != name))


def _count_work(rows: Sequence[Row], graph: Graph, no_code: Sequence[Node]) -> None:
    """What has no code counts with the first that uses it: a view is no more read than what it is a view of."""
    row_of = {node.name: row for row in rows for node in row.nodes}
    users = graph.uses()
    groups = {row.name: [node.name for node in row.nodes] for row in rows if row.nodes}
    for node in reversed(no_code):
        place = next((row_of[user.name] for user in users[node.name] if user and user.name in row_of), None)
        if place:
            row_of[node.name] = place
            groups[place.name].append(node.name)
    work = work_of_groups(graph, groups)
    for row in rows:
        row.work = work.get(row.name, row.work)
