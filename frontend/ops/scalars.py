"""Scalars inside a lowering's loops: constants, PyTorch's conversions, and arithmetic in Python's own notation.

Unsigned integers exist in types only: what computes on them casts to the signless type of the same width and back, and
`frontend.lower` removes the casts, so no pass ever sees one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from passes.mlir import arith, builtin, complex, ir, math

_COMPONENTS = {"c32": "f16", "c64": "f32", "c128": "f64"}


def element_type(dtype: str) -> ir.Type:
    """The MLIR type of a dtype of `frontend.graph.BYTES`."""
    floats = {"f64": ir.F64Type, "f32": ir.F32Type, "f16": ir.F16Type, "bf16": ir.BF16Type}
    if dtype in floats:
        return floats[dtype].get()
    if dtype in _COMPONENTS:
        return ir.ComplexType.get(element_type(_COMPONENTS[dtype]))
    if dtype == "index":
        return ir.IndexType.get()
    width = int(dtype[1:])
    return ir.IntegerType.get_unsigned(width) if dtype[0] == "u" else ir.IntegerType.get_signless(width)


def is_float(element: ir.Type) -> bool:
    return isinstance(element, ir.FloatType)


def is_complex(element: ir.Type) -> bool:
    return isinstance(element, ir.ComplexType)


def is_unsigned(element: ir.Type) -> bool:
    return isinstance(element, ir.IntegerType) and element.is_unsigned


def is_bool(element: ir.Type) -> bool:
    return isinstance(element, ir.IntegerType) and element.width == 1


def component(element: ir.Type) -> ir.Type:
    """The type of a complex number's parts; any other type is its own."""
    return ir.ComplexType(element).element_type if is_complex(element) else element


def wide(element: ir.Type) -> ir.Type:
    """The type that PyTorch computes in before it rounds once: f32 for floats of 16 bits, any other type is its own."""
    return ir.F32Type.get() if is_float(element) and element.width == 16 else element


def exact(element: ir.Type) -> ir.Type:
    """The type in which long sums and iterations are kept, so that they lose no digits: f64 for any float."""
    return element_type("c128" if is_complex(element) else "f64") if is_float(component(element)) else element


def limits(element: ir.Type) -> tuple[Any, Any]:
    """The least and the greatest number of a real type."""
    if is_float(element):
        return float("-inf"), float("inf")
    signed = not is_unsigned(element) and not is_bool(element)
    return (-(1 << element.width - 1), (1 << element.width - 1) - 1) if signed else (0, (1 << element.width) - 1)


def signless(element: ir.Type) -> ir.Type:
    return ir.IntegerType.get_signless(element.width) if is_unsigned(element) else element


def recast(value: ir.Value, to: ir.Type) -> ir.Value:
    """The same bits under another signedness."""
    return value if value.type == to else builtin.UnrealizedConversionCastOp([to], [value]).results[0]


def number(element: ir.Type, value: Any) -> ir.Attribute:
    """A Python number as an attribute of a float or signless integer type, wrapped to its width."""
    if is_float(element):
        return ir.FloatAttr.get(element, float(value))
    width = getattr(element, "width", 64)
    whole = int(bool(value)) if width == 1 else int(value) & ((1 << width) - 1)
    return ir.IntegerAttr.get(element, whole - (1 << width) if width > 1 and whole >> (width - 1) else whole)


def constant(element: ir.Type, value: Any) -> ir.Value:
    """A Python number as a scalar of any element type."""
    if is_complex(element):
        part = component(element)
        parts = [number(part, value.real), number(part, value.imag)]
        return complex.ConstantOp(element, ir.ArrayAttr.get(parts)).result
    return recast(arith.constant(signless(element), number(signless(element), value)), element)


def convert(x: ir.Value, to: ir.Type) -> ir.Value:
    """A scalar as another element type, as PyTorch converts: towards zero, non-zero is true, real parts of complex numbers."""
    source = x.type
    if source == to:
        return x
    if is_bool(to):
        return compare("ne", x, constant(source, 0))
    if is_complex(to):
        return _to_complex(x, to)
    if is_complex(source):
        return convert(complex.re(x), to)
    if ir.IndexType.get() in (source, to):
        return _index(x, to)
    if is_float(source):
        return _float_to(x, to)
    if is_float(to):
        signed = not is_bool(source) and not is_unsigned(source)
        return (arith.sitofp if signed else arith.uitofp)(to, recast(x, signless(source)))
    return _resize(x, to)


def _to_complex(x: ir.Value, to: ir.Type) -> ir.Value:
    part = component(to)
    real, imaginary = (complex.re(x), complex.im(x)) if is_complex(x.type) else (x, constant(part, 0))
    return complex.create_(to, convert(real, part), convert(imaginary, part))


def _index(x: ir.Value, to: ir.Type) -> ir.Value:
    wide = ir.IntegerType.get_signless(64)
    return arith.index_cast(to, convert(x, wide)) if to == ir.IndexType.get() else convert(arith.index_cast(wide, x), to)


def _float_to(x: ir.Value, to: ir.Type) -> ir.Value:
    if not is_float(to):
        whole = ir.IntegerType.get_signless(max(to.width, 32))  # what does not fit in this gives its lowest number, as on x86
        return _resize(arith.fptosi(whole, x), to)
    if ir.F32Type.get() not in (x.type, to):  # through f32, as in PyTorch
        return convert(convert(x, ir.F32Type.get()), to)
    return arith.extf(to, x) if ir.FloatType(to).width > ir.FloatType(x.type).width else arith.truncf(to, x)


def _resize(x: ir.Value, to: ir.Type) -> ir.Value:
    unsigned = is_unsigned(x.type) or is_bool(x.type)
    x, plain = recast(x, signless(x.type)), signless(to)
    if plain.width < x.type.width:
        x = arith.trunci(plain, x)
    elif plain.width > x.type.width:
        x = (arith.extui if unsigned else arith.extsi)(plain, x)
    return recast(x, to)


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
