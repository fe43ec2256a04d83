"""PyTorch programs to graphs: the same numbers by either way, source lines, refusals, and the documented programs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from frontend import CaptureError, DynamoCompiler, serialize
from frontend.capture import Captured, Constant, by_dynamo, by_export
from frontend.capture.model import sample
from frontend.graph import Source, TensorType
from frontend.ops import tosa
from frontend.prepare import prepare
from frontend.transforms.drop_no_ops import drop_no_ops
from tests.compiled import run_graph


class Scaled(nn.Module):
    """A parameter, a buffer, a constant, and one tensor argument of each kind."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 4)
        self.register_buffer("shift", torch.randn(4))

    def forward(self, x: Tensor, y: Tensor, *, scale: Tensor, divisor: Tensor) -> Tensor:
        return (self.linear(x) + self.shift) * scale / divisor - y


def scaled() -> tuple[nn.Module, tuple[Tensor, ...], dict[str, Tensor]]:
    return Scaled(), (torch.randn(2, 3), torch.randn(4)), {"divisor": torch.rand(4) + 1, "scale": torch.randn(2, 1)}


def run(captured: Captured, inputs: list[Tensor], expected: Tensor) -> Tensor:
    captured.graph.perform([drop_no_ops])
    return run_graph(captured.graph, [*captured.tensors, *inputs], [expected])[0]


def test_export_gives_eager_numbers_and_forward_order() -> None:
    module, args, kwargs = scaled()
    captured = by_export(module, args, kwargs, "forward")
    assert [i.name for i in captured.graph.inputs] == ["x", "y", "scale", "divisor"]
    assert [p.source for p in captured.graph.parameters] == ["linear.weight", "linear.bias", "shift"]
    expected = module(*args, **kwargs).detach()
    torch.testing.assert_close(run(captured, [*args, kwargs["scale"], kwargs["divisor"]], expected), expected)


def test_dynamo_gives_eager_numbers_and_names() -> None:
    module, args, kwargs = scaled()
    (captured,) = by_dynamo(module, args, kwargs, "forward")
    assert {p.source for p in captured.graph.parameters} == {"linear.weight", "linear.bias", "shift"}
    assert [i.type.shape for i in captured.graph.inputs] == [(2, 3), (2, 1), (4,), (4,)]  # in the order of their first use
    expected = module(*args, **kwargs).detach()
    inputs = [args[0], kwargs["scale"], kwargs["divisor"], args[1]]
    torch.testing.assert_close(run(captured, inputs, expected), expected)


@pytest.mark.parametrize("way", ["export", "dynamo"])
def test_a_tensor_given_twice_is_two_inputs(way: str) -> None:
    class Difference(nn.Module):
        def forward(self, x: Tensor, y: Tensor) -> Tensor:
            return 2 * x - y

    x = torch.randn(3)
    captured = by_export(Difference(), (x, x), {}, "f") if way == "export" else by_dynamo(Difference(), (x, x), {}, "f")[0]
    assert len(captured.graph.inputs) == 2
    first, second = torch.randn(3), torch.randn(3)
    torch.testing.assert_close(run(captured, [first, second], x), 2 * first - second)


def broken(x: Tensor) -> Tensor:
    y = x + 1
    torch._dynamo.graph_break()
    return y * 3


def test_a_graph_break_gives_two_graphs() -> None:
    first, second = by_dynamo(broken, (torch.ones(3),), {}, "forward")
    assert [first.graph.name, second.graph.name] == ["forward", "forward1"]
    x = torch.randn(3)
    between = run(first, [x], x)
    torch.testing.assert_close(between, x + 1)
    torch.testing.assert_close(run(second, [between], x), (x + 1) * 3)


def line_of(text: str) -> int:
    return next(n for n, line in enumerate(Path(__file__).read_text().splitlines(), 1) if line.strip().startswith(text))


@pytest.mark.parametrize("way", ["export", "dynamo"])
def test_nodes_know_their_line(way: str) -> None:
    module, args, kwargs = scaled()
    captured = by_export(module, args, kwargs, "f") if way == "export" else by_dynamo(module, args, kwargs, "f")[0]
    (node,) = [node for node in captured.graph.nodes if node.op == "aten.div.Tensor"]
    assert node.source is not None and node.source.function == "forward"
    assert Path(node.source.file).resolve() == Path(__file__) and node.source.line == line_of("return (self.linear(x)")


