"""IREE as an engine: its own compiler on what PyTorch exported to MLIR, with data tiling.

The job's option `global_tiling` takes the older of its two ways of data tiling: with the newer one answers may be wrong.
"""

from __future__ import annotations

import iree.compiler
import iree.runtime

from runner.engines.serve import Engine, Job, serve

FLAGS = [
    "--iree-hal-target-device=local",
    "--iree-hal-local-target-device-backends=llvm-cpu",
    "--iree-llvmcpu-target-cpu=host",
    "--iree-llvmcpu-stack-allocation-limit=1048576",
    "--iree-opt-level=O2",
    "--iree-opt-const-eval",
]


def load(job: Job) -> Engine:
    job.takes("f32")
    tiling = "iree-global-opt-data-tiling" if job.options.get("global_tiling") else "iree-opt-data-tiling"
    compiled = job.file(f"{tiling}.vmfb")
    source, flags = str(job.file("model.mlir")), [*FLAGS, f"--{tiling}"]
    iree.compiler.compile_file(source, output_file=str(compiled), input_type="torch", extra_args=flags)
    iree.runtime.flags.parse_flags(f"--task_topology_group_count={job.threads}", "--task_worker_stack_size=16777216")
    config = iree.runtime.Config("local-task")
    module = iree.runtime.VmModule.mmap(config.vm_instance, str(compiled))
    context = iree.runtime.SystemContext(vm_modules=[*config.default_vm_modules, module], config=config)
    main = context.modules.module.main
    arrays = [iree.runtime.asdevicearray(config.device, array) for array in job.arrays("inputs")]

    def call() -> list:
        found = main(*arrays)
        return [f.to_host() for f in (found if isinstance(found, list | tuple) else [found])]

    return Engine(call, list)


if __name__ == "__main__":
    serve(load)
