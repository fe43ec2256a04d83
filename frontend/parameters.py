"""How tensors lie in a data file, and how a parameter is packed on its way there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from frontend.graph import BYTES, Parameter, TensorType

ALIGNMENT = 64  # bytes: a cache line, and a 512-bit vector


class BadData(Exception):
    """A data file that is not what its graph says."""


def offsets(types: Iterable[TensorType]) -> tuple[list[int], int]:
    """Where each tensor begins in a data file, in bytes, and the file's size."""
    starts, end = [], 0
    for type_ in types:
        starts.append(end)
        end += -(-type_.nbytes // ALIGNMENT) * ALIGNMENT
    return starts, end


def read(path: Path, types: Sequence[TensorType]) -> list[np.ndarray]:
    """The tensors of a data file, mapped, as unsigned integers of their elements' width."""
    starts, size = offsets(types)
    if path.stat().st_size != size:
        raise BadData(f"{path}: {path.stat().st_size} bytes, expected {size}; rebuild it with `doit frontend`")
    data = np.memmap(path, np.uint8, "r") if size else np.empty(0, np.uint8)
    return [
        data[start : start + t.nbytes].view(f"u{BYTES[t.dtype]}").reshape(t.sizes)
        for start, t in zip(starts, types, strict=True)
    ]


def write(path: Path, arrays: Iterable[np.ndarray]) -> None:
    """The tensors in order, each contiguous and padded to ALIGNMENT bytes."""
    with path.open("wb") as file:
        for array in arrays:
            file.write(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
            file.write(bytes(-array.nbytes % ALIGNMENT))


def pack(array: np.ndarray, parameter: Parameter) -> np.ndarray:
    """`array`, as the model has it, in the form that `parameter` says: [n, k] to [ceil(n / panels), k, panels]."""
    if not parameter.panels:
        return array
    matrix = array.T if parameter.transposed else array
    n, k = matrix.shape
    width = parameter.panels
    if n % width:
        matrix = np.concatenate([matrix, np.zeros((-n % width, k), matrix.dtype)])
    return np.ascontiguousarray(matrix.reshape(-1, width, k).transpose(0, 2, 1))
