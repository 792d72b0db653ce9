"""Tokens drawn with a cache are those drawn without one, here and in MONAI."""

from collections.abc import Callable

import pytest
import torch
from monai.inferers import VQVAETransformerInferer
from monai.networks.nets import DecoderOnlyTransformer
from monai.utils import OrderingType
from monai.utils.ordering import Ordering

from medbench_models.vq_trans.config import SamplingConfig
from medbench_models.vq_trans.sampling import draw, sample_tokens
from medbench_models.vq_trans.transformer import Transformer

CODES, SHAPE, LENGTH = 16, (2, 3, 2), 12


@pytest.fixture
def transformer() -> Transformer:
    torch.manual_seed(0)
    made = Transformer(CODES + 1, LENGTH, dim=16, depth=2, heads=2).eval()
    torch.nn.init.normal_(made.to_logits.weight)
    return made


def chance(seed: int = 5) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@torch.no_grad()
def uncached(transformer: Transformer, config: SamplingConfig, source: torch.Generator) -> torch.Tensor:
    tokens = torch.full((1, 1), CODES)
    for _ in range(LENGTH):
        token = draw(transformer(tokens)[:, -1], CODES, config, source)
        tokens = torch.cat([tokens, token[:, None]], dim=1)
    return tokens[:, 1:]


@pytest.mark.parametrize("config", [SamplingConfig(), SamplingConfig(temperature=0.7), SamplingConfig(top_k=3)])
@torch.no_grad()
def test_the_cached_loop_draws_the_tokens_of_the_uncached_one(transformer: Transformer, config: SamplingConfig) -> None:
    for seed in range(5):
        found = sample_tokens(transformer, CODES, config, chance(seed))
        assert torch.equal(found, uncached(transformer, config, chance(seed)))


class _NoVqvae:
    num_embeddings = CODES

    def decode_samples(self, latent: torch.Tensor) -> torch.Tensor:
        return latent


@pytest.mark.parametrize("temperature", [1.0, 0.7])
@torch.no_grad()
def test_tokens_are_those_of_monais_loop_for_the_same_seed(transformer: Transformer, temperature: float) -> None:
    theirs = DecoderOnlyTransformer(CODES + 1, LENGTH, 16, 2, 2).eval()
    theirs.load_state_dict(transformer.state_dict(), strict=False)
    torch.manual_seed(5)
    wanted = VQVAETransformerInferer().sample(
        SHAPE, torch.full((1, 1), CODES), _NoVqvae(), theirs, Ordering(OrderingType.RASTER_SCAN.value, 3, (1, *SHAPE)),
        temperature=temperature, verbose=False,
    )  # fmt: skip
    found = sample_tokens(transformer, CODES, SamplingConfig(temperature=temperature), chance(5))
    assert torch.equal(found.reshape(1, *SHAPE), wanted)


def test_the_token_that_begins_is_never_drawn_even_where_it_is_likeliest() -> None:
    logits = torch.zeros(1, CODES + 1)
    logits[0, CODES] = 50.0
    source = chance()
    for config in (SamplingConfig(), SamplingConfig(top_k=1)):
        drawn = {int(draw(logits.clone(), CODES, config, source)) for _ in range(500)}
        assert CODES not in drawn
        assert CODES - 1 in drawn  # the last code stays


def shares(logits: torch.Tensor, config: SamplingConfig) -> torch.Tensor:
    source = chance()
    drawn = torch.stack([draw(logits.clone(), CODES, config, source) for _ in range(4000)])
    return torch.bincount(drawn.flatten(), minlength=CODES + 1) / len(drawn)


def test_tokens_are_drawn_by_their_probabilities() -> None:
    logits = torch.linspace(-1.0, 1.0, CODES + 1)[None]
    wanted = logits.clone()
    wanted[0, CODES] = -torch.inf
    torch.testing.assert_close(shares(logits, SamplingConfig()), wanted.softmax(1)[0], atol=0.02, rtol=0)
    cold = shares(logits, SamplingConfig(temperature=0.5))
    torch.testing.assert_close(cold, (2.0 * wanted).softmax(1)[0], atol=0.02, rtol=0)


def test_top_k_draws_the_likeliest_alone() -> None:
    logits = torch.linspace(-1.0, 1.0, CODES + 1)[None]
    found = shares(logits, SamplingConfig(top_k=3))
    assert found.nonzero().flatten().tolist() == [CODES - 3, CODES - 2, CODES - 1]
    assert torch.equal(shares(logits, SamplingConfig(top_k=100)), shares(logits, SamplingConfig()))


@torch.no_grad()
def test_the_global_source_of_chance_plays_no_part(transformer: Transformer) -> None:
    found: list[torch.Tensor] = []
    draws: Callable[[], torch.Tensor] = lambda: sample_tokens(transformer, CODES, SamplingConfig(), chance())  # noqa: E731
    for seed in (0, 1):
        torch.manual_seed(seed)
        found.append(draws())
    assert torch.equal(*found)
    assert not torch.equal(found[0], sample_tokens(transformer, CODES, SamplingConfig(), chance(6)))
