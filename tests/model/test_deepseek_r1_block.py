"""The block is Qwen2's decoder layer: same weights, same numbers."""

import pytest
import torch
from transformers import Qwen2Config
from transformers.models.qwen2.modeling_qwen2 import Qwen2DecoderLayer, Qwen2RotaryEmbedding

from model.deepseek_r1_block import Config, build, inputs


def reference(config: Config) -> tuple[Qwen2DecoderLayer, Qwen2RotaryEmbedding]:
    published = Qwen2Config(
        hidden_size=config.hidden_size,
        intermediate_size=config.intermediate_size,
        num_attention_heads=config.num_heads,
        num_key_value_heads=config.num_kv_heads,
        head_dim=config.head_dim,
        rms_norm_eps=config.rms_norm_eps,
        rope_parameters={"rope_type": "default", "rope_theta": config.rope_theta},
        hidden_act="silu",
        attn_implementation="eager",
    )
    return Qwen2DecoderLayer(published, layer_idx=0).eval(), Qwen2RotaryEmbedding(published)


@pytest.mark.parametrize("config", [Config(), Config(batch=2, seq_len=7)], ids=["default", "batch of 2"])
def test_equals_transformers_qwen2_layer(config: Config) -> None:
    block, (layer, rotary) = build(config), reference(config)
    missing = layer.load_state_dict(block.state_dict(), strict=True)
    assert not missing.missing_keys and not missing.unexpected_keys
    given = inputs(config)
    hidden_states, attention_mask = given["hidden_states"], given["attention_mask"]
    causal = torch.tril(torch.ones(config.seq_len, config.seq_len, dtype=torch.bool))
    visible = causal & attention_mask[:, None, None, :].bool()
    additive = torch.zeros(visible.shape).masked_fill(~visible, torch.finfo(torch.float32).min)
    positions = torch.arange(config.seq_len)[None]
    with torch.no_grad():
        expected = layer(
            hidden_states,
            attention_mask=additive,
            position_ids=positions,
            position_embeddings=rotary(hidden_states, positions),
        )
        actual = block(**given)
    expected = expected[0] if isinstance(expected, tuple) else expected
    # Rows of padding see nothing: Qwen2 lets them attend to everything with equal weight, and so do we.
    torch.testing.assert_close(actual, expected.reshape(actual.shape), rtol=1e-5, atol=1e-5)


def test_has_the_published_sizes() -> None:
    config = Config()
    assert (config.hidden_size, config.intermediate_size, config.num_heads, config.num_kv_heads) == (1536, 8960, 12, 2)
    assert (config.head_dim, config.rms_norm_eps, config.rope_theta) == (128, 1e-6, 10000.0)
    assert sum(p.numel() for p in build(config).parameters()) == 46_797_824


def test_the_mask_matters() -> None:
    config = Config(seq_len=5, batch=1)
    block, given = build(config), inputs(config)
    given["attention_mask"][:, 0] = 1
    with torch.no_grad():
        everything = block(**given)
        given["attention_mask"][:, 0] = 0
        assert not torch.allclose(block(**given)[:, 1:], everything[:, 1:])


def test_parameters_come_from_the_seed() -> None:
    small = {"hidden_size": 8, "intermediate_size": 16, "num_heads": 2, "num_kv_heads": 1, "head_dim": 4}
    first, again, other = (build(Config(**small, seed=seed)).state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["mlp.up_proj.weight"], other["mlp.up_proj.weight"])


@pytest.mark.parametrize(
    ("settings", "fault"),
    [({"seq_len": 0}, "seq_len=0: this model takes 1 to 32768 tokens"), ({"num_heads": 5}, "num_heads=5 is not a multiple")],
)
def test_refuses_impossible_settings(settings: dict[str, int], fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        Config(**settings)
