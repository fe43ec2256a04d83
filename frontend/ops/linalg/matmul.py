"""Products of matrices and vectors in any type, scaled and added to."""

from __future__ import annotations

from typing import Any

from frontend.ops.elements import constant, wide
from frontend.ops.linalg.elementwise import pointwise
from frontend.ops.linalg.registry import ops_registry
from frontend.ops.scalars import Scalar
from frontend.ops.values import cast, empty, generic, ranked, size, with_element
from passes.mlir import ir, linalg


def contraction(out: ir.RankedTensorType, spec: str, x: ir.Value, y: ir.Value) -> ir.Value:
    """A product as einsum writes it, computed and summed in `out`'s type: `mk,kn->mn`."""
    operands, result = spec.split("->")
    terms = operands.split(",")
    letters = sorted({*"".join(terms)}, key=lambda letter: (letter not in result, letter))
    maps = [
        ir.AffineMap.get(len(letters), 0, [ir.AffineDimExpr.get(letters.index(letter)) for letter in term])
        for term in (*terms, result)
    ]
    kinds = ["parallel" if letter in result else "reduction" for letter in letters]
    sizes = {letter: size(v, axis) for v, term in zip((x, y), terms, strict=True) for axis, letter in enumerate(term)}
    known = {axis: sizes[letter] for axis, letter in enumerate(result)}
    start = linalg.fill(constant(out.element_type, 0), outs=[empty(out, known)])

    def body(x: ir.Value, y: ir.Value, sum_: ir.Value) -> ir.Value:
        return (Scalar(sum_) + Scalar(x).to(out.element_type) * Scalar(y).to(out.element_type)).value

    return generic(out, [x, y], start, maps, kinds, body)


for _name, _spec in {"mm": "mk,kn->mn", "bmm": "bmk,bkn->bmn"}.items():

    @ops_registry.lowers(f"aten.{_name}.default", dynamic=True)
    def _product(out: ir.Type, self: ir.Value, mat2: ir.Value, _spec: str = _spec) -> ir.Value:
        type_ = ranked(out)
        return cast(contraction(with_element(type_, wide(type_.element_type)), _spec, self, mat2), type_.element_type)


for _name, _spec in {"addmm": "mk,kn->mn", "addmv": "mk,k->m", "addbmm": "bmk,bkn->mn", "baddbmm": "bmk,bkn->bmn"}.items():

    @ops_registry.lowers(f"aten.{_name}.default", dynamic=True)
    def _added(
        out: ir.Type, self: ir.Value, beta: Any = 1, alpha: Any = 1, _spec: str = _spec, **factors: ir.Value
    ) -> ir.Value:
        """beta * self + alpha * product; with a beta of 0 nothing of `self` is left, NaN neither."""
        type_ = ranked(out)
        product = contraction(with_element(type_, wide(type_.element_type)), _spec, *factors.values())
        if beta == 0:
            return pointwise(out, [product], lambda p: p * alpha, product.type.element_type)
        return pointwise(out, [self, product], lambda s, p: s * beta + p * alpha, product.type.element_type)
