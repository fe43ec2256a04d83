"""What runs in one parallel loop, told from a decoder block small enough to compile in a test."""

from __future__ import annotations

import functools

import pytest

from frontend.capture import by_export
from frontend.lower import lower
from frontend.prepare import prepare
from model.deepseek_r1_block import Config, build, inputs
from passes import pipelines, targets
from passes.mlir import ir
from passes.products import product_of
from passes.schedule import find_all, functions

SMALL = {"hidden_size": 64, "intermediate_size": 512, "num_heads": 4, "num_kv_heads": 2, "head_dim": 32}


@functools.cache
def text(seq_len: int) -> str:
    config = Config(seq_len=seq_len, **SMALL)
    graph = by_export(build(config), (), inputs(config), "block").graph
    (block,) = prepare(graph).subgraphs
    return str(lower(block))


def after(last: str, seq_len: int) -> ir.Module:
    """The block's module after the midend up to a pass."""
    names = [pipelines.name_of(entry) for entry in pipelines.MIDEND]
    module = ir.Module.parse(text(seq_len), ir.Context())
    with module.context, ir.Location.unknown():
        part = pipelines.MIDEND[: names.index(last) + 1]
        pipelines.build(part, targets.TARGETS["x86-64-v4"], module.context).run(module.operation)
    return module


def products_by_loop(module: ir.Module) -> list[int]:
    """How many products each parallel loop has, and last how many there are outside of any."""
    roots = [*find_all(module.operation, "scf.forall"), module.operation]
    counts = [sum(product_of(op) is not None for op in find_all(root, "linalg.generic")) for root in roots]
    return [*counts[:-1], counts[-1] - sum(counts[:-1])]


def test_products_with_a_common_reader_share_a_loop() -> None:
    """Query, key and value as one product; scores and weighted sum; output; gate and up; down."""
    assert products_by_loop(after("func.func(linalg-generalize-named-ops)", 24)) == [1, 2, 1, 2, 1, 0]


def test_scores_are_never_whole() -> None:
    """No tensor of heads x queries x keys is allocated, only its slices inside the loop over heads."""
    module = after("func.func(linalg-generalize-named-ops)", 24)
    (function,) = functions(module.operation)
    at_top = [op for op in find_all(function, "linalg.generic") if op.parent == function]
    shapes = [ir.ShapedType(op.results[0].type).shape for op in at_top]
    assert [4, 24, 24] not in [list(shape) for shape in shapes]


@pytest.mark.parametrize("read_again", [False, True])
def test_what_others_read_is_computed_once(read_again: bool) -> None:
    """An operation joins a product's loop only if nothing else reads it."""
    result = "tensor<96x4x32xf32>"
    module = ir.Module.parse(
        f"""
        #x = affine_map<(o, m, n, k) -> (m, k)>
        #w = affine_map<(o, m, n, k) -> (o, k, n)>
        #y = affine_map<(o, m, n, k) -> (m, o, n)>
        #id = affine_map<(m, o, n) -> (m, o, n)>
        func.func @f(%x: tensor<96x64xf32>, %w: tensor<4x64x32xf32>) -> ({result}, {result}) {{
          %zero = arith.constant 0.0 : f32
          %empty = tensor.empty() : {result}
          %start = linalg.fill ins(%zero : f32) outs(%empty : {result}) -> {result}
          %y = linalg.generic {{
              indexing_maps = [#x, #w, #y], iterator_types = ["parallel", "parallel", "parallel", "reduction"]}}
              ins(%x, %w : tensor<96x64xf32>, tensor<4x64x32xf32>) outs(%start : {result}) {{
          ^bb0(%a: f32, %b: f32, %c: f32):
            %p = arith.mulf %a, %b : f32
            %s = arith.addf %c, %p : f32
            linalg.yield %s : f32
          }} -> {result}
          %z = linalg.generic {{indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel", "parallel"]}}
              ins(%y : {result}) outs(%empty : {result}) {{
          ^bb0(%a: f32, %b: f32):
            %n = math.tanh %a : f32
            linalg.yield %n : f32
          }} -> {result}
          return %z, {"%y" if read_again else "%z"} : {result}, {result}
        }}
        """,
        ir.Context(),
    )
    with module.context, ir.Location.unknown():
        pipelines.build((pipelines.schedule_products,), targets.TARGETS["x86-64-v4"], module.context).run(module.operation)
    (loop,) = find_all(module.operation, "scf.forall")
    assert len(find_all(module.operation, "math.tanh")) == 1
    assert bool(find_all(loop, "math.tanh")) is not read_again


def test_the_code_does_not_grow_with_the_sequence() -> None:
    """Twenty times the tokens, and one more kind of row tile at most."""
    operations = [len(find_all(after("cse", seq_len).operation)) for seq_len in (24, 480)]
    assert operations[1] <= 1.25 * operations[0]
