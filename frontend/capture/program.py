"""A compiled program with the calling convention of the PyTorch program that it was captured from."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn
from torch.utils import _pytree as pytree

from frontend.capture.callable import BadArgument
from frontend.capture.functional import Constant


@dataclass
class Convention:
    """How a program is called: `takes[i]` is the place of the graph's input i among the flat arguments.

    `given` are the flat arguments of the capture, tensors left out: they are part of the graph. `returns` says for each flat
    result which output of the graph it is, or its value.
    """

    module: nn.Module
    in_spec: pytree.TreeSpec
    takes: list[int]
    given: list[Any]
    out_spec: pytree.TreeSpec
    returns: list[int | Constant]


class Program:
    """Called as the captured program is, returns what that returns.

    `run` is its code, from tensors to the list of outputs: `Compiled` or `Pieces`.
    """

    def __init__(self, name: str, run: Any, convention: Convention) -> None:
        self.name, self.run, self._convention = name, run, convention
        self._plain = convention.takes == list(range(len(convention.given)))
        self._flat = self._plain and convention.in_spec == pytree.tree_structure((tuple(0 for _ in convention.given), {}))
        self._single = convention.out_spec.is_leaf() and convention.returns == [0]

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self._flat and not kwargs and len(args) == len(self._convention.given):  # the usual case, without pytree's 10 us
            return self._results(args)
        convention = self._convention
        leaves, spec = pytree.tree_flatten(bind(convention.module, args, kwargs))
        if spec != convention.in_spec:
            raise BadArgument(f"{self.name!r} was captured with arguments of the structure {convention.in_spec}, given {spec}")
        if not self._plain:
            self._check(leaves)
        return self._results([leaves[place] for place in convention.takes])

    def _results(self, tensors: Sequence[Any]) -> Any:
        outputs = self.run(*tensors)
        if self._single:
            return outputs[0]
        returns, spec = self._convention.returns, self._convention.out_spec
        values = [outputs[r] if isinstance(r, int) else r.known(lambda: self.run.sizes(tensors)) for r in returns]
        return pytree.tree_unflatten(values, spec)

    def _check(self, leaves: Sequence[Any]) -> None:
        for place, (leaf, known) in enumerate(zip(leaves, self._convention.given, strict=True)):
            if place not in self._convention.takes and (type(leaf) is not type(known) or leaf != known):
                raise BadArgument(
                    f"{self.name!r} was captured with {known!r} as flat argument {place}, given {leaf!r}; capture it again"
                )


def bind(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Arguments in the order of forward's, keywords that have a place among them too."""
    if not kwargs:
        return args, kwargs
    try:
        bound = inspect.signature(module.forward).bind(*args, **kwargs)
    except ValueError:  # a builtin, which tells no signature
        return args, kwargs
    return bound.args, bound.kwargs
