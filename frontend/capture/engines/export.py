"""What engines are given that do not know PyTorch: `python -m frontend.capture.engines.export KIND JOB.json`

KIND is `reference` (`inputs.npz`, and `reference.npz`: the outputs in float64), `onnx` (`model.onnx`) or `mlir` (`model.mlir`).
"""

from __future__ import annotations

import sys
import traceback
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

from frontend.capture.engines.loaded import Loaded, arrays, load
from runner.engines.serve import Job, sentence


class _Wide(TorchDispatchMode):
    """Whatever asks for float32 gets float64: a model may convert within."""

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        wide = {torch.float32: torch.float64}
        args, kwargs = pytree.tree_map_only(torch.dtype, lambda dtype: wide.get(dtype, dtype), (args, kwargs or {}))
        return function(*args, **kwargs)


def reference(job: Job, loaded: Loaded) -> None:
    np.savez(job.file("inputs.npz"), *arrays(loaded.tensors()))
    wide = load(job, torch.float64)
    torch.set_default_dtype(torch.float64)
    with _Wide():
        np.savez(job.file("reference.npz"), *arrays(wide.module(*wide.args, **wide.kwargs)))


def onnx(job: Job, loaded: Loaded) -> None:
    path = job.file("model.onnx")
    torch.onnx.export(loaded.module, loaded.args, path, kwargs=loaded.kwargs, dynamo=True, external_data=True, verbose=False)


class _Pure(nn.Module):
    """A module that leaves its arguments alone: the importer would return what it writes there as results."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        args, kwargs = pytree.tree_map_only(torch.Tensor, torch.clone, (args, kwargs))
        return self.module(*args, **kwargs)


def mlir(job: Job, loaded: Loaded) -> None:
    from iree.compiler.extras.fx_importer import FxImporter

    for part in loaded.module.modules():  # the importer finds what is in the module's state
        for name, buffer in list(part.named_buffers(recurse=False)):
            part.register_buffer(name, buffer)
    program = torch.export.export(_Pure(loaded.module), loaded.args, loaded.kwargs, strict=False).run_decompositions()
    importer = FxImporter()
    importer.import_frozen_program(program, func_name="main")
    with job.file("model.mlir").open("wb") as file:
        importer.module.operation.write_bytecode(file)


KINDS = {"reference": reference, "onnx": onnx, "mlir": mlir}


def main() -> int:
    kind, path = sys.argv[1:]
    job = Job.load(path)
    try:
        KINDS[kind](job, load(job))
    except Exception as failure:
        traceback.print_exc()
        print(sentence(failure), file=sys.stderr)  # the last line is the reason
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
