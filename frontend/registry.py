"""Operator to lowering: a registry a dialect, and the order in which they are asked."""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
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

    @classmethod
    def of(cls, lowerings: Mapping[str, Lowering]) -> Registry:
        """A plain mapping as a registry of the name `primary`; a registry is itself."""
        if isinstance(lowerings, Registry):
            return lowerings
        registry = cls("primary")
        registry.update(lowerings)
        return registry

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


@dataclass(frozen=True)
class Missing:
    """A node that no registry lowers: what is known of it, and what comes near."""

    node: str
    operator: str
    takes: tuple[str, ...]  # the types of its operands
    gives: tuple[str, ...]
    source: str  # the line of the program, as file:line
    declined_by: tuple[str, ...]  # registries that lower the operator, but not for these types
    nearest: str | None  # a registered operator with a similar name

    def __str__(self) -> str:
        hint = f"; nearest known: {self.nearest}" if self.nearest else ""
        if self.declined_by:
            hint = f"; lowered by {', '.join(self.declined_by)}, but not for these types"
        return f"{self.node}: {self.operator} ({', '.join(self.takes)}) -> {', '.join(self.gives)} at {self.source}{hint}"


class MissingLowerings(Exception):
    """Every node of a graph that no registry lowers, as `missing`, and where a lowering goes."""

    def __init__(self, missing: Sequence[Missing], advice: str) -> None:
        super().__init__("\n".join([f"no lowering for {len(missing)} node(s):", *(f"  {row}" for row in missing), advice]))
        self.missing = list(missing)


def find(registries: Sequence[Registry], name: str, static: bool = True) -> list[tuple[str, Lowering]]:
    """The lowerings of an operator in the order in which they are asked, each with its registry's name.

    Unless all sizes are `static`, only those that take dynamic ones.
    """
    return [(r.dialect, r[name]) for r in registries if name in r and (static or name in r.dynamic)]


def nearest(registries: Sequence[Registry], name: str) -> str | None:
    """The registered operator whose name is closest, for an error's hint; another overload of the same one comes first."""
    known = {n for registry in registries for n in registry}
    base = _base(name)
    overloads = sorted(n for n in known if _base(n) == base)
    close = overloads or difflib.get_close_matches(name, [n for n in known if _alike(_base(n), base)], 1, 0.6)
    return close[0] if close else None


def _base(name: str) -> str:
    """`add` of `aten.add.Tensor`."""
    return name.split(".")[1] if name.count(".") > 1 else name


def _alike(one: str, other: str) -> bool:
    return difflib.SequenceMatcher(None, one, other).ratio() > 0.75


def import_modules(package: str, path: Iterable[str]) -> None:
    """Import every module of a package, so that what it registers is registered."""
    for module in pkgutil.iter_modules(path):
        importlib.import_module(f"{package}.{module.name}")
