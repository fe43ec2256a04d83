"""What is measured: Sluice, and beside it torch-mlir's own importer, through the same JIT."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.coverage.samples import Call


class Unsupported(Exception):
    """A sample that a compiler refuses; `missing` are the operators that it names."""

    def __init__(self, text: str, missing: list[str] | None = None) -> None:
        super().__init__(text)
        self.missing = missing or []


def sluice(call: Call, expected: list[Any]) -> Any:
    from frontend import DynamoCompiler
    from frontend.registry import MissingLowerings

    try:
        compiled = DynamoCompiler().compile(call, *call.arguments())
        return compiled(*call.arguments())
    except MissingLowerings as error:
        raise Unsupported(str(error), sorted({m.operator for m in error.missing})) from error
    except Exception as error:
        raise Unsupported(f"{type(error).__name__}: {error}") from error


def torch_mlir(call: Call, expected: list[Any]) -> Any:
    from tests.coverage import peer

    try:
        return peer.torch_mlir(call, expected)
    except Exception as error:
        raise Unsupported(f"{type(error).__name__}: {error}") from error


SUBJECTS: dict[str, Callable[[Call, list[Any]], Any]] = {"sluice": sluice, "torch-mlir": torch_mlir}
