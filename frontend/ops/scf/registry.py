"""What the scf dialect carries."""

from frontend.registry import Registry

ops_registry = Registry("scf")
