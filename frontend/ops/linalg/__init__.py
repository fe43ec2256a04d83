"""ATen to Linalg: what TOSA has no operator for, or not for the element type."""

from frontend.ops.linalg import complex, elementwise, products, reductions
from frontend.ops.linalg.registry import ops_registry

__all__ = ["complex", "elementwise", "ops_registry", "products", "reductions"]
