"""LLVM IR to object code and to assembly, for any target, through llvmlite."""

from __future__ import annotations

from pathlib import Path

import llvmlite.binding as llvm

from passes import targets
from passes.targets import NATIVE, Target
from runner.bitcode import BadLLVMIR, to_bitcode

OPTIMIZATION = 3


def to_object(text: str, name: str, target: Target, optimization: int = OPTIMIZATION) -> bytes:
    """Position-independent object code; `name` stands for the text in error messages."""
    machine = _machine(target, optimization)
    return machine.emit_object(_optimized(parsed(text, name), machine, optimization))


def to_assembly(text: str, name: str, target: Target) -> str:
    """What `to_object` gives, as text."""
    return assembly_of(parsed(text, name), target)


def assembly_of(module: llvm.ModuleRef, target: Target) -> str:
    """A module of llvmlite's as `to_object` compiles it, as text; the module is used up."""
    machine = _machine(target)
    return machine.emit_assembly(_optimized(module, machine))


def words_of(target: Target) -> tuple[str, str, str]:
    """The triple, the processor and its features, in LLVM's words, that code is generated for."""
    return (
        llvm.get_default_triple() if target.triple == NATIVE else target.triple,
        llvm.get_host_cpu_name() if target.cpu == NATIVE else target.cpu,
        llvm.get_host_cpu_features().flatten() if target.features == NATIVE else target.features,
    )


def _machine(target: Target, optimization: int = OPTIMIZATION) -> llvm.TargetMachine:
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    llvm.initialize_native_asmparser()  # for inline assembly
    triple, cpu, features = words_of(target)
    return llvm.Target.from_triple(triple).create_target_machine(
        cpu=cpu, features=features, opt=optimization, reloc="pic", codemodel="default"
    )


def _optimized(module: llvm.ModuleRef, machine: llvm.TargetMachine, optimization: int = OPTIMIZATION) -> llvm.ModuleRef:
    module.triple = machine.triple
    module.data_layout = str(machine.target_data)
    options = llvm.create_pipeline_tuning_options(speed_level=optimization)
    options.loop_vectorization = options.slp_vectorization = optimization == OPTIMIZATION
    options.loop_unrolling = False  # whole inner loops would go before they are vectorized; ours are unrolled as they need
    builder = llvm.create_pass_builder(machine, options)
    builder.getModulePassManager().run(module, builder)
    return module


def parsed(text: str, name: str) -> llvm.ModuleRef:
    """LLVM IR as a module of llvmlite's.

    A parser takes text whose values are used before they exist, for one: verifying finds what it does not look for.
    """
    try:
        module = llvm.parse_bitcode(to_bitcode(text, name))
        module.verify()
    except RuntimeError as error:
        raise BadLLVMIR(f"{name}: {str(error).strip()}") from error
    return module


def compile_object(inputs: list[Path], outputs: list[Path], target: str) -> None:
    """The build stage: one `.ll` to its `.o`."""
    outputs[0].write_bytes(to_object(_text(inputs[0]), str(inputs[0]), targets.find(target)))


def compile_assembly(inputs: list[Path], outputs: list[Path], target: str) -> None:
    """The build stage: one `.ll` to its `.s`."""
    outputs[0].write_text(to_assembly(_text(inputs[0]), str(inputs[0]), targets.find(target)))


def _text(path: Path) -> str:
    return path.read_text(errors="surrogateescape")
