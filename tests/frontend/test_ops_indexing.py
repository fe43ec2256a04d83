"""Shapes, views, indexing and scatters in the corners that PyTorch's operator database leaves out, and with dynamic sizes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, tensor
from torch.export import Dim

from frontend import DynamoCompiler
from frontend.capture import CaptureError
from tests.compiled import check

aten = torch.ops.aten
DTYPES = [
    torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.uint8, torch.bool, torch.complex64,
]  # fmt: skip
NAN, INF = float("nan"), float("inf")


def same(function: Callable[..., Any], *tensors: Tensor, **options: Any) -> None:
    expected = function(*tensors)
    torch.testing.assert_close(
        DynamoCompiler().compile(function, *tensors)(*tensors), expected, equal_nan=True, check_stride=False, **options
    )


def of(dtype: torch.dtype, *shape: int) -> Tensor:
    return (torch.randn(*shape) * 4).to(dtype) if dtype != torch.uint8 else torch.randint(0, 250, shape, dtype=dtype)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_every_dtype(dtype: torch.dtype) -> None:
    x, i = of(dtype, 3, 4), tensor([[1, -2], [0, 2]])
    same(lambda x: (x[:, ::2], x[1], x.flip(0), x.diagonal(1), x.T, x.unfold(1, 2, 1), x.repeat(2, 1, 2), x.roll(1, 1)), x)
    same(lambda x: (torch.cat([x, x]), F.pad(x, (1, -1)), torch.slice_scatter(x, x[:, :2], 1, 1, 3), x.squeeze(), x[None]), x)
    same(lambda x, i: (x[i], x[:, i], x.index_select(1, i[1]), x.take(i), x.gather(0, i % 3), F.embedding(i % 3, x)), x, i)
    same(
        lambda x, i: (
            x.index_put((i,), x[:2, None]),
            x.scatter(1, i % 3, x),
            x.put(i, x[:2, :2]),
            x.diagonal_scatter(x[0, :3]),
        ),
        x,
        i,
    )
    same(lambda x, m: (x.masked_scatter(m, x.flip(0)), torch.nonzero_static(x, size=4)), x, tensor([True, False, True, True]))
    if dtype != torch.complex64:
        same(lambda x, i: (x.scatter_reduce(1, i % 3, x, "amax"), x.scatter_add(1, i % 3, x)), x, i, rtol=1e-2, atol=1e-2)


ODD = tensor([[0.0, -0.0, NAN, INF], [-INF, 1.0, -1.0, 2.0], [NAN, 3.0, NAN, -2.0]])


@pytest.mark.parametrize("reduce", ["sum", "prod", "mean", "amax", "amin"])
@pytest.mark.parametrize("include_self", [True, False])
def test_reductions_at_places(reduce: str, include_self: bool) -> None:
    i = tensor([[0, 0, 2, 0], [2, 2, 2, 2]])
    for x in (ODD, torch.arange(-6, 6).reshape(3, 4)):
        check(lambda x, i: x.scatter_reduce(0, i, x, reduce, include_self=include_self), x, i)
        if reduce != "sum":
            check(lambda x, i: x.index_reduce(1, i, x[:, 1:], reduce, include_self=include_self), x, tensor([1, 1, 3]))


def test_the_last_write_wins() -> None:
    x, i, new = torch.zeros(4, 3), tensor([2, -2, 0]), torch.arange(9.0).reshape(3, 3)
    check(
        lambda x, i, new: (x.index_put((i,), new), x.index_put((i,), new, accumulate=True), x.index_copy(0, i % 4, new)),
        x,
        i,
        new,
    )
    check(lambda x, i, new: (x.scatter(0, i % 4, new), x.scatter(0, i % 4, 7.0)), x, i.repeat(3, 1), new)


def test_where_indexed_dimensions_go() -> None:
    x, i, j = torch.randn(3, 4, 5, 2), tensor([[0], [-1]]), tensor([1, 2, -3])

    def put(x: Tensor, i: Tensor, j: Tensor, v: Tensor) -> Tensor:
        x = x.clone()
        x[i, :, j] = v
        return x

    check(lambda x, i, j: (x[i, j], x[:, i, j], x[i, :, j], x[:, i, :, j % 2], x[..., i, j % 2], x[i, 1, j]), x, i, j)
    check(put, x, i, j, torch.randn(3, 1, 2))


def test_masks_as_indices() -> None:
    x, rows, all_ = torch.randn(3, 4), tensor([True, False, True]), torch.rand(3, 4) > 0.5

    def fill(x: Tensor, rows: Tensor, all_: Tensor) -> tuple[Tensor, ...]:
        a, b, c, d = x.clone(), x.clone(), x.clone(), x.clone()
        a[rows] = 7
        b[all_] = 7
        c[rows] = x[:2] * 2
        d[:, torch.cat([rows, rows[:1]])] = x[:, :1]
        return a, b, c, d

    check(fill, x, rows, all_)


def test_empty_and_0d() -> None:
    x, none = torch.empty(0, 3), torch.empty(0, dtype=torch.int64)
    check(
        lambda x, i: (x[i], x[:, i], x.flip(0), x.diagonal(), torch.cat([x, x]), x.repeat(2, 1), F.pad(x, (0, 0, 1, 1))),
        x,
        none,
    )
    check(lambda x, i: (x.index_put((i,), x), x.scatter_add(0, i[:, None], x), torch.nonzero_static(x, size=2)), x + 1, none)
    check(lambda x, i: (x[i], x.index_put((i,), x[i]), x.index_add(0, i, x[i])), torch.randn(2, 3), none)
    zero = tensor(0)
    check(
        lambda x, i: (x.gather(0, i), x.index_select(0, i), x.take(i), x.unfold(0, 1, 1), x.scatter(0, i, x)), tensor(2.5), zero
    )
    check(lambda x, i: (x.gather(0, i), x.take(i), x.scatter_add(0, i, x[0]), x.repeat(0)), torch.randn(3), zero)


def test_slices_beyond_the_end() -> None:
    x = torch.arange(10)
    check(lambda x: (x[-100:3], x[5:100:2], x[8:3], x[-3:-1], x[-1:-100], x[2:9:4], x[100:], aten.slice(x, 0, None, 7, 3)), x)
    check(lambda x: (torch.slice_scatter(x, x[:2], 0, -100, 3, 2), torch.select_scatter(x, x[3], 0, -1)), x)


def test_out_of_range_indices_touch_no_other_memory() -> None:
    x, i = torch.arange(5.0), tensor([10**12, -(10**12), 5, -6])
    run = DynamoCompiler().compile(lambda x, i: (x[i], x.index_put((i,), x[:4]), F.embedding(i, x[:, None])), x, i % 5)
    taken, put, rows = run(x, i)
    assert taken.tolist() == rows[:, 0].tolist() == [4, 0, 4, 0]
    assert put.tolist() == [3, 1, 2, 3, 2]


def test_strides_are_those_of_memory() -> None:
    x = torch.arange(12.0).reshape(3, 4)
    check(lambda x: (x.as_strided((2, 3), (1, 4), 1), x.T.as_strided((3, 2), (4, 1)), (x.T + 1).as_strided((6,), (2,))), x)
    check(lambda x: x.as_strided_scatter(x[0, :2], (2,), (5,), 1), x)
    with pytest.raises(CaptureError, match="memory beside the elements"):
        check(lambda x: x[:, 1:].as_strided((2, 2), (1, 1)), x)


def test_a_number_in_a_tensor_as_index() -> None:
    def at(x: Tensor, i: Tensor) -> tuple[Tensor, ...]:
        return x[i] * 2, x[:, i], x + i.item()

    x = torch.randn(3, 4)
    run = DynamoCompiler().compile(at, x, tensor(1))
    for i in (tensor(2), tensor(-1), tensor(0)):
        torch.testing.assert_close(run(x, i), at(x, i))


def test_bags() -> None:
    table, i, starts = torch.randn(6, 3), tensor([0, 2, 2, 5, 1]), tensor([0, 2, 2])
    for mode in range(3):
        check(lambda *t, m=mode: torch.embedding_bag(*t, False, m), table, i, starts)
        check(lambda *t, m=mode: aten._embedding_bag_forward_only(*t, False, m, False, None, False, 2), table, i, starts)
    check(lambda w, *t: F.embedding_bag(t[0], w, t[1], mode="sum", per_sample_weights=t[2]), table, i, starts, torch.randn(5))
    check(lambda w, *t: F.embedding_bag(*t[:1], w, t[1], include_last_offset=True), table, i, tensor([0, 2, 2, 5]))
    check(lambda w, *t: F.embedding_bag(*t[:1], w, t[1], mode="max"), table.half(), i.int(), starts.int())


@pytest.mark.parametrize("reduce", ["sum", "mean", "max", "min", "prod"])
def test_segments(reduce: str) -> None:
    x, counts = torch.randn(5, 2), tensor([2, 0, 3])
    x[3, 1] = NAN
    check(lambda x, n: torch.segment_reduce(x, reduce, lengths=n, axis=0), x, counts)
    check(lambda x, n: torch.segment_reduce(x, reduce, offsets=n, axis=1, initial=2), x[None], tensor([[0, 2, 2, 5]]))


def test_the_rest_on_numbers() -> None:
    x, i = torch.randn(3, 4), tensor([0, 2])
    check(lambda x, i: (aten._unsafe_index(x, [i]), aten._unsafe_index_put(x, [i], x[:2])), x, i, table={})
    check(lambda x: (aten.repeat(x, [1, 2]), aten.select_scatter(x, x[0], 0, 1), aten._unsafe_view(x, [4, 3])), x, table={})
    check(lambda x: aten.as_strided_scatter(x, x[0], [4], [1], 3), x, table={})
    check(lambda x, i: aten.scatter(x, 0, i[None], 2.0, reduce="add"), x, i)
    check(lambda x, i: aten.scatter(x, 0, i[None], x, reduce="multiply"), x, i)
    check(lambda x, i: F.embedding(i, x, padding_idx=0), x, i)


S, T = Dim("s", min=4, max=64), Dim("t", min=4, max=64)


def rotary(x: Tensor) -> Tensor:
    n = x.shape[1]
    heads, angles = x.view(1, n, 4, 8).transpose(1, 2), torch.arange(n)[:, None] * torch.arange(4)[None] / 4.0
    angles = torch.cat([angles, angles], -1)
    turned = heads * angles.cos() + torch.cat([-heads[..., 4:], heads[..., :4]], -1) * angles.sin()
    return turned.transpose(1, 2).reshape(1, n, 32)


def swapped(x: Tensor) -> Tensor:
    return x.reshape(x.shape[1], x.shape[0])


def integers(*shape: int) -> Tensor:
    return torch.randint(0, 4, shape)


DYNAMIC: dict[str, tuple[Callable[..., Any], Callable[[int], tuple[Tensor, ...]], Any]] = {
    "slices": (
        lambda x: (x[:, 1:], x[:, :-1], x[:, -3:], x[:, :100], x[1:], x[:, ::2], x[:, 0], x[:, -1], x[1]),
        lambda n: (torch.randn(3, n, 4),), ({1: S},),
    ),
    "cat": (
        lambda x: (torch.cat([x, x], 1), torch.cat([x, x[:, :2]], 1), torch.cat([x, x]), torch.stack([x, x])),
        lambda n: (torch.randn(3, n, 4),), ({1: S},),
    ),
    "view": (
        lambda x: (x.reshape(3, -1), x.reshape(-1), x.reshape(3, x.shape[1], 2, 2), x.reshape(-1, 4), x.reshape(-1, 2, 2)),
        lambda n: (torch.randn(3, n, 4),), ({1: S},),
    ),
    "two sizes": (
        lambda x: (swapped(x) * torch.arange(x.shape[0]), swapped(x).t() * 2, swapped(x)[:, 1:], torch.cat([x, x[:, :2]], -1)),
        lambda n: (torch.randn(n, n + 3),), ({0: S, 1: T},),
    ),
    "shapes": (
        lambda x: (x.permute(1, 0, 2), x[:1].squeeze(0), x.unsqueeze(1), x[:, :, :1].expand(-1, -1, 5), x[:1].expand(2, -1, 4)),
        lambda n: (torch.randn(3, n, 4),), ({1: S},),
    ),
    "padding": (
        lambda x: (F.pad(x, (1, 2)), F.pad(x, (0, 0, -1, 2)), F.pad(x, (0, 0, 0, 64 - x.shape[1]), value=7.0)),
        lambda n: (torch.randn(3, n, 4),), ({1: S},),
    ),
    "others": (
        lambda x: (x.flip(1), x.diagonal(1, 1, 2), x.unfold(1, 2, 1), x.repeat(1, 2, 2, 1), x.repeat(1, x.shape[1], 1)),
        lambda n: (torch.randn(3, n, 4),), ({1: S},),
    ),
    "gather": (
        lambda x, i: (x.gather(1, i), x.scatter(1, i, 2.0), x.scatter_add(1, i, x), x.scatter_reduce(1, i, x, "mean")),
        lambda n: (torch.randn(3, n, 4), integers(3, n, 4)), ({1: S}, {1: S}),
    ),
    "index": (
        lambda x, i: (x[:, i], x[i % 3], x[i % 3, i], x.index_select(1, i), F.embedding(i, x[0]), x.index_fill(1, i, 2.0)),
        lambda n: (torch.randn(3, n, 4), integers(n)), ({1: S}, {0: S}),
    ),
    "a cache": (
        lambda c, p, v: (c.index_copy(1, p, v), torch.slice_scatter(c, v, 1, 0, v.shape[1]), c.index_reduce(1, p, v, "amax")),
        lambda n: (torch.randn(3, 64, 4), torch.randperm(64)[:n], torch.randn(3, n, 4)), ({}, {0: S}, {1: S}),
    ),
    "rotary embedding": (rotary, lambda n: (torch.randn(1, n, 32),), ({1: S},)),
    "a causal mask": (
        lambda x: x[0, :, :1] + torch.full((x.shape[1], x.shape[1]), -INF).triu(1),
        lambda n: (torch.randn(3, n, 4),), ({1: S},),
    ),
    "a size as a number": (
        lambda x: (x * x.shape[0], x == x.shape[0], torch.full((2,), x.shape[0]), torch.arange(x.shape[0]) - x.shape[0]),
        lambda n: (torch.randn(n, 3),), ({0: S},),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", DYNAMIC)
def test_dynamic_sizes(name: str) -> None:
    function, arguments, shapes = DYNAMIC[name]
    run = DynamoCompiler().compile(function, *arguments(7), dynamic_shapes=shapes)
    for n in (5, 13, 4):
        given = arguments(n)
        torch.testing.assert_close(run(*given), function(*given), check_stride=False)
