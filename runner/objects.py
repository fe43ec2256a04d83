"""LLVM IR to object code, through llvmlite."""

from __future__ import annotations

from pathlib import Path

import llvmlite.binding as llvm

from runner.bitcode import to_bitcode

OPTIMIZATION = 3


def to_object(text: str, name: str) -> bytes:
    """Position-independent object code for this machine's processor; `name` stands for the text in error messages."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    module = llvm.parse_bitcode(to_bitcode(text, name))
    machine = llvm.Target.from_default_triple().create_target_machine(
        cpu=llvm.get_host_cpu_name(),
        features=llvm.get_host_cpu_features().flatten(),
        opt=OPTIMIZATION,
        reloc="pic",
        codemodel="default",
    )
    module.triple = machine.triple
    module.data_layout = str(machine.target_data)
    module.verify()
    options = llvm.create_pipeline_tuning_options(speed_level=OPTIMIZATION)
    options.loop_vectorization = options.slp_vectorization = True
    builder = llvm.create_pass_builder(machine, options)
    builder.getModulePassManager().run(module, builder)
    return machine.emit_object(module)


def compile_object(inputs: list[Path], outputs: list[Path]) -> None:
    """The build stage: one `.ll` to its `.o`."""
    outputs[0].write_bytes(to_object(inputs[0].read_text(), str(inputs[0])))
