"""ATen to the math dialect: elementwise functions that TOSA lacks, or lacks for the element type."""

from frontend.ops.math import bessel, elementary, error, gamma, incomplete_gamma, polynomials
from frontend.ops.math.registry import ops_registry

__all__ = ["bessel", "elementary", "error", "gamma", "incomplete_gamma", "ops_registry", "polynomials"]
