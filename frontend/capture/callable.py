"""A compiled graph as a Python callable on torch tensors, without copying them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from frontend import parameters
from frontend.capture.fx_graph import DTYPES, TORCH
from frontend.dims import evaluate, symbols_in
from frontend.graph import Dim, Graph, Input, Parameter, TensorType


class BadArgument(TypeError):
    """An argument that the compiled function does not take: its name, what came and what is taken."""


class Compiled:
    """A graph's code with its parameters bound: `compiled(*tensors)` gives the list of its outputs.

    Tensors are read where they lie (those that are not contiguous are copied first), results are new memory, what the program
    writes in place is written there. Gradients do not pass through it.

    `given` are the tensors of the parameters that the graph was captured with, by name, in order. Weights of linears are
    copied here, and the biases of those that were merged: what is written into them from outside later is not seen.
    `code` is a `frontend.codegen.Code`, `make_frame(ranks)` gives a `runner.jit.Frame`.
    """

    def __init__(self, code: Any, make_frame: Any, given: Mapping[str, torch.Tensor]) -> None:
        self.graph: Graph = code.graph
        self._code, self._make_frame = code, make_frame
        self._entry = code.entry.call if code.entry else None
        self._given = given
        self._parameters = [_stored(p, given) for p in self.graph.parameters]
        self._inputs = [_Argument(i) for i in self.graph.inputs]
        self._results = [(t.shape, TORCH[t.dtype]) for t in code.results]
        self.sizes = Sizes(self.graph)
        self._places = {i.name: place for place, i in enumerate(self.graph.inputs)}
        self._frames: list[Any] = []

    def __call__(self, *tensors: Any) -> list[torch.Tensor]:
        """The graph's outputs on the tensors of its inputs, in order."""
        inputs = self._inputs
        if len(tensors) != len(inputs):
            raise BadArgument(f"{self.graph.name!r} takes {len(inputs)} tensors, {len(tensors)} were given")
        given = [take(t) for take, t in zip(inputs, tensors, strict=True)]
        sizes = None if self.sizes.static else self.sizes(given)
        results = [torch.empty(shape if sizes is None else known(shape, sizes), dtype=dtype) for shape, dtype in self._results]
        if self._entry is not None:
            self._run(given, results, sizes is not None)
        if self._code.found:
            results = self._trimmed(results, sizes or {})
        outputs = [results[o] if isinstance(o, int) else self._argument(o, tensors) for o in self._code.outputs]
        if not self.graph.writes:
            return outputs
        kept = len(outputs) - len(self.graph.writes)
        for name, value in zip(self.graph.writes, outputs[kept:], strict=True):
            self._argument(name, tensors).copy_(value)
        return outputs[:kept]

    def _trimmed(self, results: list[torch.Tensor], sizes: dict[str, int]) -> list[torch.Tensor]:
        """Results without their padding: the last ones tell the sizes."""
        count = len(self.graph.outputs)
        sizes = sizes | {symbol: int(value) for symbol, value in zip(self._code.found, results[count:], strict=True)}
        shapes = [known(self.graph.type_of(ref).shape, sizes) for ref in self.graph.outputs]
        for result, shape in zip(results, shapes, strict=False):
            if any(size > room for size, room in zip(shape, result.shape, strict=True)):
                raise RuntimeError(
                    f"{self.graph.name!r} found {shape} elements, more than the {tuple(result.shape)} that torch promised"
                )
        return [
            result[tuple(slice(size) for size in shape)].contiguous()
            for result, shape in zip(results[:count], shapes, strict=True)
        ]

    def among_arguments(self) -> Callable[..., list[torch.Tensor]]:
        """The same, for a caller that passes the tensors of the parameters too, first; they are bound already."""
        skip = len(self._given)
        return lambda *tensors: self(*tensors[skip:])

    def _run(self, given: list[torch.Tensor], results: list[torch.Tensor], dynamic: bool) -> None:
        frame = self._frames.pop() if self._frames else self._new_frame()
        words, starts = frame.words, frame.starts
        number = len(self._parameters)
        for tensor in (*given, *results):
            start = starts[number]
            words[start] = words[start + 1] = tensor.data_ptr()
            if dynamic:
                frame.shape(number, tensor.shape)
            number += 1
        self._entry(frame.address)  # type: ignore[misc]
        self._frames.append(frame)

    def _new_frame(self) -> Any:
        shapes = [p.shape for p in self._parameters] + [i.shape for i in self._inputs] + [s for s, _ in self._results]
        frame = self._make_frame([len(shape) for shape in shapes])
        for number, shape in enumerate(shapes):
            if all(isinstance(size, int) for size in shape):
                frame.shape(number, shape)
        for number, tensor in enumerate(self._parameters):
            start = frame.starts[number]
            frame.words[start] = frame.words[start + 1] = tensor.data_ptr()
        return frame

    def _argument(self, name: str, tensors: Sequence[torch.Tensor]) -> torch.Tensor:
        return self._given[name] if name in self._given else tensors[self._places[name]]


