"""How tensors lie in a data file, and how a parameter is packed on its way there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from frontend.graph import BYTES, Panels, Parameter, TensorType

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


def stored(parameter: Parameter, given: Mapping[str, np.ndarray]) -> np.ndarray:
    """A parameter as the code reads it, from what the model has, by name."""
    parts = [pack(given[part.scales_of or part.name], part) for part in parameter.whole()]
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def pack(array: np.ndarray, parameter: Parameter) -> np.ndarray:
    """`array`, as the model has it, in the form that `parameter` says: packed as `Panels` says, quantized if it is of i8.

    Elements may be given as unsigned integers of their width.
    """
    panels = parameter.panels
    if panels is None:
        return array
    matrix = array.T if panels.transposed else array
    if parameter.scales_of or parameter.type.dtype == "i8":
        matrix, scales = quantized(matrix.view(np.float32))
        if parameter.scales_of:
            return scales
    n, k = matrix.shape
    whole = np.pad(matrix, ((0, -n % panels.width), (0, -k % panels.steps)))
    groups = whole.reshape(-1, panels.width, whole.shape[1] // panels.steps, panels.steps).transpose(0, 2, 1, 3)
    return np.ascontiguousarray(groups).reshape(panels.shape(n, k))


def quantized(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """f32 [n, k] as i8 [n, k] and f32 scales [n]: each row is its i8 times its scale, the largest magnitude over 127."""
    scales = np.abs(matrix).max(axis=1) / np.float32(127)
    numbers = np.divide(matrix, scales[:, None], out=np.zeros_like(matrix), where=scales[:, None] > 0)
    return np.rint(numbers).clip(-127, 127).astype(np.int8), scales


def dequantized(array: np.ndarray, panels: Panels) -> np.ndarray:
    """The f32 matrix that the quantized form of `array`, a matrix as the model has it, stands for."""
    numbers, scales = quantized(array.T if panels.transposed else array)
    matrix = numbers * scales[:, None]
    return matrix.T if panels.transposed else matrix
