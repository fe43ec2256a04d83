"""The measured rows as figures, as `coverage.json` and as a page."""

from __future__ import annotations

import collections
from typing import Any

from tests.coverage.samples import EXCLUDED

Rows = list[dict[str, Any]]
RESULTS = ("passed", "wrong", "unsupported", "crashed")
NAMES = {"f32": "float32", "i64": "int64", "i1": "bool", "c64": "complex64"}
OTHERS = ("int64", "bool", "complex64")


def figures(table: dict[str, dict[str, Rows]], peer: dict[str, Rows], chosen: int | None = None) -> dict[str, Any]:
    """`table` gives the rows of each operator by dtype; `peer` those of torch-mlir for float32, of fewer samples maybe.

    `chosen` says how many samples of each operator were asked for, None for all.
    """
    whole: dict[str, Any] = {"chosen": chosen, "excluded": dict(EXCLUDED), "random": _random(table)}
    for dtype, operators in ({"f32": {}} | table).items():
        ops = {name: counts(rows) for name, rows in sorted(operators.items()) if _live(rows)}
        part = {"ops": ops, "totals": totals(ops), "missing": missing(operators), "failures": failures(operators)}
        whole |= part if dtype == "f32" else {NAMES[dtype]: part}
    if peer:
        whole["peer"] = compared(table["f32"], peer)
    return whole


def counts(rows: Rows) -> dict[str, int]:
    found = collections.Counter(row["result"] for row in _live(rows))
    return {"samples": sum(found.values()), **{result: found[result] for result in RESULTS}}


def totals(ops: dict[str, dict[str, int]]) -> dict[str, int]:
    """Sums over the operators, how many there are, and how many of them are right in every sample."""
    sums = {key: sum(row[key] for row in ops.values()) for key in ("samples", *RESULTS)}
    return {"operators": len(ops), "right": sum(row["passed"] == row["samples"] for row in ops.values()), **sums}


def missing(operators: dict[str, Rows]) -> dict[str, int]:
    """How many operators each missing overload stops, the most first."""
    stopped: collections.Counter[str] = collections.Counter()
    for rows in operators.values():
        stopped.update({overload for row in rows for overload in row.get("missing", "").split()})
    return dict(stopped.most_common())


def failures(operators: dict[str, Rows]) -> dict[str, list[str]]:
    """For each operator that is not right everywhere, the distinct reasons."""
    found = {}
    for name, rows in sorted(operators.items()):
        reasons = dict.fromkeys(
            f"{r['result']}: {r.get('why', '')[:160]}" for r in rows if r["result"] not in ("passed", "random")
        )
        if reasons:
            found[name] = list(reasons)[:5]
    return found


def compared(ours: dict[str, Rows], peer: dict[str, Rows]) -> dict[str, Any]:
    """Both on the same samples: those that the peer was given."""
    same = {}
    for name, rows in peer.items():
        numbers = {row["sample"] for row in _live(rows)}
        same[name] = [row for row in ours.get(name, []) if row["sample"] in numbers]
    theirs = {name: counts(rows) for name, rows in sorted(peer.items()) if _live(rows)}
    mine = {name: counts(rows) for name, rows in sorted(same.items()) if _live(rows)}
    return {"name": "torch-mlir", "totals": totals(theirs), "sluice": totals(mine), "ops": theirs}


def page(whole: dict[str, Any]) -> str:
    """Markdown for people."""
    lines = [
        "# Coverage of PyTorch's operator database",
        "",
        f"{_chosen(whole['chosen'])} of each operator of `torch.testing._internal.common_methods_invocations.op_db`",
        "is captured, compiled, run and compared with eager PyTorch in values, dtype and shape (`doit coverage`), by the",
        "tolerances of `torch.testing.assert_close` for the dtype; wider ones that the database gives operators are not used.",
        "",
        "| dtype | operators | right in every sample | samples | passed | wrong | unsupported | crashed |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for label, part in [*([("float32", whole)] if "ops" in whole else []), *((n, whole[n]) for n in OTHERS if n in whole)]:
        t = part["totals"]
        share = f"{t['right']} ({t['right'] / max(t['operators'], 1):.1%})"
        lines.append(f"| {label} | {t['operators']} | {share} | {' | '.join(str(t[k]) for k in ('samples', *RESULTS))} |")
    if "peer" in whole:
        lines += ["", "On the same float32 samples, through the same JIT:", "", *_peer(whole["peer"])]
    lines += ["", "## Operators with a float32 sample that is not right", "", "| operator | passed of | why |", "|---|---|---|"]
    for name, reasons in whole.get("failures", {}).items():
        row = whole["ops"][name]
        why = reasons[0].replace("|", "\\|").replace("\n", " ")
        lines.append(f"| {name} | {row['passed']} of {row['samples']} | {why} |")
    lines += ["", "## Left out", "", "| operator | reason |", "|---|---|"]
    lines += [f"| {name} | {reason} |" for name, reason in whole["excluded"].items()]
    lines += [f"| {name} | random in every sample |" for name in whole["random"]]
    return "\n".join([*lines, ""])


def _chosen(count: int | None) -> str:
    return "Every forward sample" if count is None else f"The first {count} forward sample(s)"


def _peer(peer: dict[str, Any]) -> list[str]:
    rows = [
        "| compiler | operators | right | samples | passed | wrong | unsupported | crashed |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for label, t in (("Sluice", peer["sluice"]), (peer["name"], peer["totals"])):
        figures = (t["operators"], f"{t['right']} ({t['right'] / max(t['operators'], 1):.1%})", t["samples"])
        rows.append(f"| {label} | {' | '.join(map(str, figures))} | {' | '.join(str(t[k]) for k in RESULTS)} |")
    return rows


def _live(rows: Rows) -> Rows:
    return [row for row in rows if row["result"] != "random"]


def _random(table: dict[str, dict[str, Rows]]) -> list[str]:
    return sorted(name for name, rows in table.get("f32", {}).items() if rows and not _live(rows))
