"""Equality with MONAI's class on the same weights, and what it does not have: masks, a window that slides."""

import pytest
import torch
from monai.networks.nets import DecoderOnlyTransformer

from medbench_models.vq_trans.transformer import Transformer

TOKENS, LENGTH = 17, 12
CLOSE = {"atol": 1e-5, "rtol": 0.0}


def monai(*, flash: bool = False) -> DecoderOnlyTransformer:
    torch.manual_seed(0)
    return DecoderOnlyTransformer(
        num_tokens=TOKENS, max_seq_len=LENGTH, attn_layers_dim=16, attn_layers_depth=3, attn_layers_heads=4,
        use_flash_attention=flash,
    ).eval()  # fmt: skip


def build() -> Transformer:
    return Transformer(TOKENS, LENGTH, dim=16, depth=3, heads=4).eval()


def loaded(state: dict[str, torch.Tensor]) -> Transformer:
    transformer = build()
    transformer.load_state_dict(state)
    return transformer


def sequences(length: int = LENGTH) -> torch.Tensor:
    return torch.randint(TOKENS, (2, length), generator=torch.Generator().manual_seed(1))


def test_state_names_and_shapes_are_monais_without_the_masks() -> None:
    theirs = {name: value.shape for name, value in monai().state_dict().items() if "causal_mask" not in name}
    assert {name: value.shape for name, value in build().state_dict().items()} == theirs


def test_nothing_but_weights_is_kept_or_saved() -> None:
    assert not list(build().buffers())
    assert any("causal_mask" in name for name in monai().state_dict())  # what is avoided is still there


@pytest.mark.parametrize("flash", [False, True])
@pytest.mark.parametrize("length", [1, 5, LENGTH])
@torch.no_grad()
def test_logits_are_monais(length: int, flash: bool) -> None:
    theirs = monai(flash=flash)
    torch.testing.assert_close(loaded(theirs.state_dict())(sequences(length)), theirs(sequences(length)), **CLOSE)


@torch.no_grad()
def test_weights_of_generative_models_load_by_their_older_names() -> None:
    theirs = monai()
    old = {
        name.replace(".norm2.", ".norm3."): value
        for name, value in theirs.state_dict().items()
        if ".norm_cross_attn." not in name
    }
    torch.testing.assert_close(loaded(old)(sequences()), theirs(sequences()), **CLOSE)


def test_other_weights_do_not_load() -> None:
    with pytest.raises(RuntimeError, match="to_logits"):
        loaded({name: value for name, value in monai().state_dict().items() if "to_logits" not in name})


@torch.no_grad()
def test_with_a_cache_each_token_has_the_logits_of_the_whole_sequence() -> None:
    transformer, tokens = loaded(monai().state_dict()), sequences()
    cache = transformer.new_cache(len(tokens))
    found = torch.stack([transformer.forward_next(token, cache) for token in tokens.T], dim=1)
    torch.testing.assert_close(found, transformer(tokens), **CLOSE)
    assert cache.filled == LENGTH


@torch.no_grad()
def test_the_cache_is_taken_once() -> None:
    transformer = build()
    cache = transformer.new_cache(1)
    kept = cache.keys.data_ptr(), cache.values.data_ptr()
    for token in sequences()[:1].T:
        transformer.forward_next(token, cache)
    assert kept == (cache.keys.data_ptr(), cache.values.data_ptr())
    assert cache.keys.shape == (3, 1, 4, LENGTH, 4)


@torch.no_grad()
def test_sequences_longer_than_the_positions_are_refused() -> None:
    transformer = build()
    with pytest.raises(ValueError, match=f"{LENGTH + 1} tokens, and positions for {LENGTH}"):
        transformer(sequences(LENGTH + 1))
    cache = transformer.new_cache(2)
    cache.filled = LENGTH
    with pytest.raises(ValueError, match="positions"):
        transformer.forward_next(sequences()[:, 0], cache)


def test_every_weight_that_is_trained_gets_a_gradient() -> None:
    """Else training in several processes would stop: only the norm that nothing reads may have none."""
    transformer = build()
    transformer(sequences()).sum().backward()
    without = {name for name, value in transformer.named_parameters() if value.grad is None}
    assert without == {name for name, value in transformer.named_parameters() if not value.requires_grad}
    assert all(".norm_cross_attn." in name for name in without)
