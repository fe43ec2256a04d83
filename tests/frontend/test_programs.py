"""Programs that users know from the importer's documents, with only their import lines changed."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest
import torch

PROGRAMS = Path(__file__).parent / "programs"


@pytest.mark.parametrize("name", ["quick_start", "module_gen"])
def test_a_function(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    program = runpy.run_path(str(PROGRAMS / f"{name}.py"))
    printed = capsys.readouterr().out
    assert "func.func @forward(%arg0: tensor<10xf32>, %arg1: tensor<10xf32>) -> tensor<10xf32>" in printed
    assert printed.count("tosa.mul") == printed.count("tosa.add") == 1
    x, y = torch.randn(10), torch.randn(10)
    torch.testing.assert_close(program["dynamo_compiler"].dynamo_run()(x, y)[0], x * y + x)


def test_bert(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The model and the tokenizer are small ones of the same classes: nothing is downloaded."""
    from transformers import BertConfig, BertModel, BertTokenizer

    config = BertConfig(vocab_size=64, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=48)

    def tokenizer(text: str, return_tensors: str) -> dict[str, Any]:
        ids = torch.randint(config.vocab_size, (1, len(text.split()) + 2))
        return {"input_ids": ids, "token_type_ids": torch.zeros_like(ids), "attention_mask": torch.ones_like(ids)}

    monkeypatch.setattr(BertModel, "from_pretrained", lambda name: BertModel(config))
    monkeypatch.setattr(BertTokenizer, "from_pretrained", lambda name: tokenizer)
    program = runpy.run_path(str(PROGRAMS / "bert.py"))
    assert "func.func @forward(%arg0: memref<" in capsys.readouterr().out
    assert len(program["params"]) == len(program["graph"].parameters) > 30
    model, encoded = program["model"], program["encoded"]
    names = {i.name: encoded[_argument(i.name)] for i in program["graph"].inputs}
    results = program["dynamo_compiler"].dynamo_run()(*names.values())
    with torch.no_grad():
        torch.testing.assert_close(results[0], model(**encoded).last_hidden_state, rtol=1e-4, atol=1e-5)


def _argument(placeholder: str) -> str:
    """TorchDynamo calls the argument `ids` of a function `l_ids_`."""
    return placeholder.lower().removeprefix("l_").removesuffix("_").removeprefix("kwargs_")
