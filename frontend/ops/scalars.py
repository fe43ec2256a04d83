"""Scalars inside a lowering's loops: arithmetic and comparisons by name, and in Python's own notation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from frontend.ops.elements import (
    constant,
    convert,
    element_type,
    is_bool,
    is_complex,
    is_float,
    is_unsigned,
    recast,
    signless,
)
from passes.mlir import arith, complex, ir, math

_FLOAT = arith.CmpFPredicate
_INTEGER = arith.CmpIPredicate


def _total(operation: Callable[..., ir.Value]) -> Callable[..., ir.Value]:
    """An integer division that does not trap: by zero, where PyTorch raises, it gives 0; lowest / -1 wraps around."""

    def divide(x: ir.Value, y: ir.Value) -> ir.Value:
        zero, one = constant(y.type, 0), constant(y.type, 1)
        by_zero = arith.cmpi(_INTEGER.eq, y, zero)
        if operation in (arith.divui, arith.remui):
            return arith.select(by_zero, zero, operation(x, arith.select(by_zero, one, y)))
        by_minus_one = arith.cmpi(_INTEGER.eq, y, constant(y.type, -1))
        result = operation(x, arith.select(arith.ori(by_zero, by_minus_one), one, y))
        negated = zero if operation is arith.remsi else arith.subi(zero, x)
        return arith.select(by_zero, zero, arith.select(by_minus_one, negated, result))

    return divide


# Comparisons: the predicate for floats (NaN is unequal to all), for signed and for unsigned integers and bool.
COMPARISONS = {
    "eq": (_FLOAT.OEQ, _INTEGER.eq, _INTEGER.eq),
    "ne": (_FLOAT.UNE, _INTEGER.ne, _INTEGER.ne),
    "ge": (_FLOAT.OGE, _INTEGER.sge, _INTEGER.uge),
    "gt": (_FLOAT.OGT, _INTEGER.sgt, _INTEGER.ugt),
    "le": (_FLOAT.OLE, _INTEGER.sle, _INTEGER.ule),
    "lt": (_FLOAT.OLT, _INTEGER.slt, _INTEGER.ult),
}


def _quotient(x: ir.Value, y: ir.Value) -> ir.Value:
    """Of complex numbers, without overflow on the way (Smith's); by zero and by infinity it is what PyTorch's is."""
    (a, b), (c, d) = ((z.real, z.imag) for z in (Scalar(x), Scalar(y)))
    size_c, size_d = (apply(math.absf, part) for part in (c, d))
    by_real = size_c >= size_d
    (p, q), (large, small) = ((where(by_real, u, v), where(by_real, v, u)) for u, v in ((a, b), (c, d)))
    ratio = small / large
    scale = 1 / (large + small * ratio)
    real, imaginary = (p + q * ratio) * scale, (q - p * ratio) * scale
    zero = (size_c == 0) & (size_d == 0)
    imaginary = where(zero, b / size_d, where(by_real, imaginary, -imaginary))
    return complex.create_(x.type, where(zero, a / size_c, real).value, imaginary.value)


# Arithmetic: for floats, for signed integers, for unsigned integers, for bool, for complex numbers.
_ARITHMETIC: dict[str, tuple[Callable[..., ir.Value] | None, ...]] = {
    "add": (arith.addf, arith.addi, arith.addi, arith.ori, complex.add),
    "sub": (arith.subf, arith.subi, arith.subi, arith.xori, complex.sub),
    "mul": (arith.mulf, arith.muli, arith.muli, arith.andi, complex.mul),
    "div": (arith.divf, _total(arith.divsi), _total(arith.divui), arith.andi, _quotient),
    "floordiv": (None, _total(arith.floordivsi), _total(arith.divui), None, None),
    "rem": (arith.remf, _total(arith.remsi), _total(arith.remui), None, None),
    "maximum": (arith.maximumf, arith.maxsi, arith.maxui, arith.ori, None),
    "minimum": (arith.minimumf, arith.minsi, arith.minui, arith.andi, None),
    "pow": (math.powf, math.ipowi, math.ipowi, None, complex.pow),
    "and": (None, arith.andi, arith.andi, arith.andi, None),
    "or": (None, arith.ori, arith.ori, arith.ori, None),
    "xor": (None, arith.xori, arith.xori, arith.xori, None),
    "shl": (None, arith.shli, arith.shli, None, None),
    "shr": (None, arith.shrsi, arith.shrui, None, None),
}


def _kind(element: ir.Type) -> int:
    if is_float(element):
        return 0
    if is_complex(element):
        return 4
    return 3 if is_bool(element) else 2 if is_unsigned(element) else 1


def compute(name: str, x: ir.Value, y: ir.Value) -> ir.Value:
    """One operation on two scalars of one type; a TypeError where the type has none."""
    operation = _ARITHMETIC[name][_kind(x.type)]
    if operation is None:
        raise TypeError(f"{name} is not defined on {x.type}")
    plain = signless(x.type)
    return recast(operation(recast(x, plain), recast(y, plain)), x.type)


def compare(name: str, x: ir.Value, y: ir.Value) -> ir.Value:
    """A comparison of two scalars of one type, as i1; complex numbers know eq and ne only."""
    if is_complex(x.type):
        return {"eq": complex.eq, "ne": complex.neq}[name](x, y)
    on_float, on_signed, on_unsigned = COMPARISONS[name]
    if is_float(x.type):
        return arith.cmpf(on_float, x, y)
    unsigned = is_unsigned(x.type) or is_bool(x.type)
    plain = signless(x.type)
    return arith.cmpi(on_unsigned if unsigned else on_signed, recast(x, plain), recast(y, plain))


class Scalar:
    """A scalar with Python's operators; numbers beside it become constants of its type, comparisons are Scalars of i1.

    `/` of integers cuts towards zero; `//` and `%` are Python's for integers (`%` of floats is C's fmod).
    """

    __hash__ = None  # type: ignore[assignment]

    def __init__(self, value: ir.Value) -> None:
        self.value = value

    @property
    def type(self) -> ir.Type:
        return self.value.type

    def to(self, dtype: str | ir.Type) -> Scalar:
        return Scalar(convert(self.value, element_type(dtype) if isinstance(dtype, str) else dtype))

    def like(self, value: Any) -> Scalar:
        """A Python number, or another Scalar, as a Scalar of this one's type."""
        if isinstance(value, Scalar):
            return value.to(self.type)
        return Scalar(constant(self.type, value))

    def do(self, name: str, other: Any) -> Scalar:
        """An operation of `compute` by its name."""
        return Scalar(compute(name, self.value, self.like(other).value))

    def _is(self, name: str, other: Any) -> Scalar:
        return Scalar(compare(name, self.value, self.like(other).value))

    def __add__(self, other: Any) -> Scalar:
        return self.do("add", other)

    def __sub__(self, other: Any) -> Scalar:
        return self.do("sub", other)

    def __mul__(self, other: Any) -> Scalar:
        return self.do("mul", other)

    def __truediv__(self, other: Any) -> Scalar:
        return self.do("div", other)

    def __floordiv__(self, other: Any) -> Scalar:
        return self.do("floordiv", other)

    def __mod__(self, other: Any) -> Scalar:
        if is_float(self.type):
            return self.do("rem", other)
        return self - self // other * other

    def __radd__(self, other: Any) -> Scalar:
        return self.like(other) + self

    def __rsub__(self, other: Any) -> Scalar:
        return self.like(other) - self

    def __rmul__(self, other: Any) -> Scalar:
        return self.like(other) * self

    def __rtruediv__(self, other: Any) -> Scalar:
        return self.like(other) / self

    def __neg__(self) -> Scalar:
        if is_float(self.type):
            return Scalar(arith.negf(self.value))
        return Scalar(complex.neg(self.value)) if is_complex(self.type) else self.like(0) - self

    def __and__(self, other: Any) -> Scalar:
        return self.do("and", other)

    def __or__(self, other: Any) -> Scalar:
        return self.do("or", other)

    def __xor__(self, other: Any) -> Scalar:
        return self.do("xor", other)

    def __invert__(self) -> Scalar:
        return self ^ -1

    def __lshift__(self, other: Any) -> Scalar:
        return self.do("shl", other)

    def __rshift__(self, other: Any) -> Scalar:
        return self.do("shr", other)

    def __lt__(self, other: Any) -> Scalar:
        return self._is("lt", other)

    def __le__(self, other: Any) -> Scalar:
        return self._is("le", other)

    def __gt__(self, other: Any) -> Scalar:
        return self._is("gt", other)

    def __ge__(self, other: Any) -> Scalar:
        return self._is("ge", other)

    def __eq__(self, other: Any) -> Scalar:  # type: ignore[override]
        return self._is("eq", other)

    def __ne__(self, other: Any) -> Scalar:  # type: ignore[override]
        return self._is("ne", other)

    def maximum(self, other: Any) -> Scalar:
        """The greater; NaN if either is."""
        return self.do("maximum", other)

    def minimum(self, other: Any) -> Scalar:
        """The smaller; NaN if either is."""
        return self.do("minimum", other)

    def pow(self, other: Any) -> Scalar:
        return self.do("pow", other)

    @property
    def real(self) -> Scalar:
        return Scalar(complex.re(self.value)) if is_complex(self.type) else self

    @property
    def imag(self) -> Scalar:
        return Scalar(complex.im(self.value)) if is_complex(self.type) else self.like(0)


def where(condition: Scalar, yes: Any, no: Any) -> Scalar:
    """`yes` where the condition holds, else `no`; one of them must be a Scalar."""
    typed = yes if isinstance(yes, Scalar) else no
    yes, no = typed.like(yes), typed.like(no)
    plain = signless(typed.type)
    chosen = arith.select(condition.value, recast(yes.value, plain), recast(no.value, plain))
    return Scalar(recast(chosen, typed.type))


def apply(operation: Callable[..., ir.Value], *scalars: Scalar) -> Scalar:
    """An operation of a dialect on Scalars: `apply(math.sqrt, x)`."""
    return Scalar(operation(*[s.value for s in scalars]))
