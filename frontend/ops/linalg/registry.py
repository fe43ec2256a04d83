"""What the linalg dialect carries."""

from frontend.registry import Registry

ops_registry = Registry("linalg")
