"""torch-mlir's importer on the same samples: torch.export, its decompositions, linalg on tensors, then the same JIT as ours."""

from __future__ import annotations

from typing import Any

import torch

from passes.mlir import ir, passmanager
from runner.jit import Frame, from_module
from tests.coverage.samples import Call

LOWERING = (
    "func.func(linalg-generalize-named-ops)",
    "func.func(linalg-fuse-elementwise-ops)",
    "convert-shape-to-std",
    "func.func(refback-generalize-tensor-pad)",
    "func.func(refback-generalize-tensor-concat)",
    "func.func(tm-tensor-bufferize)",
    "one-shot-bufferize{copy-before-write bufferize-function-boundaries function-boundary-type-conversion=identity-layout-map}",
    "refback-mlprogram-bufferize",
    "buffer-results-to-out-params{add-result-attr=true modify-public-functions=true}",
    "inline",
    "func.func(tm-tensor-to-loops)",
    "func.func(refback-munge-memref-copy)",
    "func.func(convert-linalg-to-loops)",
    "func.func(lower-affine)",
    "convert-bufferization-to-memref",
    "convert-scf-to-cf",
    "func.func(refback-expand-ops-for-llvm)",
    "func.func(arith-expand)",
    "convert-complex-to-libm",
    "convert-complex-to-standard",
    "func.func(convert-math-to-llvm)",
    "convert-math-to-libm",
    "convert-complex-to-llvm",
    "expand-strided-metadata",
    "lower-affine",
    "convert-index-to-llvm",
    "convert-vector-to-llvm",
    "finalize-memref-to-llvm",
    "func.func(convert-arith-to-llvm)",
    "convert-func-to-llvm",
    "convert-cf-to-llvm",
    "convert-ub-to-llvm",
    "reconcile-unrealized-casts",
)


class Refused(Exception):
    """What torch-mlir does not take, at which step."""


def torch_mlir(call: Call, expected: list[Any]) -> list[Any]:
    """`expected` tells the results' shapes and dtypes, which its types leave open at times."""
    module = _imported(call)
    with module.context, ir.Location.unknown():
        function = next(op for op in module.body.operations if getattr(op, "sym_name", None) and op.sym_name.value == "main")
        function.attributes["llvm.emit_c_interface"] = ir.UnitAttr.get()
        results = ir.FunctionType(ir.TypeAttr(function.attributes["function_type"]).value).results
        if any(not isinstance(t, ir.RankedTensorType) for t in results) or len(results) != len(expected):
            raise Refused(f"results {', '.join(map(str, results))}")
        manager = passmanager.PassManager("builtin.module")
        for name in LOWERING:
            manager.add(name)
        manager.run(module.operation)
        entry = from_module(module, "main")
    given = [t.contiguous().resolve_conj().resolve_neg() for t in call.arguments()]
    actual = [torch.empty(e.shape, dtype=e.dtype) for e in expected]
    tensors = [*given, *actual]
    if entry.takes != len(tensors):
        raise Refused(f"takes {entry.takes} tensors, given {len(tensors)}")
    frame = Frame([t.dim() for t in tensors])
    for number, tensor in enumerate(tensors):
        start = frame.starts[number]
        frame.words[start] = frame.words[start + 1] = tensor.data_ptr()
        frame.shape(number, tensor.shape)
    entry.call(frame.address)
    return actual


def _imported(call: Call) -> Any:
    from torch_mlir import fx
    from torch_mlir.dialects import torch as torch_dialect
    from torch_mlir.extras.fx_decomp_util import get_decomposition_table
    from torch_mlir.extras.fx_importer import FxImporter

    program = torch.export.export(call, tuple(call.arguments()), strict=False).run_decompositions(get_decomposition_table())
    context = ir.Context()
    torch_dialect.register_dialect(context)
    return fx.export_and_import(
        program,
        output_type="linalg-on-tensors",
        fx_importer=FxImporter(context=context),
        decomposition_table={},
        func_name="main",
    )
