"""ATen to the math dialect: elementwise functions that TOSA lacks, or lacks for the element type."""

from frontend.ops.math.registry import ops_registry
from frontend.registry import import_modules

import_modules(__name__, __path__)

__all__ = ["ops_registry"]
