"""Timers in a module: where the regions are, what belongs to them, and what the threads of a parallel one tell."""

from __future__ import annotations

import re

from passes.mlir import ir
from passes.timers import BEGIN, END, ENTER, FREEING, LEAVE, WAIT, Region, add_timers

LOOP = """scf.for %i = %c0 to %c4 step %c1 {{
  %y = memref.load %m[%i] : memref<4xf32> loc({loop})
  memref.store %y, %m[%i] : memref<4xf32> loc({store})
}} loc({loop})"""
FILL = "scf.for %i = %c0 to %c4 step %c1 {{ memref.store %x, %m[%i] : memref<4xf32> loc({loop}) }} loc({loop})"


def name(node: str) -> str:
    return f'"{node}"("model.py":7:0)'


def module(body: str, more: str = "") -> str:
    return f"""
    func.func @f(%m: memref<4xf32>, %x: f32) {{
      %c0 = arith.constant 0 : index
      %c1 = arith.constant 1 : index
      %c4 = arith.constant 4 : index
      {body}
      return
    }}
    {more}"""


def timed(text: str) -> tuple[list[Region], list[str]]:
    """The regions, and what is called and done in order: kinds and regions of timers, names of other operations."""
    with ir.Context(), ir.Location.unknown():
        parsed = ir.Module.parse(text)
        regions = add_timers(parsed.operation)
        assert parsed.operation.verify()
        written = re.sub(r"%(c-?\d+)_i32(_\d+)?\b", r"\1", str(parsed))
    calls = re.findall(r"call @sluice_timer\(c(-?\d+), c(-?\d+)\)|(scf\.for|omp\.\w+(?: nowait)?|memref\.\w+)", written)
    return regions, [f"{kind} {region}" if kind else op for kind, region, op in calls]


def loop(node: str, store: str | None = None) -> str:
    return LOOP.format(loop=name(node), store=name(store or node))


def test_regions_follow_each_other() -> None:
    regions, order = timed(module("\n".join([loop("a"), loop("a", "b"), loop("c")])))
    assert [(r.name, set(r.nodes)) for r in regions] == [("a", {"a", "b"}), ("c", {"c"})]
    one = ["scf.for", "memref.load", "memref.store"]
    assert order == [f"{BEGIN} 0", *one, *one, f"{BEGIN} 1", *one, f"{BEGIN} {END}"]


def test_memory_belongs_to_what_needs_it_and_is_given_back_at_the_end() -> None:
    body = f"%a = memref.alloc() : memref<4xf32>\n{loop('a')}\n%b = memref.alloc() : memref<4xf32>\n{loop('b')}\n"
    regions, order = timed(module(f"{body} memref.dealloc %a : memref<4xf32>\nmemref.dealloc %b : memref<4xf32>"))
    assert [r.name for r in regions] == ["a", "b", FREEING]
    assert order[-4:] == [f"{BEGIN} 2", "memref.dealloc", "memref.dealloc", f"{BEGIN} {END}"]
    begins = [place for place, what in enumerate(order) if what == f"{BEGIN} 1"]
    assert order[begins[0] + 1].startswith("memref.alloc")


def test_fused_operations_have_all_their_names() -> None:
    both = f"fused[{name('a')}, {name('b')}]"
    regions, _ = timed(module(LOOP.format(loop=both, store=both)))
    assert regions[0].name == "a" and {node for node, count in regions[0].nodes.items() if count} == {"a", "b"}


def test_constants_and_views_are_no_code() -> None:
    view = f"%v = memref.subview %m[0] [2] [1] : memref<4xf32> to memref<2xf32, strided<[1]>> loc({name('view')})"
    regions, _ = timed(module(f"{view}\n{loop('a')}"))
    assert set(regions[0].nodes) == {"a"}


def test_a_fill_is_a_region_without_nodes() -> None:
    regions, _ = timed(module(FILL.format(loop=name("a"))))
    assert [(r.name, dict(r.nodes)) for r in regions] == [("a", {})]


def test_code_that_is_called_counts() -> None:
    store = f"%c0 = arith.constant 0 : index\nmemref.store %x, %m[%c0] : memref<4xf32> loc({name('inner')})"
    callee = f"func.func private @g(%m: memref<4xf32>, %x: f32) {{\n{store}\nreturn }}"
    regions, order = timed(module(f"func.call @g(%m, %x) : (memref<4xf32>, f32) -> () loc({name('outer')})", callee))
    assert regions[0].name == "outer" and "inner" in regions[0].nodes
    assert len([what for what in order if what[0].isdigit()]) == 2  # none in the callee


PARALLEL = """omp.parallel {{
  omp.wsloop schedule(dynamic) {{ omp.loop_nest (%i) : index = (%c0) to (%c4) step (%c1) {{
    {body}
    omp.yield
  }} }}
  omp.terminator
}} loc({loop})"""


def test_threads_tell_when_they_wait() -> None:
    """They wait at one barrier behind the loop, as without timers."""
    store = "memref.store %x, %m[%i] : memref<4xf32>"
    regions, order = timed(module(PARALLEL.format(body=store, loop=name("a"))))
    assert [r.name for r in regions] == ["a"]
    threads = [f"{ENTER} 0", "omp.wsloop nowait", "omp.loop_nest", "memref.store", "omp.yield", f"{WAIT} 0", "omp.barrier"]
    assert order == [f"{BEGIN} 0", "omp.parallel", *threads, f"{LEAVE} 0", "omp.terminator", f"{BEGIN} {END}"]


def test_only_the_outermost_parallel_region_has_threads_of_its_own() -> None:
    inner = PARALLEL.format(body="memref.store %x, %m[%i] : memref<4xf32>", loop=name("b")).replace("%i", "%j")
    _, order = timed(module(PARALLEL.format(body=inner, loop=name("a"))))
    assert [what for what in order if what[0].isdigit()] == [f"{k} 0" for k in (BEGIN, ENTER, WAIT, LEAVE)] + [f"{BEGIN} {END}"]
    assert order.count("omp.barrier") == 1


def test_code_of_no_named_place_is_a_region_without_a_name() -> None:
    regions, _ = timed(module("memref.store %x, %m[%c0] : memref<4xf32> loc(unknown)"))
    assert [(r.name, dict(r.nodes)) for r in regions] == [("", {})]


def test_a_function_that_does_nothing() -> None:
    assert timed(module(""))[0] == []
