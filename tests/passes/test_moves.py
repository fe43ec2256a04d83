"""What only moves elements, and what it costs: the numbers, and that rotary embeddings take no memory for their parts."""

import pytest
import torch
from torch import Tensor

from frontend.capture import by_export
from frontend.lower import lower
from passes import pipelines, targets
from passes.mlir import ir
from passes.schedule import find_all
from tests.compiled import Wrapped, same


def after(last: str, function, *args: Tensor) -> ir.Module:
    """A PyTorch function's module after the midend up to one of our passes."""
    module = lower(by_export(Wrapped(function), args, {}, "forward").graph)
    names = [pipelines.name_of(entry) for entry in pipelines.MIDEND]
    with module.context, ir.Location.unknown():
        part = pipelines.MIDEND[: names.index(last) + 1]
        pipelines.build(part, targets.TARGETS["x86-64-v4"], module.context).run(module.operation)
    return module


def names(module: ir.Module) -> list[str]:
    return [op.name for op in find_all(module.operation)]


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    heads = x.view(x.shape[0], x.shape[1], -1, cos.shape[-1]).transpose(1, 2)
    first, second = heads.chunk(2, dim=-1)
    return heads * cos + torch.cat((-second, first), dim=-1) * sin


@pytest.mark.parametrize(("batch", "tokens", "heads", "size"), [(1, 5, 3, 8), (2, 7, 1, 6), (1, 1, 2, 2), (3, 40, 2, 64)])
def test_a_rotation_is_one_operation(batch: int, tokens: int, heads: int, size: int) -> None:
    args = torch.randn(batch, tokens, heads * size), torch.randn(tokens, size), torch.randn(tokens, size)
    same(rotate, *args, rtol=0, atol=0)
    module = after("restore-products", rotate, *args)
    assert names(module).count("linalg.generic") == 1
    assert "tensor.insert_slice" not in names(module)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.int64, torch.bool, torch.uint8])
@pytest.mark.parametrize(
    ("dim", "sizes"), [(-1, (3, 3)), (-1, (4,) * 4), (-1, (2,) * 5), (-1, (3, 2)), (0, (3, 3)), (-1, (1, 1, 1))]
)
def test_concatenations(dtype: torch.dtype, dim: int, sizes: tuple[int, ...]) -> None:
    pieces = [torch.testing.make_tensor(*((4, s) if dim else (s, 4)), dtype=dtype, device="cpu") for s in sizes]
    same(lambda *parts: torch.cat(parts, dim), *pieces)


def test_pieces_keep_what_they_hold() -> None:
    odd = torch.tensor([[float("nan"), -0.0, float("inf")]])
    same(lambda x, y: torch.cat((x, y, -x), -1).signbit(), odd, odd)


@pytest.mark.parametrize("order", [(1, 0, 2), (2, 1, 0), (0, 2, 1), (0, 1, 2), (1, 2, 0)])
def test_slices_of_what_is_transposed(order: tuple[int, ...]) -> None:
    def function(x: Tensor) -> tuple[Tensor, ...]:
        y = x.permute(order)
        return y[1:, :, 2:4] + 1, y[:, -2:, :1] * 2, y * 3

    same(function, torch.randn(5, 6, 7), rtol=0, atol=0)


@pytest.mark.parametrize("size", [1, 7, 40])
def test_products_write_where_their_reader_moves_them(size: int) -> None:
    def function(x: Tensor, y: Tensor) -> Tensor:
        return (x @ y).transpose(0, 1).reshape(size, -1)

    args = torch.randn(3, size, 9), torch.randn(3, 9, 33)
    same(function, *args)
    module = after("write-moved", function, *args)
    (product,) = find_all(module.operation, "builtin.unrealized_conversion_cast")
    assert list(product.results[0].type.shape)[-3:] == [size, 3, 33] or size == 1


def test_products_whose_result_is_used_as_it_is_too() -> None:
    def both(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        z = x @ y
        return z.transpose(0, 1).contiguous(), z + 1

    same(both, torch.randn(3, 5, 9), torch.randn(3, 9, 17))
    same(lambda x, y: (x @ y).transpose(1, 2).contiguous(), torch.randn(3, 5, 9), torch.randn(3, 9, 17))
    same(lambda x, y, z: torch.baddbmm(z, x, y).transpose(0, 1).contiguous(), *(torch.randn(3, 9, 9) for _ in range(3)))
