# ruff: noqa
import torch
from torch._inductor.decomposition import decompositions as inductor_decomp
from frontend import DynamoCompiler
from frontend.ops import tosa


def foo(x, y):
    return x * y + x


dynamo_compiler = DynamoCompiler(
    primary_registry=tosa.ops_registry,
    aot_autograd_decomposition=inductor_decomp,
)

graphs = dynamo_compiler.importer(foo, torch.randn(10), torch.randn(10))
graph = graphs[0]
graph.lower_to_top_level_ir()  # generate high-level MLIR (TOSA/Linalg/…)
print(graph._imported_module)
