"""ATen to loops: what writes an element only after it has looked at others, like sorting and factorising."""

from frontend.ops.scf.registry import ops_registry
from frontend.registry import import_modules

import_modules(__name__, __path__)

__all__ = ["ops_registry"]
