"""exp of f32 as arithmetic, so that it stays in vector registers: a call of libm computes one lane at a time.

exp(x) = 2^n exp(r) with n = round(x / ln 2) and |r| <= ln 2 / 2; the polynomial for exp(r) is Cephes' (S. Moshier, expf.c).
Within 2 ulp of the exact value from -104 (where it becomes 0, subnormals included) to 88.73 (infinity); NaN stays NaN.
"""

from __future__ import annotations

from passes.mlir import arith, ir, math
from passes.schedule import find_all
from passes.targets import Target

LOWEST, HIGHEST = -104.0, 89.0
LOG2_E = 1.44269504088896341
LN2_HIGH, LN2_LOW = 0.693359375, -2.12194440e-4
ROUNDER = 12582912.0  # 1.5 * 2^23: adding it leaves a float's nearest integer in its low bits
COEFFICIENTS = (1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1)


def expand_exp(module: ir.Operation, target: Target) -> None:
    """Replace math.exp on f32 scalars."""
    for op in find_all(module, "math.exp"):
        if op.results[0].type == ir.F32Type.get(module.context):
            with ir.InsertionPoint(op), op.location:
                op.results[0].replace_all_uses_with(_exp(op.operands[0], target.fma))
            op.erase()


def _exp(x: ir.Value, fused: bool) -> ir.Value:
    f32, i32 = ir.F32Type.get(), ir.IntegerType.get_signless(32)

    def real(value: float) -> ir.Value:
        return arith.constant(f32, ir.FloatAttr.get(f32, value))

    def whole(value: int) -> ir.Value:
        return arith.constant(i32, ir.IntegerAttr.get(i32, value))

    def multiply_add(a: ir.Value, b: ir.Value, c: ir.Value) -> ir.Value:
        return math.fma(a, b, c) if fused else arith.addf(arith.mulf(a, b), c)

    def power_of_two(exponent: ir.Value) -> ir.Value:
        return arith.bitcast(f32, arith.shli(arith.addi(exponent, whole(127)), whole(23)))

    clamped = arith.minimumf(arith.maximumf(x, real(LOWEST)), real(HIGHEST))
    shifted = multiply_add(clamped, real(LOG2_E), real(ROUNDER))
    n = arith.subf(shifted, real(ROUNDER))
    r = multiply_add(n, real(-LN2_LOW), multiply_add(n, real(-LN2_HIGH), clamped))
    polynomial = real(COEFFICIENTS[0])
    for coefficient in COEFFICIENTS[1:]:
        polynomial = multiply_add(polynomial, r, real(coefficient))
    exp_r = multiply_add(polynomial, arith.mulf(r, r), arith.addf(r, real(1.0)))
    # 2^n in two factors: n reaches below the smallest and above the largest exponent of a float.
    exponent = arith.subi(arith.bitcast(i32, shifted), arith.bitcast(i32, real(ROUNDER)))
    half = arith.shrsi(exponent, whole(1))
    return arith.mulf(arith.mulf(exp_r, power_of_two(half)), power_of_two(arith.subi(exponent, half)))
