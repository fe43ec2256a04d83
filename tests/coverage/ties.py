"""Operators that tell where an element was found: among equal ones PyTorch promises none, so any of them is right."""

from __future__ import annotations

from typing import Any

from torch.testing._internal.opinfo.core import SampleInput

# Where the dimension stands among the arguments after the input.
DIMENSION = {"sort": 0, "argsort": 0, "mode": 0, "topk": 1, "kthvalue": 1}


def found(name: str, sample: SampleInput, results: list[Any]) -> list[Any] | None:
    """In place of indices: the elements there, and which of a line's are distinct; None where nothing is left open."""
    place = DIMENSION.get(name)
    if place is None or sample.kwargs.get("stable"):
        return None
    *values, indices = results
    dim = sample.kwargs.get("dim", sample.args[place] if len(sample.args) > place else -1)
    input_ = sample.input
    if not isinstance(dim, int) or not input_.dim() or input_.numel() == 0:
        return None
    lines = indices if indices.dim() == input_.dim() else indices.unsqueeze(dim)
    if ((lines < 0) | (lines >= input_.shape[dim])).any():
        return [*values, indices]
    ordered = lines.sort(dim).values
    before, after = (ordered.narrow(dim, first, max(ordered.shape[dim] - 1, 0)) for first in (0, min(1, ordered.shape[dim])))
    return [*values, input_.gather(dim, lines), before != after]
