"""What the runner must know of a compiled graph, as a C++ header."""

from __future__ import annotations

import json
from collections.abc import Sequence

from frontend import parameters
from frontend.graph import Graph, TensorType

_HEADER = """// Generated from the graph of {name}: do not edit.
#pragma once
#include "tensor.h"

namespace signature {{

inline constexpr const char *model = {name};
inline constexpr const char *dtype = {dtype};  // of the build
inline constexpr double flops = {flops};          // of the matrix products, per call
inline constexpr std::size_t parameter_bytes = {bytes};
inline const std::vector<TensorType> inputs = {{{inputs}}};
inline const std::vector<TensorType> outputs = {{{outputs}}};
inline const std::vector<std::size_t> writes = {{{writes}}};  // the inputs that a call writes in place

extern "C" void _mlir_ciface_forward({formals});

/// Call the compiled model: `d` points to the descriptors of the parameters, the inputs and the outputs.
inline void call(void **d) {{ _mlir_ciface_forward({actuals}); }}

}}  // namespace signature
"""


def header(graph: Graph, model: str, dtype: str, flops: int) -> str:
    """`graph` is the main graph: its C interface takes the parameters' bytes, the inputs, then the outputs.

    What it writes in place is an input and no output.
    """
    outputs = [(f"output{i}", graph.type_of(ref)) for i, ref in enumerate(graph.returned())]
    inputs = [(i.name, i.type) for i in graph.inputs]
    count = 1 + len(inputs) + len(outputs)
    return _HEADER.format(
        name=json.dumps(model),
        dtype=json.dumps(dtype),
        flops=float(flops),
        bytes=parameters.offsets(p.type for p in graph.parameters)[1],
        inputs=_types(inputs),
        outputs=_types(outputs),
        writes=", ".join(str(place - len(graph.parameters)) for place in graph.written()),
        formals=", ".join(["void *"] * count),
        actuals=", ".join(f"d[{i}]" for i in range(count)),
    )


def _types(named: Sequence[tuple[str, TensorType]]) -> str:
    return ", ".join(f'{{"{name}", DType::{t.dtype}, {{{", ".join(map(str, t.shape))}}}}}' for name, t in named)
