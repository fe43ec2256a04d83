"""ATen to Linalg: what TOSA has no operator for, or not for the element type."""

from frontend.ops.linalg import convolution, elementwise, indexing, padding, pools, products, reductions, views
from frontend.ops.linalg.registry import ops_registry

__all__ = ["convolution", "elementwise", "indexing", "ops_registry", "padding", "pools", "products", "reductions", "views"]