class Sizes:
    """What a graph's symbols are, when it is called with these tensors; `static` if it has none."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._symbols = symbols_in((i.name, i.type) for i in graph.inputs)
        self._numbers = [(place, i.symbol) for place, i in enumerate(graph.inputs) if i.symbol]
        self._places = {i.name: place for place, i in enumerate(graph.inputs)}
        self.static = not self._symbols and not self._numbers

    def __call__(self, given: Sequence[Any]) -> dict[str, int]:
        sizes = {symbol: given[self._places[name]].shape[axis] for symbol, (name, axis) in self._symbols.items()}
        sizes.update({symbol: int(given[place]) for place, symbol in self._numbers if symbol})
        for value, tensor in zip(self._graph.inputs, given, strict=True):
            if not value.type.static and tuple(tensor.shape) != known(value.type.shape, sizes):
                raise mismatch(value, tensor, f" with {', '.join(f'{name} = {size}' for name, size in sizes.items())}")
        for symbol, size in sizes.items():
            low, high = self._graph.ranges.get(symbol, (0, None))
            if size < low or (high is not None and size > high):
                most = "any size" if high is None else str(high)
                raise BadArgument(f"{self._graph.name!r} was captured for {symbol} from {low} to {most}, given {size}")
        return sizes


def mismatch(value: Input, tensor: torch.Tensor, given: str = "") -> BadArgument:
    came = TensorType(tuple(tensor.shape), DTYPES.get(tensor.dtype, str(tensor.dtype)))
    return BadArgument(f"argument {value.name!r} is {came}, expected {value.type}{given}")


class _Argument:
    """What an input must be; calling it with a tensor checks that and gives the tensor to read."""

    def __init__(self, value: Input) -> None:
        self.value, self.name, self.type = value, value.name, value.type
        self.shape, self.static = value.type.shape, value.type.static
        self.dtype, self.rank = TORCH[value.type.dtype], len(value.type.shape)

    def __call__(self, tensor: Any) -> torch.Tensor:
        if not isinstance(tensor, torch.Tensor):
            if isinstance(tensor, bool | int) and self.type == TensorType((), "i64"):
                return torch.tensor(tensor)
            raise BadArgument(f"argument {self.name!r} is a {type(tensor).__name__}, expected a tensor {self.type}")
        if tensor.dtype is not self.dtype or tensor.dim() != self.rank or (self.static and tensor.shape != self.shape):
            raise mismatch(self.value, tensor)
        if not tensor.is_cpu or tensor.layout is not torch.strided:
            raise BadArgument(
                f"argument {self.name!r} is on {tensor.device} in {tensor.layout}, expected a dense tensor on cpu"
            )
        return tensor if tensor.is_contiguous() and not _lazy(tensor) else _plain(tensor)


def _lazy(tensor: torch.Tensor) -> bool:
    return tensor.is_conj() or tensor.is_neg()


def _plain(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.detach().resolve_conj().resolve_neg().contiguous()


def _stored(parameter: Parameter, given: Mapping[str, torch.Tensor]) -> torch.Tensor:
    plain = {part.name: _plain(given[part.name]) for part in parameter.whole()}
    first = plain[parameter.whole()[0].name]
    if not parameter.panels and not parameter.parts:
        return first
    return torch.from_numpy(parameters.stored(parameter, {name: _bits(t) for name, t in plain.items()})).view(first.dtype)


def _bits(tensor: torch.Tensor) -> Any:
    return tensor.view(torch.int16).numpy() if tensor.dtype is torch.bfloat16 else tensor.numpy()  # numpy knows no bfloat16


def known(shape: Sequence[int | Dim], sizes: dict[str, int]) -> tuple[int, ...]:
    return tuple(size if isinstance(size, int) else evaluate(size, sizes) for size in shape)
