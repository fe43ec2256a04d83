"""ATen to Linalg: what TOSA has no operator for, or not for the element type."""

from frontend.ops.linalg import (
    arithmetic,
    bits,
    convolution,
    creation,
    elementwise,
    integers,
    matmul,
    padding,
    pools,
    products,
    reductions,
)
from frontend.ops.linalg.registry import ops_registry

__all__ = [
    "arithmetic",
    "bits",
    "convolution",
    "creation",
    "elementwise",
    "integers",
    "matmul",
    "ops_registry",
    "padding",
    "pools",
    "products",
    "reductions",
]