def test_nodes_without_a_line_of_the_model_know_their_module() -> None:
    captured = by_export(nn.Sequential(nn.Linear(2, 3), nn.Tanh()), (torch.ones(1, 2),), {}, "f")
    sources = {node.op: node.source for node in captured.graph.nodes}
    found = sources["aten.addmm.default"], sources["aten.tanh.default"]
    assert [s and (s.file, s.function) for s in found] == [
        ("torch/nn/modules/linear.py", "forward"),
        ("torch/nn/modules/activation.py", "forward"),
    ]


def test_dynamo_lines_before_and_after_a_graph_break() -> None:
    first, second = by_dynamo(broken, (torch.ones(3),), {}, "forward")
    lines = [piece.graph.nodes[0].source for piece in (first, second)]
    assert [s.line for s in lines if s] == [line_of("y = x + 1"), line_of("return y * 3")]


def test_parameters_are_the_values_at_capture() -> None:
    linear = nn.Linear(3, 2)
    (captured,) = by_dynamo(linear, (torch.randn(1, 3),), {}, "forward")
    for parameter, tensor in zip(captured.graph.parameters, captured.tensors, strict=True):
        assert type(tensor) is Tensor and not tensor.requires_grad
        torch.testing.assert_close(tensor, linear.get_parameter(parameter.source).detach())


