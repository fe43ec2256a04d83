"""ATen to Linalg: what TOSA has no operator for, or not for the element type."""

from frontend.ops.linalg.registry import ops_registry
from frontend.registry import import_modules

import_modules(__name__, __path__)

__all__ = ["ops_registry"]
