"""ATen to loops: what writes an element only after it has looked at others, like sorting and factorising."""

from frontend.ops.scf import scatter, segments
from frontend.ops.scf.registry import ops_registry

__all__ = ["ops_registry", "scatter", "segments"]
