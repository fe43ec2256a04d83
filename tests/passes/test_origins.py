"""Where lines come from: locations read from MLIR's text, and carried through LLVM's line tables to assembly."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from frontend.capture.model import configure, graph_of
from frontend.emit import emit_graph
from model import deepseek_r1_block
from passes import origins, pipelines, targets
from passes.mlir import ir
from passes.origins import Leaf, origin, split
from passes.snapshots import text
from passes.steps import Step
from passes.translate import to_llvm_ir
from runner.line_tables import assembly
from runner.objects import to_assembly

SMALL = {"hidden_size": "64", "intermediate_size": "96", "num_heads": "4", "num_kv_heads": "2", "head_dim": "16"}
NATIVE = targets.find("native")


def block() -> ir.Module:
    graph = graph_of(deepseek_r1_block, configure(deepseek_r1_block, SMALL), "f32")
    return emit_graph(graph, "deepseek_r1_block", "f32").subgraph0


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ("unknown", []),
        ('"mm"("model/a.py":3:0)', [("mm", "model/a.py", 3)]),
        ('"model/a.py":3:0', [("", "model/a.py", 3)]),
        ('"w"', [("w", "", 0)]),
        ('"w"(unknown)', [("w", "", 0)]),
        ('fused["a"("f.py":1:0), "b"("f.py":2:0), "a"("f.py":1:0)]', [("a", "f.py", 1), ("b", "f.py", 2)]),
        ('fused["a", unknown, "b"]', [("a", "", 0), ("b", "", 0)]),
        ('callsite("f.py":1:0 at "g.py":2:0)', [("", "f.py", 1), ("", "g.py", 2)]),
        ('"outer"("inner"("f.py":1:0))', [("outer", "f.py", 1)]),
        (r'"a \"b\" ("("f (1).py":1:0)', [('a "b" (', "f (1).py", 1)]),
        (r'"\22\C3\A9\\\22"("f.py":1:0)', [('"é\\"', "f.py", 1)]),
    ],
)
def test_what_a_location_tells(location: str, expected: list[tuple[str, str, int]]) -> None:
    assert origin(location) == tuple(Leaf(*leaf) for leaf in expected)


def test_lines_and_their_locations() -> None:
    source = """
    func.func @alloc(%c: i1 loc("c")) -> index {
      %0 = scf.if %c -> index {
        %1 = arith.constant 1 : index loc("one"("f.py":1:0))
        scf.yield %1 : index loc("yield")
      } else {
        %2 = arith.constant 2 : index loc(fused["two"("f.py":2:0), "f.py":3:0])
        scf.yield %2 : index loc(unknown)
      } loc("choice"("f.py":9:0))
      %m = memref.alloc() : memref<1xf32> loc("room (of (one))"("a \\"quoted\\" file":4:0))
      memref.dealloc %m : memref<1xf32> loc("gone")
      return %0 : index loc("end")
    } loc("function")"""
    with ir.Context():
        module = ir.Module.parse(source)
    lines, locations = split(text(module))
    assert "\n".join(lines) == str(module).rstrip("\n")
    found = {line.strip(): origin(location) for line, location in zip(lines, locations, strict=True)}
    choice = (Leaf("choice", "f.py", 9),)
    assert [o for line, o in found.items() if "scf.if" in line or line == "} else {"] == [choice, choice]
    assert found["%c1 = arith.constant 1 : index"] == (Leaf("one", "f.py", 1),)
    assert found["%c2 = arith.constant 2 : index"] == (Leaf("two", "f.py", 2), Leaf("", "f.py", 3))
    assert found["%alloc = memref.alloc() : memref<1xf32>"] == (Leaf("room (of (one))", 'a "quoted" file', 4),)
    assert next(o for line, o in found.items() if line.startswith("func.func")) == (Leaf("function"),)
    assert found["scf.yield %c2 : index"] == ()


def test_every_pass_leaves_text_that_is_taken_apart_rightly() -> None:
    module = block()
    known = 0

    @contextmanager
    def around(step: Step, module: ir.Module) -> Iterator[None]:
        nonlocal known
        yield
        lines, locations = split(text(module))
        assert "\n".join(lines) == str(module).rstrip("\n"), step.label
        known += sum(bool(origin(location)) for location in locations) > 0.8 * len(lines)

    for name in pipelines.PIPELINES:
        pipelines.run(module, name, NATIVE, around=around)
    assert known == sum(map(len, pipelines.PIPELINES.values()))


def test_instructions_and_assembly_know_their_operations() -> None:
    module = block()
    for name in pipelines.PIPELINES:
        pipelines.run(module, name, NATIVE)
    plain = to_llvm_ir(module)
    nodes = {leaf.node for location in split(text(module))[1] for leaf in origin(location)}
    llvm_ir, locations = origins.instructions(module)
    assert llvm_ir == plain
    of_lines = origins.spread(llvm_ir, locations, "")
    found = {leaf.node for location in of_lines for leaf in origin(location)}
    assert found <= nodes and len(found) > 0.8 * len(nodes)
    products = [o for line, o in zip(llvm_ir.splitlines(), of_lines, strict=True) if "call" in line and "fmuladd" in line]
    assert products and all(re.match(r'"(mm|addmm|bmm)\w*"\(', location) for location in products)
    numbers = {"": 0}
    each = [numbers.setdefault(location, len(numbers)) for location in locations]
    code, lines = assembly(llvm_ir, "x", NATIVE, each)
    assert without_unwinding(code) == without_unwinding(to_assembly(llvm_ir, "x", NATIVE))
    assert len(lines) == code.count("\n") and set(lines) <= set(numbers.values())
    assembled = {node for number in lines for node in (leaf.node for leaf in origin(list(numbers)[number]))}
    assert len(assembled) > 0.8 * len(found)


def without_unwinding(code: str) -> list[str]:
    return [line for line in code.split("\n") if not line.startswith("\t.cfi_")]
