"""OpenVINO as an engine, on what PyTorch exported to ONNX."""

from __future__ import annotations

import numpy as np
import openvino

from runner.engines.serve import CannotRun, Engine, Job, serve


def load(job: Job) -> Engine:
    job.takes("f32", "bf16")
    core = openvino.Core()
    settings = {
        "INFERENCE_PRECISION_HINT": job.dtype,
        "INFERENCE_NUM_THREADS": str(job.threads),
        "PERFORMANCE_HINT": "LATENCY",
    }
    request = core.compile_model(core.read_model(job.file("model.onnx")), "CPU", settings).create_infer_request()
    arrays = job.arrays("inputs")
    if len(request.input_tensors) != len(arrays):
        raise CannotRun(f"the exported model takes {len(request.input_tensors)} of {len(arrays)} inputs")
    for i, array in enumerate(arrays):
        request.set_input_tensor(i, openvino.Tensor(array))

    def call() -> list[np.ndarray]:
        request.infer()
        return [tensor.data for tensor in request.output_tensors]

    return Engine(call, list)


if __name__ == "__main__":
    serve(load)
