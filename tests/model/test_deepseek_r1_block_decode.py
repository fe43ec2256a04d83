"""A token against the cache is the last token of the whole sequence."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from model import deepseek_r1_block as prefill
from model import deepseek_r1_block_decode as decode

SMALL = {"hidden_size": 24, "intermediate_size": 40, "num_heads": 6, "num_kv_heads": 2, "head_dim": 4, "batch": 2}


def cached(block: prefill.DecoderBlock, hidden_states: Tensor) -> tuple[Tensor, Tensor]:
    """Keys and values of every token, as the block makes them."""
    attention, x = block.self_attn, block.input_layernorm(hidden_states)
    assert isinstance(attention, prefill.Attention)
    key = prefill.rotate(attention.split(attention.k_proj(x)), attention.cos, attention.sin)  # type: ignore[arg-type]
    return key, attention.split(attention.v_proj(x))


@pytest.mark.parametrize("cache_len", [1, 7, 9])
def test_equals_the_last_token_of_the_whole_sequence(cache_len: int) -> None:
    whole = prefill.Config(**SMALL, seq_len=cache_len + 1)
    block, given = prefill.build(whole), prefill.inputs(whole)
    config = decode.Config(**SMALL, cache_len=cache_len)
    step = decode.build(config)
    assert all(torch.equal(a, b) for a, b in zip(block.parameters(), step.parameters(), strict=True)), "the same weights"
    with torch.no_grad():
        key, value = cached(block, given["hidden_states"])
        caches = {"key_cache": key.clone(), "value_cache": value.clone()}
        for cache in caches.values():
            cache[:, :, -1] = torch.randn(2, 2, 4)
        actual = step(given["hidden_states"][:, -1:], given["attention_mask"], **caches, position=torch.tensor([cache_len]))
        expected = block(**given)[:, -1:]
    torch.testing.assert_close(actual, expected)
    torch.testing.assert_close(caches["key_cache"], key)
    torch.testing.assert_close(caches["value_cache"], value)


def test_what_lies_behind_the_position_does_not_matter() -> None:
    config = decode.Config(**SMALL, cache_len=7)
    block, given = decode.build(config), decode.inputs(config)
    given["position"] = torch.tensor([4])
    with torch.no_grad():
        first = block(**given)
        for name in ("key_cache", "value_cache"):
            given[name][:, :, 5:] = 100
        torch.testing.assert_close(block(**given), first)
        given["key_cache"][:, :, 3] = 100
        assert not torch.allclose(block(**given), first)


def test_sample_inputs_have_room_for_one_token() -> None:
    given = decode.inputs(decode.Config())
    assert given["hidden_states"].shape == (1, 1, 1536) and given["position"].tolist() == [40]
    for name in ("key_cache", "value_cache"):
        assert given[name].shape == (1, 2, 41, 128) and not given[name][:, :, 40].any() and given[name][:, :, 39].any()


@pytest.mark.parametrize(
    ("settings", "fault"),
    [({"cache_len": -1}, "cache_len=-1: this model takes 0 to 32767 tokens"), ({"num_heads": 5}, "num_heads=5 is not")],
)
def test_refuses_impossible_settings(settings: dict[str, int], fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        decode.Config(**settings)
