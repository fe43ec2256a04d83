"""ONNX Runtime as an engine, on what PyTorch exported."""

from __future__ import annotations

import onnxruntime

from runner.engines.serve import CannotRun, Engine, Job, serve


def load(job: Job) -> Engine:
    job.takes("f32")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = job.threads
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    session = onnxruntime.InferenceSession(job.file("model.onnx"), options, providers=["CPUExecutionProvider"])
    names, arrays = [i.name for i in session.get_inputs()], job.arrays("inputs")
    if len(names) != len(arrays):
        raise CannotRun(f"the exported model takes {len(names)} of {len(arrays)} inputs")
    given = dict(zip(names, arrays, strict=True))
    return Engine(lambda: session.run(None, given), list)


if __name__ == "__main__":
    serve(load)
