"""Programs as native callables: the calling convention, memory, errors, dynamic sizes, and the cache across processes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn
from torch.export import Dim

from frontend import DynamoCompiler
from frontend.capture import BadArgument
from frontend.registry import MissingLowerings

x, y = torch.randn(3, 4), torch.randn(3, 4)


class Pair(NamedTuple):
    first: Any
    second: Any


def compiled(program: Any, *args: Any, **kwargs: Any) -> Any:
    return DynamoCompiler().compile(program, *args, **kwargs)


def nested(inputs: dict[str, Any], scale: float = 2.0, *, shift: Tensor | None = None) -> Any:
    a, (b, c) = inputs["a"], inputs["pair"]
    first = a * scale + b
    if shift is not None:
        first = first + shift
    return {"pair": Pair(first, [c]), "none": None, "text": "fixed", "count": 3, "again": first}


def test_containers_go_in_and_out() -> None:
    args = ({"a": x, "pair": (y, x + 1)}, 3.0)
    run = compiled(nested, *args, shift=y)
    new = ({"a": y, "pair": (x, x)}, 3.0)
    result, expected = run(*new, shift=x), nested(*new, shift=x)
    assert isinstance(result["pair"], Pair) and result["none"] is None and result["text"] == "fixed" and result["count"] == 3
    torch.testing.assert_close(result["pair"].first, expected["pair"].first)
    torch.testing.assert_close(result["pair"].second[0], x)
    assert result["again"] is result["pair"].first, "one value is computed once"


def test_keywords_in_any_order() -> None:
    def subtract(a: Tensor, b: Tensor) -> Tensor:
        return a - b

    run = compiled(subtract, b=y, a=x)
    torch.testing.assert_close(run(b=y, a=x), x - y)
    torch.testing.assert_close(run(x, b=y), x - y)
    torch.testing.assert_close(run(x, y), x - y)


@pytest.mark.parametrize(
    ("args", "kwargs", "complaint"),
    [
        ((x[:2], y), {}, "argument 'a' is 2x4xf32, expected 3x4xf32"),
        ((x, y.double()), {}, "argument 'b' is 3x4xf64, expected 3x4xf32"),
        ((x, 1.5), {}, "argument 'b' is a float, expected a tensor 3x4xf32"),
        ((x.to_sparse(), y), {}, "argument 'a' is on cpu in torch.sparse_coo, expected a dense tensor on cpu"),
        ((x, y.to("meta")), {}, "argument 'b' is on meta in torch.strided, expected a dense tensor on cpu"),
        ((x,), {}, "was captured with arguments of the structure"),
    ],
)
def test_what_a_callable_refuses(args: tuple[Any, ...], kwargs: dict[str, Any], complaint: str) -> None:
    run = compiled(lambda a, b: a + b, x, y)
    with pytest.raises(BadArgument, match=re.escape(complaint)):
        run(*args, **kwargs)


def test_a_number_is_part_of_the_code() -> None:
    run = compiled(lambda a, n: a * n, x, 3)
    torch.testing.assert_close(run(x, 3), x * 3)
    with pytest.raises(BadArgument, match="was captured with 3 as flat argument 1, given 4; capture it again"):
        run(x, 4)


def test_tensors_are_read_where_they_lie() -> None:
    run = compiled(lambda a: a + 1, x)
    torch.testing.assert_close(run(y.t().contiguous().t()), y + 1)
    wide = torch.randn(5, 4)
    torch.testing.assert_close(run(wide[1:4]), wide[1:4] + 1)
    parameter = nn.Parameter(y.clone())
    assert not run(parameter).requires_grad


def test_an_argument_that_is_returned_is_itself() -> None:
    run = compiled(lambda a, b: (a, a + b, b), x, y)
    first, total, last = run(x, y)
    assert first is x and last is y
    torch.testing.assert_close(total, x + y)


def test_nothing_to_compute() -> None:
    assert compiled(lambda a: a, x)(y) is y


class Counter(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.total = nn.Buffer(torch.zeros(4))

    def forward(self, a: Tensor, out: Tensor) -> Tensor:
        self.total += a.sum(0)
        out[:, 1:3] = 7
        return self.total * 2


def test_what_a_program_writes_is_written() -> None:
    module, reference = Counter(), Counter()
    run = compiled(module, x, y.clone())
    assert module.total.abs().sum() == 0, "capturing writes nothing"
    for _ in range(2):
        out, expected_out = y.clone(), y.clone()
        torch.testing.assert_close(run(x, out), reference(x, expected_out))
        torch.testing.assert_close(out, expected_out)
        torch.testing.assert_close(module.total, reference.total)


DTYPES = [
    torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.int8, torch.int16, torch.int32, torch.int64,
    torch.uint8, torch.bool, torch.complex64, torch.complex128,
]  # fmt: skip


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_every_dtype_passes_without_a_copy(dtype: torch.dtype) -> None:
    a = (torch.arange(12).reshape(3, 4) * 21).to(dtype)
    run = compiled(lambda a: (a + a, a.unsqueeze(0)), a)
    total, view = run(a)
    torch.testing.assert_close(total, a + a)
    torch.testing.assert_close(view, a.unsqueeze(0))


def test_lazy_conjugates_are_resolved() -> None:
    z = torch.randn(3, dtype=torch.complex64)
    run = compiled(lambda a: a + 1, z)
    torch.testing.assert_close(run(z.conj()), (z.conj() + 1).resolve_conj())


@pytest.mark.parametrize("n", [2, 3, 64, 1000])
def test_one_module_serves_every_size(n: int) -> None:
    def program(a: Tensor, b: Tensor) -> Any:
        return {"sum": a + b * 2, "rows": a.shape[0], "twice": 2 * a.shape[0] + 1}

    run = _dynamic(program)
    a, b = torch.randn(n, 4), torch.randn(4)
    result = run(a, b)
    torch.testing.assert_close(result["sum"], a + b * 2)
    assert result["rows"] == n and result["twice"] == 2 * n + 1


_kept: dict[Any, Any] = {}


def _dynamic(program: Any) -> Any:
    if "run" not in _kept:
        _kept["run"] = compiled(program, x, y[0], dynamic_shapes={"a": {0: Dim("n", min=2, max=1000)}, "b": None})
    return _kept["run"]


@pytest.mark.parametrize(
    ("shape", "complaint"),
    [
        ((1, 4), "from 2 to 1000, given 1"),
        ((1001, 4), "from 2 to 1000, given 1001"),
        ((5, 3), "argument 'a' is 5x3xf32, expected"),
    ],
)
def test_sizes_out_of_range(shape: tuple[int, ...], complaint: str) -> None:
    with pytest.raises(BadArgument, match=re.escape(complaint)):
        _dynamic(lambda a, b: {"sum": a + b * 2, "rows": a.shape[0], "twice": 2 * a.shape[0] + 1})(torch.ones(shape), y[0])


def test_the_same_symbol_twice() -> None:
    n = Dim("n")
    run = compiled(lambda a, b: a + b, x, y, dynamic_shapes={"a": {0: n}, "b": {0: n}})
    torch.testing.assert_close(run(x[:2], y[:2]), x[:2] + y[:2])
    with pytest.raises(BadArgument, match=re.escape("argument 'b' is 3x4xf32, expected")):
        run(x[:2], y)


def test_two_calls_at_once() -> None:
    from concurrent.futures import ThreadPoolExecutor

    run = compiled(lambda a: torch.softmax(a, -1) @ a.t(), x)
    inputs = [torch.randn(3, 4) for _ in range(64)]
    with ThreadPoolExecutor(8) as pool:
        for a, result in zip(inputs, pool.map(run, inputs), strict=True):
            torch.testing.assert_close(result, torch.softmax(a, -1) @ a.t())


PROCESS = """
import torch
from frontend import DynamoCompiler
torch.manual_seed(0)
model, x = torch.nn.Linear(8, 40), torch.randn(3, 8)
run = DynamoCompiler().compile(model, x)
torch.testing.assert_close(run(x), model(x).detach())
"""


def test_another_process_loads_what_one_compiled(tmp_path: Path) -> None:
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path), "SLUICE_CACHE": "on"}

    def process(program: str) -> list[tuple[str, int]]:
        subprocess.run([sys.executable, "-c", program], env=environment, check=True, cwd=Path(__file__).parents[2])
        return sorted((p.name, p.stat().st_mtime_ns) for p in tmp_path.glob("sluice/callables/*"))

    first = process(PROCESS)
    assert len(first) == 1 and process(PROCESS) == first
    assert len(process(PROCESS.replace("40", "41"))) == 2


def test_a_compiled_weight_is_the_models() -> None:
    """A buffer or parameter that is not packed is not copied either."""
    module = nn.LayerNorm(4)
    module.weight.requires_grad_(False)
    run = compiled(lambda a: a * module.weight, x)
    module.weight.fill_(5.0)
    torch.testing.assert_close(run(x), x * 5)


def test_torch_compile_with_graph_breaks_and_gradients(capsys: pytest.CaptureFixture[str]) -> None:
    module = nn.Linear(4, 5)

    def program(a: Tensor) -> Tensor:
        hidden = module(a).relu()
        print("between")
        return (hidden * 2).sum(0)

    run = torch.compile(program, backend=DynamoCompiler())
    torch.testing.assert_close(run(x), program(x))
    run(x).sum().backward()
    gradient = module.weight.grad
    module.weight.grad = None
    program(x).sum().backward()
    torch.testing.assert_close(gradient, module.weight.grad)
    assert "between" in capsys.readouterr().out


def test_the_backend_has_a_name() -> None:
    run = torch.compile(lambda a: torch.tanh(a) * 2, backend="sluice")
    torch.testing.assert_close(run(x), torch.tanh(x) * 2)
    aliased = torch.compile(lambda a: (a.view(-1), a[0]), backend="sluice")(x)
    assert aliased[0].data_ptr() == x.data_ptr(), "what is a view stays one"


@torch.library.custom_op("test_callable::mystery", mutates_args=())
def mystery(a: Tensor, times: int) -> Tensor:
    return a * times + 1


@mystery.register_fake
def _(a: Tensor, times: int) -> Tensor:
    return torch.empty_like(a)


class Mysterious(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(4))

    def forward(self, a: Tensor) -> Tensor:
        hidden = torch.tanh(a) * self.weight
        return torch.softmax(mystery(hidden, 3) + a, -1)


def test_a_missing_operator_runs_in_eager_pytorch() -> None:
    module = Mysterious()
    with pytest.raises(MissingLowerings, match=r"test_callable\.mystery\.default"):
        compiled(module, x)
    run = DynamoCompiler(fallback="eager").compile(module, x)
    torch.testing.assert_close(run(x), module(x).detach())
    torch.testing.assert_close(run(y), module(y).detach())
    line = 1 + Path(__file__).read_text().splitlines().index("        return torch.softmax(mystery(hidden, 3) + a, -1)")
    report = run.run.report().splitlines()
    assert re.fullmatch(r"forward: 1 operator\(s\) in eager PyTorch take \d+% of the time", report[0])
    assert re.fullmatch(
        rf"  test_callable\.mystery\.default at .*:{line}: 2 calls, [\d.]+ us each, \d+% of the time", report[1]
    )


def test_dynamo_run() -> None:
    module = nn.Linear(4, 2)
    compiler = DynamoCompiler()
    compiler.importer(module, x)
    (result,) = compiler.dynamo_run()(x)
    torch.testing.assert_close(result, module(x).detach())
    compiler.importer(module, x)
    with pytest.raises(
        ValueError, match=re.escape("dynamo_run() runs one graph, 2 were imported; torch.compile(model, backend")
    ):
        compiler.dynamo_run()


def test_random_operators_run_in_pytorch_with_its_generator() -> None:
    def noisy(a: Tensor) -> Tensor:
        return torch.nn.functional.dropout(a, 0.5) + torch.rand_like(a)

    with pytest.raises(MissingLowerings, match="rand"):
        compiled(noisy, x)
    run = DynamoCompiler(fallback="eager").compile(noisy, x)
    torch.manual_seed(7)
    expected = noisy(x)
    torch.manual_seed(7)
    torch.testing.assert_close(run(x), expected)
    assert not torch.equal(run(x), expected)


def test_torch_compile_with_dynamic_sizes() -> None:
    module = nn.Linear(4, 5)
    run = torch.compile(lambda a, n: torch.softmax(module(a), -1) * n, backend="sluice", dynamic=True)
    with torch.no_grad():
        for size in (2, 3, 9):
            a = torch.randn(size, 4)
            torch.testing.assert_close(run(a, size + 1), torch.softmax(module(a), -1) * (size + 1))
