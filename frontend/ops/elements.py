"""Element types, constants of them, and PyTorch's conversions between them.

Unsigned integers exist in types only: what computes on them casts to the signless type of the same width and back, and
`passes.signless` removes the casts, so no other pass ever sees one.
"""

from __future__ import annotations

from typing import Any

from passes.mlir import arith, builtin, complex, ir

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
        return _nonzero(x)
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


def _nonzero(x: ir.Value) -> ir.Value:
    if is_complex(x.type):
        return complex.neq(x, constant(x.type, 0))
    if is_float(x.type):
        return arith.cmpf(arith.CmpFPredicate.UNE, x, constant(x.type, 0))
    return arith.cmpi(arith.CmpIPredicate.ne, *(recast(v, signless(x.type)) for v in (x, constant(x.type, 0))))


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
