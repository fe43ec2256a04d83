"""Operator to lowering: a registry a dialect, and the order in which they are asked."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from typing import Any

Lowering = Callable[..., Any]


class Registry(dict[str, Lowering]):
    """The lowerings that a dialect carries, by operator (`aten.add.Tensor`).

    A lowering is called as `lowering(out, **args)` inside an insertion point: `out` is the result's MLIR type (a tuple of them
    for an operator with several results), the arguments are named as the operator's schema names them. It returns the result,
    or DECLINED to pass the operator on to the next registry.
    """

    def __init__(self, dialect: str) -> None:
        super().__init__()
        self.dialect = dialect
        self.dynamic: set[str] = set()  # operators whose lowering takes dynamic sizes too

    def lowers(self, *operators: str, dynamic: bool = False) -> Callable[[Lowering], Lowering]:
        """Register the decorated function; a second registration of a name is an error, not an overwrite.

        Without `dynamic` it is only asked when every size is known.
        """

        def keep(function: Lowering) -> Lowering:
            for name in operators:
                rival = self.setdefault(name, function)
                if rival is not function:
                    raise ValueError(
                        f"{name} is already lowered to {self.dialect} by {rival.__module__}.{rival.__qualname__}; "
                        f"delete that or {function.__module__}.{function.__qualname__}"
                    )
            if dynamic:
                self.dynamic.update(operators)
            return function

        return keep


DECLINED = object()


class MissingLowerings(Exception):
    """Every node of a graph that no registry lowers, each with where it comes from and where a lowering goes."""

    def __init__(self, rows: list[str], advice: str, operators: list[str]) -> None:
        super().__init__("\n".join([f"no lowering for {len(rows)} node(s):", *rows, advice]))
        self.operators = operators


def find(registries: Sequence[Registry], name: str, static: bool = True) -> list[tuple[str, Lowering]]:
    """The lowerings of an operator in the order in which they are asked, each with its registry's name.

    Unless all sizes are `static`, only those that take dynamic ones.
    """
    return [(r.dialect, r[name]) for r in registries if name in r and (static or name in r.dynamic)]


def nearest(registries: Sequence[Registry], name: str) -> str | None:
    """The registered operator whose name is closest, for an error's hint."""
    close = difflib.get_close_matches(name, {n for registry in registries for n in registry}, 1, 0.6)
    return close[0] if close else None
