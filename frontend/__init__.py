"""The importer: PyTorch programs to MLIR. `DynamoCompiler` is its face.

Names are looked up when first used, so that what needs no torch does not import it.
"""

from typing import Any

_HOMES = {
    "CaptureError": "frontend.capture",
    "DynamoCompiler": "frontend.compiler",
    "Graph": "frontend.graph",
    "GraphDriver": "frontend.driver",
    "LoweringError": "frontend.lower",
    "MissingLowerings": "frontend.registry",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"frontend has no {name!r}; it has {', '.join(sorted(_HOMES))}")
    import importlib

    return getattr(importlib.import_module(_HOMES[name]), name)
