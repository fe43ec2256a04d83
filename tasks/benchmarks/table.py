"""What there is to benchmark, as data: the model of each benchmark, and its settings in four sizes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from passes.names import nearest

SIZES = ("mini", "small", "medium", "large")
Setting = dict[str, int]
Sizes = tuple[Setting, ...]


@dataclass(frozen=True)
class Benchmark:
    """`sizes` are the settings of `model`, where they are not its defaults, one for each of SIZES."""

    name: str
    model: str
    sizes: Sizes

    def settings(self, size: str) -> Setting:
        return self.sizes[SIZES.index(size)]


def _tokens(*rows: Setting) -> Sizes:
    """Medium is as the published model is, with 40 tokens; large has 256 tokens, mini and small have less of everything."""
    mini, small = ({"seq_len": n, **row} for n, row in zip((8, 40), rows, strict=True))
    return mini, small, {}, {"seq_len": 256}


def _linear(mini: tuple[int, int], small: tuple[int, int], full: tuple[int, int]) -> Sizes:
    """A product with weights, by the lengths of its rows and of its results, for 8, 40, 40 and 256 tokens."""
    shapes = zip((8, 40, 40, 256), (mini, small, full, full), strict=True)
    return tuple({"rows": rows, "inputs": inputs, "outputs": outputs} for rows, (inputs, outputs) in shapes)


_HEADS = ({"num_heads": 4, "num_kv_heads": 2, "head_dim": 16}, {"num_heads": 4, "num_kv_heads": 2})
_ATTENTION = tuple({"hidden_size": n, **heads} for n, heads in zip((64, 512), _HEADS, strict=True))
_NETWORK = ({"hidden_size": 64, "intermediate_size": 192}, {"hidden_size": 512, "intermediate_size": 2048})
_BLOCK = tuple(attention | network for attention, network in zip(_ATTENTION, _NETWORK, strict=True))

BENCHMARKS = (
    # the decoder block, and what it consists of
    Benchmark("block", "deepseek_r1_block", _tokens(*_BLOCK)),
    Benchmark("rmsnorm", "rmsnorm", _tokens({"hidden_size": 64}, {"hidden_size": 512})),
    Benchmark("rope", "rope", _tokens({"num_heads": 4, "head_dim": 16}, {"num_heads": 4})),
    Benchmark("attention", "attention", _tokens(*_ATTENTION)),
    Benchmark("swiglu", "swiglu", _tokens(*_NETWORK)),
    Benchmark("gemm_qkv", "linear", _linear((64, 128), (512, 1024), (1536, 2048))),
    Benchmark("gemm_o", "linear", _linear((64, 64), (512, 512), (1536, 1536))),
    Benchmark("gemm_gate_up", "linear", _linear((64, 384), (512, 4096), (1536, 17920))),
    Benchmark("gemm_down", "linear", _linear((192, 64), (2048, 512), (8960, 1536))),
    # what many models consist of
    Benchmark("gemm", "gemm", tuple({"m": n, "k": n, "n": n} for n in (32, 256, 512, 1024))),
    Benchmark(
        "batched_matmul",
        "batched_matmul",
        tuple({"batch": b, "m": n, "k": n, "n": n} for b, n in ((2, 16), (4, 128), (8, 256), (16, 512))),
    ),
    Benchmark(
        "conv2d",
        "conv2d",
        tuple({"channels": c, "filters": c, "height": n, "width": n} for c, n in ((4, 10), (16, 32), (32, 56), (64, 112))),
    ),
    Benchmark(
        "softmax", "softmax", tuple({"rows": r, "columns": c} for r, c in ((8, 32), (64, 512), (512, 1024), (2048, 4096)))
    ),
    Benchmark(
        "layernorm", "layernorm", tuple({"rows": r, "columns": c} for r, c in ((8, 32), (64, 512), (512, 1024), (2048, 4096)))
    ),
    Benchmark(
        "pooling",
        "pooling",
        tuple({"channels": c, "height": n, "width": n} for c, n in ((4, 12), (16, 64), (64, 112), (128, 224))),
    ),
    Benchmark("elementwise", "elementwise", tuple({"elements": n} for n in (1 << 10, 1 << 16, 1 << 20, 1 << 24))),
)
NAMES = tuple(benchmark.name for benchmark in BENCHMARKS)


class UnknownBenchmark(Exception):
    """A name that no benchmark has, and what there is."""


def chosen(names: Sequence[str]) -> list[Benchmark]:
    """Those of the names, each once, in the order of the table; all without a name. Raises UnknownBenchmark."""
    for name in names:
        if name not in NAMES:
            raise UnknownBenchmark(f"no benchmark {name!r}{nearest(name, NAMES) or '.'} There are: {', '.join(NAMES)}")
    return [benchmark for benchmark in BENCHMARKS if not names or benchmark.name in names]
