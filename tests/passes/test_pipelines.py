"""Pipelines are data; what is wrong with one is said in a sentence."""

import re

import pytest

from passes import pipelines, targets
from passes.mlir import ir
from passes.stages import BadModule, read
from passes.translate import NotLowered, to_llvm_ir

TARGET = targets.TARGETS["x86-64-v4"]


@pytest.mark.parametrize(
    ("pipeline", "sentence"),
    [
        (("canonicalize", "canonicalise"), "no pass 'canonicalise'; did you mean 'canonicalize'?"),
        (("no-such-thing-at-all",), "no pass 'no-such-thing-at-all' "),
        (("one-shot-bufferize{no-such-option=1}",), "no pass 'one-shot-bufferize{no-such-option=1}'"),
    ],
)
def test_a_pass_that_does_not_exist(pipeline: pipelines.Pipeline, sentence: str) -> None:
    with ir.Context() as context, pytest.raises(pipelines.PipelineError, match=re.escape(sentence)):
        pipelines.build(pipeline, TARGET, context, "mine")


def test_a_pass_that_fails_says_where() -> None:
    text = """
    func.func @f(%x: tensor<2xf32>) -> tensor<2xf32> {
      %y = "some.thing"(%x) : (tensor<2xf32>) -> tensor<2xf32>
      return %y : tensor<2xf32>
    }"""
    module = ir.Module.parse(text, allow(ir.Context()))
    with pytest.raises(pipelines.PipelineError, match=r"(?s)midend: .*3:12.*op was not bufferized"):
        pipelines.run(module, "midend", TARGET)


def allow(context: ir.Context) -> ir.Context:
    context.allow_unregistered_dialects = True
    return context


def test_a_python_pass_is_named_as_it_is_written() -> None:
    assert pipelines.name_of(pipelines.schedule_products) == "schedule-products"
    assert pipelines.name_of("cse") == "cse"


def test_an_error_in_a_python_pass_is_not_swallowed() -> None:
    def broken(module: ir.Operation, target: targets.Target) -> None:
        raise ZeroDivisionError("here")

    with ir.Context() as context, pytest.raises(ZeroDivisionError, match="here"):
        pipelines.build((broken,), TARGET, context).run(ir.Module.parse("func.func @f() { return }").operation)


def test_translation_refuses_what_is_not_lowered() -> None:
    module = ir.Module.parse("func.func @f(%a: i32) -> i32 { return %a : i32 }", ir.Context())
    with pytest.raises(NotLowered, match=r"(?s)func\.return at .*\n.*func\.func at") as caught:
        to_llvm_ir(module)
    assert "passes/pipelines.py" in str(caught.value)


def test_a_file_that_does_not_parse(tmp_path) -> None:
    file = tmp_path / "broken.mlir"
    file.write_text("func.func @f() {\n  return %nothing\n}")
    with pytest.raises(BadModule, match=r"(?s)broken\.mlir is not valid MLIR.*broken\.mlir\W+2:"):
        read(file)


def test_targets() -> None:
    assert targets.find("x86-64-v3").lanes == 8
    with pytest.raises(targets.UnknownTarget, match="no target 'pdp11'; there are native, x86-64-v4"):
        targets.find("pdp11")
