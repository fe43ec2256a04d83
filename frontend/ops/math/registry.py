"""What the math dialect carries."""

from frontend.registry import Registry

ops_registry = Registry("math")