class Counter(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("count", torch.zeros(3))

    def forward(self, x: Tensor) -> Tensor:
        self.count += 1
        return x + self.count


class WritesItsInput(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        x += 1
        return x * 2


class AlsoANumber(nn.Module):
    def forward(self, x: Tensor) -> Any:
        return x + 1, 3


class DataDependent(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.nonzero()


class Sum(nn.Module):
    def forward(self, x: Tensor, n: Any = 1) -> Tensor:
        return x + n


def test_what_a_program_writes_comes_last() -> None:
    graph = by_export(Counter(), (torch.ones(3),), {}, "forward").graph
    assert len(graph.outputs) == 2 and graph.writes == [p.name for p in graph.parameters]
    graph = by_export(WritesItsInput(), (torch.ones(3),), {}, "forward").graph
    assert graph.writes == ["x"]


def test_results_that_are_no_tensors_are_constants() -> None:
    captured = by_export(AlsoANumber(), (torch.ones(3),), {}, "forward")
    assert captured.convention is not None
    assert captured.convention.returns == [0, Constant(3)] and len(captured.graph.outputs) == 1


def test_numbers_are_part_of_the_graph() -> None:
    captured = by_export(Sum(), (torch.ones(3), 2), {}, "forward")
    assert [i.name for i in captured.graph.inputs] == ["x"]
    assert captured.convention is not None and captured.convention.takes == [0]


@pytest.mark.parametrize("dtype", [torch.float8_e4m3fn, torch.float8_e5m2])
@pytest.mark.parametrize("capture", [lambda m, x: by_export(m, (x,), {}, "f"), lambda m, x: by_dynamo(m, (x,), {}, "f")])
def test_a_dtype_that_no_graph_holds(capture: Any, dtype: torch.dtype) -> None:
    with pytest.raises(CaptureError, match=f"has {dtype}; known: torch.float64, torch.float32"):
        capture(Sum(), torch.ones(3).to(dtype))


def test_an_empty_decomposition_table_decomposes_nothing() -> None:
    module, x = nn.Softmax(-1), torch.randn(2, 3)
    assert [n.op for n in by_export(module, (x,), {}, "f", {}).graph.nodes] == ["aten._softmax.default"]
    assert "aten._softmax.default" in [n.op for n in by_dynamo(module, (x,), {}, "f", {})[0].graph.nodes]
    assert len(by_export(module, (x,), {}, "f").graph.nodes) > 2


def test_a_graph_as_json_is_the_same_graph(tmp_path: Path) -> None:
    class Varied(nn.Module):
        def forward(self, x: Tensor, m: Tensor) -> Any:
            first, second = x.split([2, 3], 1)
            return first.masked_fill(m, float("-inf")).to(torch.float64), torch.cat([second, x], -1), x.view(-1) + True

    graph = by_export(Varied(), (torch.randn(4, 5), torch.ones(4, 1) > 0), {}, "forward").graph
    driver = prepare(graph)
    driver.graph.lowered_by = {"cat": "tosa"}
    for each in (
        graph,
        driver.subgraphs[0],
        driver.construct_main_graph(),
        by_export(nn.Linear(3, 4), (torch.ones(1, 3),), {}, "f").graph,
    ):
        serialize.save(each, tmp_path / "graph.json")
        assert serialize.load(tmp_path / "graph.json") == each
    assert isinstance(graph.nodes[0].source, Source) and isinstance(graph.nodes[0].type, TensorType)


def test_sample_inputs_lie_in_the_order_of_the_graph() -> None:
    class Model:
        """A model file whose inputs are given in another order than forward's."""

        TOLERANCE = 1e-5

        build = staticmethod(lambda config: Sum())
        inputs = staticmethod(lambda config: {"n": torch.full((2,), 5.0), "x": torch.zeros(2)})

    sampled = sample(Model, None)  # type: ignore[arg-type]
    assert [i.name for i in sampled.graph.inputs] == ["x", "n"]
    assert [data.view(np.float32).tolist() for data in sampled.inputs] == [[0.0, 0.0], [5.0, 5.0]]


QUICK_START = """module {
  func.func @forward(%arg0: tensor<10xf32>, %arg1: tensor<10xf32>) -> tensor<10xf32> {
    %0 = "tosa.const"() <{values = dense<0> : tensor<1xi8>}> : () -> tensor<1xi8>
    %1 = tosa.mul %arg0, %arg1, %0 : (tensor<10xf32>, tensor<10xf32>, tensor<1xi8>) -> tensor<10xf32>
    %2 = tosa.add %1, %arg0 : (tensor<10xf32>, tensor<10xf32>) -> tensor<10xf32>
    return %2 : tensor<10xf32>
  }
}
"""


def foo(x: Tensor, y: Tensor) -> Tensor:
    return x * y + x


def compiler() -> DynamoCompiler:
    from torch._inductor.decomposition import decompositions as inductor_decomp

    return DynamoCompiler(primary_registry=tosa.ops_registry, aot_autograd_decomposition=inductor_decomp)


def test_quick_start() -> None:
    in1, in2 = torch.randn(10), torch.randn(10)
    module, parameters = compiler().importer(foo, *(in1, in2))
    assert str(module) == QUICK_START
    assert parameters == []


def test_import_then_lower() -> None:
    graphs = compiler().importer(foo, torch.randn(10), torch.randn(10))
    graph = graphs[0]
    assert graph._imported_module is None
    graph.lower_to_top_level_ir()
    assert str(graph._imported_module) == QUICK_START


def test_parameters_of_an_imported_model() -> None:
    dynamo_compiler, linear = DynamoCompiler(func_name="head"), nn.Linear(3, 2)
    graph = dynamo_compiler.importer(linear, torch.randn(1, 3))[0]
    sources = [p.source for p in graph.parameters]
    assert sorted(sources) == ["bias", "weight"]
    for source, tensor in zip(sources, dynamo_compiler.imported_params[graph], strict=True):
        torch.testing.assert_close(tensor, linear.get_parameter(source).detach())
    text = str(graph.lower_to_top_level_ir(do_params_pack=True))
    assert "func.func @head(%arg0: memref<128xi8>, %arg1: tensor<1x3xf32>) -> tensor<1x2xf32>" in text


def test_import_by_export_keeps_names() -> None:
    module, args, kwargs = scaled()
    graphs = DynamoCompiler().importer_by_export(module, *args, **kwargs)
    assert [i.name for i in graphs[0].inputs] == ["x", "y", "scale", "divisor"]


def test_two_graphs_do_not_unpack_as_a_module() -> None:
    graphs = DynamoCompiler().importer(broken, torch.ones(3))
    assert [graph.name for graph in graphs] == ["forward", "forward1"]


def test_verbose_prints_or_writes_the_graph(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    DynamoCompiler(verbose=True).importer(foo, torch.ones(2), torch.ones(2))
    printed = capsys.readouterr().out
    assert "graph forward\n" in printed and re.search(r"mul +aten\.mul\.Tensor +2xf32 .*test_capture.py:\d+ in foo", printed)
    DynamoCompiler(verbose=True, verbose_path=str(tmp_path / "graph.log")).importer(foo, torch.ones(2), torch.ones(2))
    assert capsys.readouterr().out == ""
    assert (tmp_path / "graph.log").read_text() == printed.rstrip("\n") + "\n"
    DynamoCompiler().importer(foo, torch.ones(2), torch.ones(2))
    assert capsys.readouterr().out == ""


def test_a_model_names_the_files_that_nobody_sees_it_read() -> None:
    from types import ModuleType

    from frontend.capture.model import files_of

    silent, naming = ModuleType("silent"), ModuleType("naming")
    naming.FILES = ("weights.bin", "table.bin")  # type: ignore[attr-defined]
    assert files_of(silent) == []
    assert [str(path) for path in files_of(naming)] == ["weights.bin", "table.bin"]
