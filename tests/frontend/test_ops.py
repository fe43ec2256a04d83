"""Every lowering on numbers: each row is compiled and compared with eager PyTorch, element by element."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, tensor

from frontend.transforms.drop_no_ops import drop_no_ops
from frontend.transforms.pack_linears import pack_linears
from tests.compiled import check

aten = torch.ops.aten
inf, nan = math.inf, math.nan
f16, f32, f64, i8, i16, i32, i64 = (
    torch.float16, torch.float32, torch.float64, torch.int8, torch.int16, torch.int32, torch.int64,
)  # fmt: skip
generator = torch.Generator().manual_seed(0)


class Row(NamedTuple):
    """Options are those of `check`; `table={}` keeps an overload that torch would decompose."""

    id: str
    function: Callable[..., Any]
    inputs: tuple[Tensor, ...]
    options: dict[str, Any] = {}  # noqa: RUF012


def reals(*shape: int, dtype: torch.dtype = f32) -> Tensor:
    return torch.randn(*shape, generator=generator).to(dtype)


def whole(*shape: int, dtype: torch.dtype = i64) -> Tensor:
    return torch.randint(-5, 6, shape, generator=generator).to(dtype)


def flags(*shape: int) -> Tensor:
    return torch.rand(*shape, generator=generator) > 0.5


def of(dtype: torch.dtype, *shape: int) -> Tensor:
    return (
        flags(*shape)
        if dtype == torch.bool
        else reals(*shape, dtype=dtype)
        if dtype.is_floating_point
        else whole(*shape, dtype=dtype)
    )


def named(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


EMPTY = torch.empty(0, 3)
ODD = tensor([0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 2.5, -3.5, inf, -inf, nan, 1e-20, -1e-20, 1e-4, -1e-4, 88.0, -88.0, 3e38])
FEW = tensor([0.0, -0.0, nan, inf, -inf, 1.0, -1.0])
GRID = (FEW[:, None], FEW[None])
WEIGHT = reals(5, 7)
DTYPES = (f32, f64, i64, i32, i8, torch.bool)

# Elementwise functions of one argument: those for all types, those not for f64, those for floats alone.
FUNCTIONS = (
    torch.acos, torch.acosh, torch.asin, torch.asinh, torch.atan, torch.atanh, torch.cos, torch.cosh, torch.erf, torch.exp,
    torch.exp2, torch.expm1, torch.log, torch.log10, torch.log1p, torch.log2, torch.rsqrt, torch.sin, torch.sinh, torch.sqrt,
    torch.tan, torch.tanh,
)  # fmt: skip
NOT_F64 = (torch.reciprocal, torch.sigmoid)
ONLY_FLOATS = (torch.abs, torch.ceil, torch.floor, torch.round, torch.trunc, torch.neg)


def unary_rows() -> list[Row]:
    rows = []
    for function in (*FUNCTIONS, *NOT_F64, *ONLY_FLOATS, torch.relu):
        name = function.__name__
        odd = ODD[:-1] if name in ("cos", "sin", "tan") else ODD  # of 3e38 they have no digit right anywhere
        rows.append(Row(f"{name} odd values", function, (odd,), {"atol": 0.0}))
        if function in (*FUNCTIONS, *ONLY_FLOATS):
            rows.append(Row(f"{name} f64", function, (odd.double(),), {"rtol": 1e-12, "atol": 0.0}))
        if function in (*FUNCTIONS, *NOT_F64):
            rows.append(Row(f"{name} integers", lambda x, b, f=function: (f(x), f(b)), (whole(3, 5), flags(3))))
    return rows


def compared(x: Tensor, y: Tensor) -> tuple[Tensor, ...]:
    return x == y, x != y, x < y, x <= y, x > y, x >= y


def arithmetic(x: Tensor, y: Tensor) -> list[Tensor]:
    difference = [] if torch.bool in (x.dtype, y.dtype) else [x - y]  # PyTorch has none of bool
    return [x + y, x * y, x / (y + 3), *difference, *compared(x, y)]


def logical(x: Tensor, y: Tensor) -> tuple[Tensor, ...]:
    return x.logical_and(y), x.logical_or(y), x.logical_xor(y)


def promotion_rows() -> list[Row]:
    """Two operands of each two types, broadcast, and each type with tensors of no dimensions and with numbers."""
    rows = []
    for first, second in itertools.product(DTYPES, DTYPES):
        x, y, both = of(first, 3, 5), of(second, 1, 5), f"{named(first)} {named(second)}"
        rows.append(Row(f"arithmetic {both}", arithmetic, (x, y)))
    for first, second in itertools.combinations_with_replacement(DTYPES, 2):
        x, y, both = of(first, 3, 5), of(second, 1, 5), f"{named(first)} {named(second)}"
        rows.append(Row(f"logical {both}", logical, (x, y)))
        if not (first.is_floating_point or second.is_floating_point):
            rows.append(Row(f"bitwise {both}", lambda x, y: (x & y, x | y, x ^ y), (x, y)))
    for dtype in DTYPES:
        x, name = of(dtype, 3, 5), named(dtype)
        tenth, one = tensor(0.1, dtype=f64), tensor(1)
        rows += [
            Row(
                f"0-d operands {name}",
                lambda x, a, b: (x + a, x * a, x == a, x < a, x + b, x * b, x == b, x < b),
                (x, tenth, one),
            ),
            Row(f"numbers {name}", lambda x: (x + 2, 3 * x, x + 2.5, x * 0.1, x / 4, x / 2.5), (x,)),
            Row(f"compare numbers {name}", lambda x: (x == 2, x < 0.5, x >= -0.5, x > 2, x != -1, x <= True), (x,)),
            Row(
                f"where {name}",
                lambda c, x, y: (torch.where(c, x, y), torch.where(c, x, 0), torch.where(c, 1.5, x)),
                (flags(3, 5), x, reals(5)),
            ),
            Row(f"extrema {name}", lambda x, y: (torch.maximum(x, y), torch.minimum(x, y)), (x, of(dtype, 5))),
            Row(
                f"shapes {name}", lambda x: (x.T, x.reshape(-1), x[1:, :-1], torch.cat([x, x[:1]]), x[:, :1].expand(3, 4)), (x,)
            ),
            Row(f"sums {name}", lambda x: (x.sum(), x.sum(0), x.sum(-1, keepdim=True), x.sum(1, dtype=f32)), (x,)),
            Row(f"amax {name}", lambda x: (x.amax((0, 1)), x.amax(0), x.amax(-1, keepdim=True)), (x,)),
            Row(
                f"casts {name}",
                lambda x: [x.to(d) for d in (f16, f32, f64, i64, i32, i8, torch.bool) if d != x.dtype],
                (x * 3,),
            ),
            Row(f"logical_not {name}", torch.logical_not, (x,)),
        ]
        if dtype != torch.bool:
            rows += [
                Row(f"alpha {name}", lambda x, y: (torch.add(x, y, alpha=2), torch.sub(x, y, alpha=3)), (x, of(dtype, 5))),
                Row(f"numbers from the left {name}", lambda x: (2 - x, 2.5 - x, torch.rsub(x, 3, alpha=2), -x), (x,)),
            ]
        if dtype.is_floating_point:
            rows.append(Row(f"means {name}", lambda x: (x.mean(), x.mean(0), x.mean((0, -1), keepdim=True)), (x,)))
            rows.append(Row(f"products {name}", lambda x, y: (x @ y, (x[None] @ y)), (x, of(dtype, 5, 2))))
        else:
            rows.append(Row(f"bitwise numbers {name}", lambda x: (~x, x & 6, x | 6, x ^ 6), (x,)))
            rows.append(Row(f"mean as f32 {name}", lambda x: x.mean(0, dtype=f32), (x,)))
    return rows


ELEMENTWISE = [
    Row(
        "broadcast three ways",
        lambda x, y: (x + y, x * y, x - y, x / y, x == y, torch.maximum(x, y)),
        (reals(3, 1, 5), reals(4, 1)),
    ),
    Row("broadcast 1 to 1", lambda x, y: x + y, (reals(1, 1), reals(1))),
    Row(
        "0-d",
        lambda x, y: (x + y, x * y, x - y, x / y, x < y, torch.where(x < y, x, 2.0), x.exp(), x**2),
        (tensor(1.5), tensor(2.5)),
    ),
    Row("0-d bool", lambda x, y: (x & y, x | y, ~x, torch.logical_xor(x, y)), (tensor(True), tensor(True))),
    Row(
        "bool table",
        lambda x, y: (torch.add(x, y, alpha=True), x * y, x == y, x < y, x >= y),
        (tensor([[True], [False]]), tensor([True, False])),
    ),
    Row("empty", lambda x, y: (torch.where(x > y, (-(x + y) * y / x).exp(), y), x == y), (EMPTY, reals(3))),
    Row(
        "not contiguous",
        lambda x, y, z: (x + y, x.T @ z, x.sum(0)),
        (reals(5, 3).T, reals(6, 5)[::2], reals(1, 4).expand(3, 4)),
    ),
    Row("alpha is a fraction", lambda x, y: (torch.add(x, y, alpha=-0.5), torch.sub(x, y, alpha=0.5)), (reals(3), reals(3))),
    Row("alpha is 0, and 0 * nan", lambda x, y: torch.add(x, y, alpha=0), (reals(7), FEW)),
    Row("int32 wraps", lambda x: (x * x, x + x, -x, x - 1), (tensor([2**31 - 1, -(2**31), 65536], dtype=i32),)),
    Row("int16", lambda x, y: (x + y, x * y, x < y, x / y), (whole(5, dtype=i16), tensor(7, dtype=i16))),
    Row("large int64", lambda x: (x + 2**40, x * 2**33, x == 2**60, x > 2**60), (tensor([2**60, 2**60 + 1]),)),
    Row("int64 beyond f64", lambda x, y: (x == y, x < y), (tensor([2**60, 2**60 + 1]), tensor([2**60 + 1, 2**60]))),
    Row("int32 against 2**32 + 5", lambda x, y: (x == y, x < y), (tensor([5], dtype=i32), tensor(2**32 + 5))),
    Row("f32 against a 0-d f64", lambda x, y: (x == y, x >= y), (tensor([0.1]), tensor(0.1, dtype=f64))),
    Row("f32 against int64", lambda x, y: (x == y, x < y), (tensor([16777216.0]), tensor([16777217]))),
    Row(
        "f64 keeps its digits",
        lambda x: (x + 0.1, x == 0.1, x * 0.1, x - 1 / 3),
        (tensor([0.1, 0.2], dtype=f64),),
        {"rtol": 1e-15, "atol": 0.0},
    ),
    Row("f16 with f32", lambda x, y: (x + y, x == y, x * y), (reals(3, dtype=f16), reals(3))),
    Row("f16 with bfloat16", lambda x, y: x.bfloat16() == y, (tensor([1.0, 2.0]), tensor([1.0, 2.125], dtype=f16))),
    Row("divide odd values", lambda x, y: x / y, GRID),
    Row("integers by zero", lambda x, y: x / y, (whole(5), torch.zeros(5, dtype=i64))),
    Row("extrema of odd values", lambda x, y: (torch.maximum(x, y), torch.minimum(x, y)), GRID),
    Row("sign of zero", lambda x: (1 / -x, 1 / x.ceil(), 1 / (x * -0.25).round()), (FEW,)),
    Row("compare odd values", compared, GRID),
    Row("compare with nan and inf", lambda x: (x == nan, x != nan, x < inf, x <= -inf, x >= -0.0), (FEW,)),
    Row("logic of nan", lambda x, y: (*logical(x, y), x.logical_not()), GRID),
    Row("where takes no nan", lambda c, x: torch.where(c, x, 0.0), (flags(7), FEW)),
    Row("where on a 0-d condition", torch.where, (tensor(True), reals(3, 4), tensor(2.0))),
    Row("where in int64, broadcast", torch.where, (flags(3, 1, 1), whole(4, 1), whole(5))),
    Row("masked_fill", lambda x, m: x.masked_fill(m, -inf), (reals(3, 4), flags(4))),
    Row("pow of odd values", lambda x, y: x**y, (FEW[:, None], tensor([[0.0, 1, 2, 3, -1, 0.5, inf, -inf, nan, -0.5, 1 / 3]]))),
    *[
        Row(f"pow {e}", lambda x, e=e: x**e, (torch.cat([FEW, reals(3)]),))
        for e in (0, 1, 2, 3, -1, 0.5, -0.5, -2, 1 / 3, inf, nan)
    ],
    Row("pow f64", lambda x: (x**2, x**0.5, x**-1.5), (reals(4, dtype=f64),), {"rtol": 1e-13}),
    Row("pow of int64", lambda x, y: (x**0.5, x**2.5, x**y), (whole(4), reals(3, 1))),
    Row("atan2", torch.atan2, GRID),
    Row("atan2 of integers", torch.atan2, (whole(3, 4), whole(4))),
    Row("round to even", torch.round, (tensor([0.5, 1.5, 2.5, -0.5, -1.5]),)),
    Row(
        "expm1 and log1p near 0", lambda x: (x.expm1(), x.log1p()), (torch.logspace(-30, -1, 50),), {"rtol": 3e-6, "atol": 0.0}
    ),
    Row("relu", torch.relu, (reals(3, 5),)),
    Row("casts truncate", lambda x: (x.long(), x.int(), x.bool(), x.to(i8)), (tensor([1.9, -1.9, -0.5, 0.5, -0.0, 100.7]),)),
    Row("casts of large integers", lambda x: (x.float(), x.double(), x.int()), (tensor([2**60 + 1, 2**31 - 1, -(2**31)]),)),
    Row("odd values to bool", lambda x: x.bool(), (FEW,)),
    Row("through bfloat16 and f16", lambda x: (x.bfloat16().float(), x.bfloat16().half().double()), (reals(5),)),
    Row("a chain of casts", lambda x: x.long().float().bool().int().double(), (reals(3) * 3,)),
]

SHAPES = [
    Row("view", lambda x: (x.view(5, 3, 1), x.view(-1), x.view(1, 15)), (reals(3, 5),)),
    Row(
        "view without decomposition",
        lambda x: (aten.view.default(x, [-1, 2]), aten.squeeze.default(x)),
        (reals(1, 3, 1, 2),),
        {"table": {}},
    ),
    Row("_unsafe_view", lambda x: aten._unsafe_view.default(x, [-1, 2]), (reals(3, 4),), {"table": {}}),
    Row(
        "to and from 0-d",
        lambda x, y: (x.view(()), x.squeeze(), y.view(1, 1), y.expand(3), y[None], y.permute(())),
        (reals(1), tensor(2.0)),
    ),
    Row(
        "squeeze",
        lambda x: (x.squeeze(1), x.squeeze(-2), x.squeeze((0, 2)), x.unsqueeze(-1), x.unsqueeze(1)),
        (reals(1, 3, 1, 2),),
    ),
    Row(
        "squeeze.dim and squeeze.dims",
        lambda x: (aten.squeeze.dim(x, -2), aten.squeeze.dims(x, [0, 2])),
        (reals(1, 3, 1, 2),),
        {"table": {}},
    ),
    Row("permute", lambda x: (x.permute(2, 0, 1), x.permute(-1, 1, 0), x.transpose(-1, -2)), (reals(2, 3, 4),)),
    Row("expand", lambda x: (x.expand(2, 3, 5), x.expand(3, -1), x[:, :1].expand(-1, 4)), (reals(3, 5),)),
    Row("clone", lambda x: x.T.clone(), (reals(3, 5),), {"transforms": []}),
    Row("cat", lambda x, y: (torch.cat([x, y], -2), torch.cat([x, x], 1), torch.stack([x, x], -1)), (reals(2, 3), reals(4, 3))),
    Row("cat of mixed types", lambda x, y, z: torch.cat([x, y, z], 1), (reals(2, 3), whole(2, 2), flags(2, 1))),
    Row("slice", lambda x: (x[-2:], x[:-1], x[-100:1], x[:, -1:], x[1:2, 2:100], x[..., 1:3]), (reals(3, 4),)),
    Row("split", lambda x: (*x.split([1, 3, 1], 1), *x.chunk(2, -1)), (reals(3, 5),)),
    Row("arange", lambda: (torch.arange(5), torch.arange(2, 9, 3), torch.arange(5, -5, -2), torch.arange(5, dtype=i32)), ()),
    Row("arange of floats", lambda: (torch.arange(0, 1, 0.1), torch.arange(0.5, 4, 1.5, dtype=f64), torch.arange(5.0)), ()),
    Row(
        "arange of large and of truncated integers",
        lambda: (torch.arange(2**40, 2**40 + 5), torch.arange(0.5, 6.5, 1.5, dtype=i64)),
        (),
    ),
    Row("full", lambda: (torch.full((2, 3), 1.5), torch.full((2,), True), torch.full((), 7), torch.full((2,), -inf)), ()),
    Row(
        "full of other types",
        lambda: (torch.full((2,), nan, dtype=f64), torch.full((2,), -1, dtype=i8), torch.full((2,), 2**40)),
        (),
    ),
    Row("scalar_tensor", lambda x: (aten.scalar_tensor(2.5) + x, aten.scalar_tensor(3, dtype=i64)), (reals(2),), {"table": {}}),
    Row("a constant of the program", lambda x: tensor([1.0, 2.0]) + x, (reals(2),)),
    Row("an input as a result", lambda x: (x, x + 1), (reals(3),)),
    Row("empty shapes", lambda x: (x.view(3, 0), x.reshape(-1), x.T[None], x.expand(2, 0, 3), x[:, 1:], x.to(i64)), (EMPTY,)),
    Row("empty from nothing", lambda: (torch.full((0, 2), 1.5), torch.arange(3, 3)), ()),
    Row("empty slices and parts", lambda x: (x[3:], x[:, 4:], *x[None].split([0, 3], 1)), (reals(3, 4),)),
    Row("cat with empty", lambda x, y: torch.cat([x, y, x]), (EMPTY, reals(2, 3))),
    Row("cat with the old empty", lambda x, y: torch.cat([x, y]), (torch.empty(0), reals(2, 3))),
    Row("cat of empty", lambda x: torch.cat([x, x]), (EMPTY,)),
    Row("tril", lambda x: (x.tril(), x.triu(1)), (reals(4, 4),)),
]

REDUCTIONS = [
    Row("sum over dimensions", lambda x: (x.sum((0, -1)), x.sum((-1, 0), keepdim=True), x.sum(())), (reals(2, 3, 4),)),
    Row(
        "sum over all, said in two ways",
        lambda x: (aten.sum.dim_IntList(x, []), aten.sum.dim_IntList(x + 1, None)),
        (reals(2, 3),),
    ),
    Row("mean over dimensions", lambda x: (x.mean((0, -1)), x.mean(-2, keepdim=True)), (reals(2, 3, 4),)),
    Row("amax over dimensions", lambda x: (x.amax((0, -1)), x.amax((-1, 0), keepdim=True), x.amax(())), (reals(2, 3, 4),)),
    Row("sum of inf and nan", lambda x: x.sum(1), (torch.stack([FEW, FEW.flip(0), reals(7)]),)),
    Row("amax of nan", lambda x: (x.amax(0), x.amax(1)), (torch.stack([FEW, FEW.flip(0), reals(7)]),)),
    Row("amax of -inf alone", lambda x: x.amax(1), (torch.full((2, 3), -inf),)),
    Row(
        "amax of the lowest integers",
        lambda x, y: (x.amax(0), y.amax(0)),
        (torch.full((2,), -(2**31), dtype=i32), torch.full((2,), -(2**63))),
    ),
    Row("sum of 0-d", lambda x: x.sum(0), (tensor(1.5),)),
    Row("mean of 0-d", lambda x: x.mean(), (tensor(1.5),)),
    Row("amax of 0-d", lambda x: x.amax(-1), (tensor(1.5),)),
    Row("sums of nothing", lambda x: (x.sum(0), x.sum(1), x.sum()), (EMPTY,)),
    Row("mean of nothing", lambda x: x.mean(0), (EMPTY,)),
    Row("amax without elements", lambda x: x.amax(1), (EMPTY,)),
    Row("sum of many f16", lambda x: x.sum(), (torch.full((5000,), 0.1, dtype=f16),), {"rtol": 1e-3}),
    Row("softmax", lambda x: (torch.softmax(x, -1), torch.log_softmax(x, 0)), (reals(3, 4),)),
    Row("softmax of a masked row", lambda x: torch.softmax(x, -1), (tensor([[-inf, -inf], [0.0, -inf]]),)),
    Row("gelu and leaky_relu", lambda x: (torch.nn.functional.gelu(x), torch.nn.functional.leaky_relu(x)), (reals(3, 4),)),
]

PRODUCTS = [
    *[
        Row(f"mm {m}x{k}x{n}", torch.mm, (reals(m, k), reals(k, n)), {"atol": 1e-5})
        for m, k, n in ((1, 1, 1), (7, 13, 5), (33, 2, 17), (1, 40, 3))
    ],
    Row("vectors", lambda x, y: (x @ y, y @ x.T, y @ y), (reals(7, 13), reals(13)), {"atol": 1e-5}),
    Row("bmm", torch.bmm, (reals(3, 5, 7), reals(3, 7, 2)), {"atol": 1e-5}),
    Row("matmul broadcasts", lambda x, y: x @ y, (reals(2, 3, 4, 5), reals(3, 5, 2)), {"atol": 1e-5}),
    Row(
        "addmm",
        lambda x, y, a, b, c: (torch.addmm(a, x, y), torch.addmm(b, x, y), torch.addmm(c, x, y)),
        (reals(2, 4), reals(4, 3), reals(3), reals(2, 1), reals(1)),
        {"atol": 1e-5},
    ),
    Row("mm of nan and inf", torch.mm, (tensor([[nan, 0.0], [0.0, inf]]), tensor([[1.0, 2.0], [0.0, 1.0]]))),
    Row(
        "f16 is summed in f32",
        lambda x, y: (x @ y, x[None] @ y),
        (torch.full((2, 3000), 0.1, dtype=f16), torch.ones(3000, 2, dtype=f16)),
        {"rtol": 1e-3},
    ),
    Row("mm over nothing", torch.mm, (torch.empty(2, 0), EMPTY)),
    Row("mm without rows", torch.mm, (EMPTY, reals(3, 2))),
    Row("bmm over nothing", torch.bmm, (torch.empty(4, 2, 0), torch.empty(4, 0, 3))),
    Row("addmm over nothing", lambda x, y, z: torch.addmm(z, x, y), (torch.empty(2, 0), EMPTY, reals(3))),
    Row("a packed weight", lambda x: x @ WEIGHT, (reals(3, 5),), {"atol": 1e-5, "transforms": [drop_no_ops, pack_linears]}),
]

ROWS = {row.id: row for row in [*unary_rows(), *promotion_rows(), *ELEMENTWISE, *SHAPES, *REDUCTIONS, *PRODUCTS]}


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_equals_pytorch(row: Row) -> None:
    check(row.function, *row.inputs, **row.options)


# What TOSA has no operator for, another registry lowers.
DECLINED_BY_TOSA = [
    ("abs", torch.abs, whole(3)),
    ("ceil", torch.ceil, whole(3)),
    ("round", torch.round, whole(3, dtype=i32)),
    ("relu", torch.relu, whole(3)),
    ("reciprocal", torch.reciprocal, reals(3, dtype=f64)),
    ("sigmoid", torch.sigmoid, reals(3, dtype=f64)),
    ("pow", lambda x: x**2, whole(3)),
    ("pow", lambda x: x**x, whole(3).abs()),
    ("slice", lambda x: x[::2], reals(3)),
    ("mm", lambda x: x @ x, whole(3, 3)),
    ("addmm", lambda x: torch.addmm(x, x, x, beta=0), reals(3, 3)),
    ("addmm", lambda x: torch.addmm(x, x, x, alpha=2), reals(3, 3)),
]


@pytest.mark.parametrize(("name", "function", "x"), DECLINED_BY_TOSA)
def test_the_next_registry_answers(name: str, function: Callable[..., Any], x: Tensor) -> None:
    graph = check(function, x)
    assert any(node.op.startswith(f"aten.{name}.") for node in graph.nodes)
