"""Calls: of subgraphs, and of the C library's complex functions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from frontend.ops.elements import element_type, is_complex
from frontend.ops.scalars import Scalar, apply, where
from frontend.ops.values import cast, elementwise, in_memory, memory_type, operand, ranked
from frontend.registry import DECLINED, Registry
from passes.mlir import bufferization, func, ir, math
from passes.mlir import complex as complex_

ops_registry = Registry("func")


@ops_registry.lowers("sluice.call")
def call(
    out: Sequence[ir.Type] | ir.Type, callee: str, arguments: Sequence[ir.Value], writes: Sequence[int]
) -> Sequence[ir.Value]:
    """The callee writes the last results into the memory of the arguments that `writes` numbers."""
    types = [out] if isinstance(out, ir.Type) else list(out)
    results, given = types[: len(types) - len(writes)], list(arguments)
    for place in writes:
        given[place] = bufferization.to_buffer(memory_type(ranked(given[place])), given[place])
    returned = list(func.CallOp(results, ir.FlatSymbolRefAttr.get(callee), given).results)
    return returned + [in_memory(given[place]) for place in writes]


def library(name: str, result: ir.Type, *scalars: Scalar) -> Scalar:
    """A call of a C function, which is declared if it is not yet. Complex numbers must be c128: others C passes packed."""
    module = ir.InsertionPoint.current.block.owner
    while module.name != "builtin.module":
        module = module.parent
    if name not in ir.SymbolTable(module):
        with ir.InsertionPoint.at_block_begin(module.regions[0].blocks[0]):
            func.FuncOp(name, ([s.type for s in scalars], [result]), visibility="private")
    return Scalar(func.CallOp([result], ir.FlatSymbolRefAttr.get(name), [s.value for s in scalars]).results[0])


def _parts(real: Scalar, imaginary: Scalar) -> Scalar:
    return apply(lambda x, y: complex_.create_(element_type("c128"), x, y), real, imaginary)


def _c(name: str) -> Callable[..., Scalar]:
    """The function of complex.h: of c128, with the results at branch cuts, infinities and NaN that C prescribes."""
    return lambda *x: library(name, element_type("f64" if name in ("cabs", "carg") else "c128"), *x)


def _times(x: Scalar, factor: float) -> Scalar:
    """A multiple; the product of two complex numbers would mix the parts, and infinity in one makes the other NaN."""
    return _parts(x.real * factor, x.imag * factor)


def _expm1(x: Scalar) -> Scalar:
    """exp(a) cos(b) - 1 loses no digits near 0 as expm1(a) cos(b) - 2 sin(b / 2)^2."""
    half = apply(math.sin, x.imag * 0.5)
    growth = library("expm1", x.real.type, x.real)
    return _parts(growth * apply(math.cos, x.imag) - half * half * 2, apply(math.exp, x.real) * apply(math.sin, x.imag))


def _log1p(x: Scalar) -> Scalar:
    """log |1 + x| is half of log1p(a (2 + a) + b^2), which loses no digits near 0."""
    a, b = x.real, x.imag
    far = _c("clog")(_parts(a + 1, b))
    near = library("log1p", a.type, a * (a + 2) + b * b) * 0.5
    close = apply(math.absf, a).maximum(apply(math.absf, b)) < 0.5
    return _parts(where(close, near, far.real), far.imag)


def _sgn(x: Scalar) -> Scalar:
    size = _c("cabs")(x)
    return where(size == 0, 0, x / size.to(x.type))


_FUNCTIONS: dict[str, Callable[..., Scalar]] = {
    "abs": _c("cabs"),
    "angle": _c("carg"),
    "exp2": lambda x: _c("cexp")(_times(x, 0.6931471805599453)),
    "expm1": _expm1,
    "log10": lambda x: _times(_c("clog")(x), 0.4342944819032518),
    "log1p": _log1p,
    "log2": lambda x: _times(_c("clog")(x), 1.4426950408889634),
    "reciprocal": lambda x: 1 / x,
    "rsqrt": lambda x: 1 / _c("csqrt")(x),
    "sgn": _sgn,
    "sigmoid": lambda x: 1 / (_c("cexp")(-x) + 1),
}
for _name in "acos acosh asin asinh atan atanh cos cosh exp log sin sinh sqrt tan tanh".split():  # noqa: SIM905
    _FUNCTIONS[_name] = _c(f"c{_name}")


def _in_c128(function: Callable[..., Scalar], element: ir.Type) -> Callable[..., ir.Value]:
    return lambda *xs: function(*[Scalar(x).to("c128") for x in xs]).to(element).value


for _name, _function in _FUNCTIONS.items():

    @ops_registry.lowers(f"aten.{_name}.default", dynamic=True)
    def _unary(out: ir.Type, self: ir.Value, _function: Callable[..., Scalar] = _function) -> Any:
        if not is_complex(ranked(self).element_type):
            return DECLINED
        return elementwise(ranked(out), [self], _in_c128(_function, ranked(out).element_type))


_POWERS: dict[Any, Callable[[Scalar], Scalar]] = {
    0: lambda x: x.like(1),
    1: lambda x: x,
    2: lambda x: x * x,
    3: lambda x: x * x * x,
    0.5: _FUNCTIONS["sqrt"],
    -0.5: _FUNCTIONS["rsqrt"],
    -1: _FUNCTIONS["reciprocal"],
    -2: lambda x: 1 / (x * x),
}


@ops_registry.lowers("aten.pow.Tensor_Tensor", "aten.pow.Tensor_Scalar", "aten.pow.Scalar", dynamic=True)
def pow_(out: ir.Type, self: Any, exponent: Any) -> Any:
    type_ = ranked(out)
    if not is_complex(type_.element_type):
        return DECLINED
    element = type_.element_type
    if not isinstance(exponent, ir.Value) and exponent in _POWERS:
        return elementwise(type_, [cast(self, element)], _in_c128(_POWERS[exponent], element))
    operands = [operand(v, element, type_.rank) for v in (self, exponent)]
    return elementwise(type_, operands, _in_c128(_c("cpow"), element))
