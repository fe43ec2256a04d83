"""What a build's dtype makes of a model, and what its answers are compared with."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from frontend import parameters
from frontend.capture.model import graph_of, sample
from frontend.capture.precision import BF16_STEP, error
from frontend.graph import Panels


class Mixed(nn.Module):
    """Looks tokens up, keeps its sum in f32, and multiplies from the right with two weights, one of them not transposed."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(9, 40)
        self.first, self.second = nn.Linear(40, 33), nn.Parameter(torch.randn(33, 5))
        self.register_buffer("shift", torch.randn(5))
        self.shift: Tensor

    def forward(self, tokens: Tensor, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        hidden = self.first(self.table(tokens) + x)
        return hidden @ self.second + self.shift, hidden.float().sum(-1), tokens + 1


@pytest.fixture
def file() -> Any:
    """A model file whose module is the same each time."""

    def build(_: Any) -> nn.Module:
        torch.manual_seed(0)
        return Mixed()

    def inputs(_: Any) -> dict[str, Tensor]:
        torch.manual_seed(1)
        return {"tokens": torch.randint(9, (6,)), "x": torch.randn(6, 40)}

    made: Any = ModuleType("mixed")
    made.build, made.inputs, made.TOLERANCE = build, inputs, 1e-5
    return made


def arrays(data: list[np.ndarray]) -> list[np.ndarray]:
    return [d.view(np.int64 if i == 2 else np.float32) for i, d in enumerate(data)]


def same(actual: list[np.ndarray], expected: tuple[Tensor, ...]) -> None:
    for a, e in zip(arrays(actual), expected, strict=True):
        np.testing.assert_allclose(a, e.detach().numpy().reshape(-1), rtol=1e-6, atol=1e-6)


def test_f32(file: Any) -> None:
    sampled = sample(file, None)
    assert sampled.tolerance == 1e-5 and sampled.as_written == []
    same(sampled.expected, file.build(None)(**file.inputs(None)))


def test_bf16(file: Any) -> None:
    sampled = sample(file, None, "bf16")
    module, given = file.build(None).bfloat16().requires_grad_(False), file.inputs(None)
    given["x"] = given["x"].bfloat16()
    types = {p.source: str(p.type) for p in sampled.graph.parameters} | {i.name: str(i.type) for i in sampled.graph.inputs}
    assert types == {
        "table.weight": "9x40xbf16",
        "first.weight": "33x40xbf16",
        "first.bias": "33xbf16",
        "second": "33x5xbf16",
        "shift": "5xbf16",
        "tokens": "6xi64",
        "x": "6x40xbf16",
    }
    assert [sampled.graph.type_of(ref).dtype for ref in sampled.graph.outputs] == ["bf16", "f32", "i64"]
    assert [w.nbytes for w in sampled.weights] == [2 * p.type.count for p in sampled.graph.parameters]
    eager = [t.float() if t.is_floating_point() else t for t in module(**given)]
    exact = module.float()(given["tokens"], given["x"].float())
    same(sampled.expected, exact)
    assert sampled.tolerance == pytest.approx(max(2 * error(eager, list(exact)), BF16_STEP), rel=1e-4)
    assert sampled.tolerance < 0.05
    same(sampled.as_written, file.build(None)(**file.inputs(None)))


def test_8_bit_weights(file: Any) -> None:
    sampled = sample(file, None, "w8")
    module = file.build(None).requires_grad_(False)
    plain = module(**file.inputs(None))
    same(sampled.as_written, plain)
    assert sampled.tolerance == 1e-5
    for stored, parameter in zip(sampled.weights, sampled.graph.parameters, strict=True):
        original = dict(module.state_dict())[parameter.source].numpy()
        assert stored.tobytes() == original.tobytes(), "packing rounds the weights, from what they are"
    for weight, panels in ((module.first.weight, Panels(32)), (module.second, Panels(32, transposed=True))):
        weight.copy_(torch.from_numpy(parameters.dequantized(weight.numpy(), panels)))
    rounded = module(**file.inputs(None))
    same(sampled.expected, rounded)
    assert 1e-4 < error(list(plain), list(rounded)) < 0.05


@pytest.mark.parametrize("dtype", ["f32", "bf16", "w8"])
def test_one_step_has_the_same_graph(file: Any, dtype: str) -> None:
    assert graph_of(file, None, dtype) == sample(file, None, dtype).graph


def test_errors_are_relative_to_the_largest_of_each() -> None:
    small, large, whole = torch.tensor([1.0, 2.0]), torch.tensor([100.0, -400.0]), torch.tensor([1, 2])
    assert error([small, large + 4, whole], [small, large, whole]) == pytest.approx(0.01)
    assert error([small + 0.5, large, whole + 1], [small, large, whole]) == pytest.approx(0.25)
    assert error([torch.zeros(2), torch.zeros(0)], [torch.zeros(2), torch.zeros(0)]) == 0
