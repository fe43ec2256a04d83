"""A case: what a function is called with and what it should answer, as JSON, with its numbers in data files beside it."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

# How a tensor lies in memory, and as what its numbers are compared. Floats of 16 bits that numpy lacks go through f32.
STORED = {
    "f64": np.float64, "f32": np.float32, "f16": np.float16, "bf16": np.uint16, "i64": np.int64, "i32": np.int32,
    "i16": np.int16, "i8": np.int8, "i1": np.uint8, "index": np.int64, "u64": np.uint64, "u32": np.uint32, "u16": np.uint16,
    "u8": np.uint8, "c128": np.complex128, "c64": np.complex64,
}  # fmt: skip
DIGITS = {"f64": 53, "c128": 53, "f32": 24, "c64": 24, "f16": 11, "bf16": 8}  # binary, of a number's mantissa


class BadCase(Exception):
    """A case that does not fit its files or the code: which, and why."""


@dataclass(frozen=True)
class Tensor:
    """`file` holds its numbers from byte `offset` on; without one they are drawn from a generator.

    `dtype` is a key of STORED; `stored` is what the file has, where that is another.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    file: str = ""
    offset: int = 0
    stored: str = ""

    @property
    def nbytes(self) -> int:
        return math.prod(self.shape) * np.dtype(STORED[self.dtype]).itemsize


@dataclass(frozen=True)
class Result:
    """What the function should leave: a result of its own or, where `argument` is given, the new value of that argument.

    `tolerance` is the error that is allowed, relative to the largest element (of integers: the share that may differ); None
    takes the case's. `nan`: NaN is right where it is expected. `node`, `source`: where it comes from in the model.
    """

    expected: Tensor
    argument: int | None = None
    tolerance: float | None = None
    nan: bool = False
    node: str = ""
    source: str = ""


@dataclass(frozen=True)
class Case:
    """`tolerance`: a number, or a file that holds one."""

    function: str
    arguments: tuple[Tensor, ...]
    results: tuple[Result, ...]
    tolerance: float | str = 0.0
    seed: int = 0
    folder: Path = field(default=Path(), compare=False)  # where the files are

    def allowed(self, result: Result) -> float:
        """The error that a result may have."""
        if result.tolerance is not None:
            return result.tolerance
        return float((self.folder / self.tolerance).read_text()) if isinstance(self.tolerance, str) else self.tolerance


def default_tolerance(dtype: str) -> float:
    """Where only code is compared with code: two thirds of a number's digits must agree, for sums may be in another order."""
    return 2.0 ** -(2 * DIGITS[dtype] // 3) if dtype in DIGITS else 0.0


def save(cases: Sequence[Case], path: Path) -> None:
    path.write_text(json.dumps([{**asdict(case), "folder": ""} for case in cases], indent=1) + "\n")


def load(path: Path, function: str) -> Case:
    """The case of a function, out of the file's."""
    try:
        found = {data["function"]: data for data in json.loads(path.read_text())}
        data = found[function]
        return replace(_case(data), folder=path.parent)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadCase(f"{path}: holds no case of {function!r} ({type(error).__name__}: {error})") from error


def first_function(path: Path) -> str:
    """The function of a file's first case."""
    try:
        return str(json.loads(path.read_text())[0]["function"])
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise BadCase(f"{path}: holds no case ({type(error).__name__}: {error})") from error


def _case(data: dict[str, Any]) -> Case:
    results = [Result(**{**r, "expected": _tensor(r["expected"])}) for r in data["results"]]
    return Case(**{**data, "arguments": tuple(map(_tensor, data["arguments"])), "results": tuple(results)})


def _tensor(data: dict[str, Any]) -> Tensor:
    return Tensor(**{**data, "shape": tuple(data["shape"])})


def numbers(case: Case) -> list[np.ndarray]:
    """The arguments, each in memory of its own; what no file holds is drawn: normal floats, integers 0 or 1 (8 bits: or -1)."""
    generator = np.random.default_rng(case.seed)
    return [_read(case.folder, t) if t.file else _drawn(t, generator) for t in case.arguments]


def expected(case: Case, result: Result) -> np.ndarray:
    """The numbers that a result should have, as `decoded` gives them."""
    tensor = result.expected
    return decoded(_read(case.folder, replace(tensor, dtype=tensor.stored or tensor.dtype)), tensor.stored or tensor.dtype)


def room(case: Case, result: Result) -> np.ndarray:
    """Memory for a result, in which an element that nobody writes shows: NaN, or an integer that is not right."""
    tensor = result.expected
    array = np.full(tensor.nbytes, 0xFF, np.uint8).view(STORED[tensor.dtype]).reshape(tensor.shape)
    if tensor.file and tensor.dtype not in DIGITS:
        array[...] = ~_read(case.folder, tensor)
    return array


def decoded(array: np.ndarray, dtype: str) -> np.ndarray:
    """Stored numbers as numpy computes with them: floats of 16 bits as f32."""
    if dtype == "bf16":
        return (array.astype(np.uint32) << 16).view(np.float32)
    return array.astype(np.float32) if dtype == "f16" else array


def _read(folder: Path, tensor: Tensor) -> np.ndarray:
    path = folder / tensor.file
    try:
        data = np.fromfile(path, np.uint8, tensor.nbytes, offset=tensor.offset)
    except OSError as error:
        raise BadCase(f"{path}: {error.strerror}; `doit frontend` writes it") from error
    if data.nbytes != tensor.nbytes:
        raise BadCase(f"{path}: ends before {tensor.name!r}; it belongs to another build: `doit frontend` writes it anew")
    return data.view(STORED[tensor.dtype]).reshape(tensor.shape)


def _drawn(tensor: Tensor, generator: np.random.Generator) -> np.ndarray:
    shape, dtype = tensor.shape, tensor.dtype
    if dtype not in DIGITS:
        least = -1 if dtype == "i8" else 0  # weights have both signs; what others hold may be indices
        return generator.integers(least, 2, shape).astype(STORED[dtype])
    values = generator.standard_normal(shape, np.float32)
    if dtype == "bf16":
        return (values.view(np.uint32) >> 16).astype(np.uint16)
    if dtype.startswith("c"):
        return (values + 1j * generator.standard_normal(shape, np.float32)).astype(STORED[dtype])
    return values.astype(STORED[dtype])
