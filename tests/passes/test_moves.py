"""What only moves elements, and what it costs: the numbers, and that rotary embeddings take no memory for their parts."""

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.export import Dim

from frontend import DynamoCompiler
from frontend.capture import by_export
from frontend.lower import lower
from passes import pipelines, targets
from passes.mlir import ir
from passes.moves import own_reshapes
from passes.products import product_of
from passes.schedule import find_all
from passes.steps import Step, part, steps_of
from tests.compiled import Wrapped, run_module, same


def steps_to(last: str) -> list[Step]:
    return part(steps_of(pipelines.MIDEND), "midend", None, last, None)


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


def test_rows_whose_number_is_known_when_it_runs() -> None:
    def function(x: Tensor, y: Tensor) -> Tensor:
        return (x @ y).transpose(0, 1)

    args = torch.randn(3, 5, 9), torch.randn(3, 9, 33)
    compiled = DynamoCompiler().compile(function, *args, dynamic_shapes=({1: Dim("rows", min=2, max=64)}, None))
    for rows in (5, 12):
        x = torch.randn(3, rows, 9)
        torch.testing.assert_close(compiled(x, args[1]), function(x, args[1]))


PRODUCT = """
func.func @f(%x: tensor<4x4x5xf32>, %y: tensor<4x5x7xf32>) -> tensor<{result}> {{
  %zero = arith.constant 0.0 : f32
  %empty = tensor.empty() : tensor<4x4x7xf32>
  %start = linalg.fill ins(%zero : f32) outs(%empty : tensor<4x4x7xf32>) -> tensor<4x4x7xf32>
  %z = linalg.batch_matmul ins(%x, %y : tensor<4x4x5xf32>, tensor<4x5x7xf32>)
      outs(%start : tensor<4x4x7xf32>) -> tensor<4x4x7xf32>
  {reader}
  return %last : tensor<{result}>
}}
"""
DIAGONAL = """%none = tensor.empty() : tensor<4x7xf32>
  %last = linalg.generic {indexing_maps = [affine_map<(a, n) -> (a, a, n)>, affine_map<(a, n) -> (a, n)>],
      iterator_types = ["parallel", "parallel"]} ins(%z : tensor<4x4x7xf32>) outs(%none : tensor<4x7xf32>) {
  ^bb0(%i: f32, %o: f32):
    linalg.yield %i : f32
  } -> tensor<4x7xf32>"""
LOOP = """%first = arith.constant 0 : index
  %step = arith.constant 1 : index
  %end = arith.constant 3 : index
  %last = scf.for %i = %first to %end step %step iter_args(%t = %start) -> tensor<4x4x7xf32> {
    %turned = tosa.transpose %z {perms = array<i32: 1, 0, 2>} : (tensor<4x4x7xf32>) -> tensor<4x4x7xf32>
    %sum = tosa.add %t, %turned : (tensor<4x4x7xf32>, tensor<4x4x7xf32>) -> tensor<4x4x7xf32>
    scf.yield %sum : tensor<4x4x7xf32>
  }"""


def test_readers_that_are_no_change_of_order() -> None:
    """A diagonal of a product; a loop, into which no product may sink."""
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((4, 4, 5), np.float32), rng.standard_normal((4, 5, 7), np.float32)
    diagonal = ir.Module.parse(PRODUCT.format(result="4x7xf32", reader=DIAGONAL), ir.Context())
    (z,) = run_module(diagonal, "f", [x, y], [np.full((4, 7), np.nan, np.float32)])
    np.testing.assert_allclose(z, np.einsum("aak,akn->an", x, y), rtol=1e-5, atol=1e-6)
    module = ir.Module.parse(PRODUCT.format(result="4x4x7xf32", reader=LOOP), ir.Context())
    pipelines.run(module, "midend", targets.find("x86-64-v4"), steps_to("restore-products"))
    (loop,) = find_all(module.operation, "scf.for")
    assert not [op for op in find_all(loop, "linalg.generic") if product_of(op)]


SLICED = """
func.func @f(%x: tensor<3x4x5xf32>) -> tensor<4x2x5xf32> {
  %t = tosa.transpose %x {perms = array<i32: 1, 0, 2>} : (tensor<3x4x5xf32>) -> tensor<4x3x5xf32>
  %a = tosa.const_shape {values = dense<[0, 1, 0]> : tensor<3xindex>} : () -> !tosa.shape<3>
  %b = tosa.const_shape {values = dense<[4, -1, 5]> : tensor<3xindex>} : () -> !tosa.shape<3>
  %s = tosa.slice %t, %a, %b : (tensor<4x3x5xf32>, !tosa.shape<3>, !tosa.shape<3>) -> tensor<4x2x5xf32>
  return %s : tensor<4x2x5xf32>
}
"""


def test_a_slice_up_to_the_end() -> None:
    x = np.arange(60, dtype=np.float32).reshape(3, 4, 5)
    (y,) = run_module(ir.Module.parse(SLICED, ir.Context()), "f", [x], [np.zeros((4, 2, 5), np.float32)])
    np.testing.assert_array_equal(y, x.transpose(1, 0, 2)[:, 1:])


def test_what_is_computed_for_a_piece_is_computed_once() -> None:
    args = torch.randn(5, 8), torch.randn(5, 8)
    function = lambda x, y: torch.cat((x.tanh(), y.exp()), -1) * 2  # noqa: E731
    same(function, *args)
    module = after("restore-products", function, *args)
    for op in find_all(module.operation, "linalg.generic"):
        assert not {"math.tanh", "math.exp"} <= {inner.name for inner in find_all(op)}


def test_chains_of_reshapes_have_one_reader_each() -> None:
    text = """
func.func @f(%x: tensor<4x6xf32>) -> (tensor<2x12xf32>, tensor<2x12xf32>) {
  %flat = tensor.collapse_shape %x [[0, 1]] : tensor<4x6xf32> into tensor<24xf32>
  %y = tensor.expand_shape %flat [[0, 1]] output_shape [2, 12] : tensor<24xf32> into tensor<2x12xf32>
  %a = math.tanh %y : tensor<2x12xf32>
  %b = math.exp %y : tensor<2x12xf32>
  return %a, %b : tensor<2x12xf32>, tensor<2x12xf32>
}
"""
    module = ir.Module.parse(text, ir.Context())
    own_reshapes(module.operation, targets.find("x86-64-v4"))
    reshapes = find_all(module.operation, "tensor.collapse_shape", "tensor.expand_shape")
    assert [len(list(op.results[0].uses)) for op in reshapes] == [1] * 4
