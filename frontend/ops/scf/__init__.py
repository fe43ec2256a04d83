"""ATen to loops: what writes an element only after it has looked at others, like sorting and factorising."""

from frontend.ops.scf import eigen, ldl, lu, matrix_exp, qr, svd, triangular
from frontend.ops.scf.registry import ops_registry

__all__ = ["eigen", "ldl", "lu", "matrix_exp", "ops_registry", "qr", "svd", "triangular"]
