"""ATen to Linalg: what TOSA has no operator for, or not for the element type."""

from frontend.ops.linalg import convolution, elementwise, padding, pools, products, reductions
from frontend.ops.linalg.registry import ops_registry

__all__ = ["convolution", "elementwise", "ops_registry", "padding", "pools", "products", "reductions"]
