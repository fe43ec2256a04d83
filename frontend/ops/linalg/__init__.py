"""ATen to Linalg: what TOSA has no operator for, or not for the element type."""

from frontend.ops.linalg import elementwise, indexing, products, reductions, views
from frontend.ops.linalg.registry import ops_registry

__all__ = ["elementwise", "indexing", "ops_registry", "products", "reductions", "views"]
