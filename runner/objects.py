"""LLVM IR to object code, through llvmlite."""

from __future__ import annotations

from pathlib import Path

import llvmlite.binding as llvm

from runner.bitcode import BadLLVMIR, to_bitcode

OPTIMIZATION = 3


def to_object(text: str, name: str) -> bytes:
    """Position-independent object code for this machine's processor; `name` stands for the text in error messages."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    llvm.initialize_native_asmparser()  # for inline assembly
    module = _verified(to_bitcode(text, name), name)
    machine = llvm.Target.from_default_triple().create_target_machine(
        cpu=llvm.get_host_cpu_name(),
        features=llvm.get_host_cpu_features().flatten(),
        opt=OPTIMIZATION,
        reloc="pic",
        codemodel="default",
    )
    module.triple = machine.triple
    module.data_layout = str(machine.target_data)
    options = llvm.create_pipeline_tuning_options(speed_level=OPTIMIZATION)
    options.loop_vectorization = options.slp_vectorization = True
    builder = llvm.create_pass_builder(machine, options)
    builder.getModulePassManager().run(module, builder)
    return machine.emit_object(module)


def _verified(bitcode: bytes, name: str) -> llvm.ModuleRef:
    """A parser takes text whose values are used before they exist, for one: this finds what it does not look for."""
    try:
        module = llvm.parse_bitcode(bitcode)
        module.verify()
    except RuntimeError as error:
        raise BadLLVMIR(f"{name}: {str(error).strip()}") from error
    return module


def compile_object(inputs: list[Path], outputs: list[Path]) -> None:
    """The build stage: one `.ll` to its `.o`."""
    outputs[0].write_bytes(to_object(inputs[0].read_text(errors="surrogateescape"), str(inputs[0])))
