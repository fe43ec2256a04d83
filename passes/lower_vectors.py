"""Products of vectors to fused multiply-adds, and transfers to loads and stores of one vector each."""

from __future__ import annotations

from passes.mlir import ir
from passes.schedule import Schedule, find_all, functions
from passes.targets import Target

UNROLL = 4  # steps of k in the innermost loop


def lower_vectors(module: ir.Operation, target: Target) -> None:
    """After bufferization: vector.contract to outer products to FMA, the loops around them unrolled, transfers to rank 1."""
    for function in functions(module):
        if find_all(function, "vector.contract", "vector.transfer_read", "vector.transfer_write"):
            _lower(function)


def _lower(function: ir.Operation) -> None:
    schedule = Schedule()
    schedule.patterns("%root", "canonicalization")
    schedule.patterns("%root", 'vector.lower_contraction lowering_strategy = "outerproduct"')
    products = schedule.match("%root", "vector.outerproduct")
    (loops,) = schedule.op(f'get_parent_op {products} {{op_name = "scf.for", deduplicate}}', products, results=1)
    schedule.op(f"loop.unroll {loops} {{factor = {UNROLL}}}", loops)
    schedule.patterns("%root", "vector.lower_outerproduct")
    schedule.patterns(
        "%root",
        "vector.lower_transfer max_transfer_rank = 1",
        "vector.transfer_to_scf max_transfer_rank = 1 full_unroll = true",
    )
    schedule.patterns(
        "%root", 'vector.lower_transpose lowering_strategy = "eltwise"', "vector.lower_shape_cast", "canonicalization"
    )
    schedule.op("apply_cse to %root", "%root")
    schedule.apply(function)
