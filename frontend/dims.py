"""Sizes that are known only when the code runs: arithmetic on symbols."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from frontend.graph import Dim, TensorType

_OPERATORS: dict[type, Callable[..., Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.USub: operator.neg,
}


class BadDim(Exception):
    """An expression that cannot be computed: which, and what in it."""


def evaluate(dim: Dim, symbols: Mapping[str, Any], functions: Mapping[str, Callable[..., Any]] | None = None) -> Any:
    """The value of an expression over Python ints, or whatever computes like them; `functions` then gives Max and Min."""
    known: dict[str, Callable[..., Any]] = {
        "Max": max,
        "Min": min,
        "FloorDiv": operator.floordiv,
        "Mod": operator.mod,
        **(functions or {}),
    }

    def value(node: ast.expr) -> Any:
        match node:
            case ast.Constant(value=int(number)):
                return number
            case ast.Name(id=name) if name in symbols:
                return symbols[name]
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
                return _OPERATORS[type(op)](value(left), value(right))
            case ast.BinOp(left=left, op=ast.Pow(), right=ast.Constant(value=int(times))):
                result: Any = 1
                for _ in range(times):
                    result = value(left) * result
                return result
            case ast.UnaryOp(op=op, operand=inner) if type(op) in _OPERATORS:
                return _OPERATORS[type(op)](value(inner))
            case ast.Call(func=ast.Name(id=name), args=args) if _plain(name) in known:
                return _fold(known[_plain(name)], [value(a) for a in args])
        raise BadDim(f"size {dim}: {ast.unparse(node)!r} is not known; it may use {', '.join([*symbols, *known])}")

    return value(ast.parse(dim.expression, mode="eval").body)


def _plain(name: str) -> str:
    return {"PythonMod": "Mod", "CleanDiv": "FloorDiv"}.get(name, name)


def _fold(function: Callable[..., Any], values: list[Any]) -> Any:
    result = values[0]
    for other in values[1:]:
        result = function(result, other)
    return result


def symbols_in(types: Iterable[tuple[str, TensorType]]) -> dict[str, tuple[str, int]]:
    """Where each symbol can be read: the name of the first tensor that has it as a whole dimension, and which."""
    found: dict[str, tuple[str, int]] = {}
    for name, type_ in types:
        for axis, size in enumerate(type_.shape):
            if isinstance(size, Dim) and size.expression.isidentifier():
                found.setdefault(size.expression, (name, axis))
    return found
