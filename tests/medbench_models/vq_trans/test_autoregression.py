import math
from pathlib import Path

import numpy as np
import torch

from medbench.progress import silent
from medbench.training.chance import Chance
from medbench.training.loop import Plan, launch, train
from medbench_models.vq_trans.autoregression import Codes, SequenceTask
from medbench_models.vq_trans.config import VqTransConfig
from medbench_models.vq_trans.networks import build_transformer


def codes(count: int) -> Codes:
    """Volumes of 2 x 2 x 2 codes that count on from their first: what follows is certain, the first is one of 8."""
    first = np.random.default_rng(count).integers(0, 8, (count, 1))
    return Codes(((first + np.arange(8)) % 8).reshape(count, 2, 2, 2).astype(np.uint16))


def task(small: VqTransConfig, **changed: object) -> SequenceTask:
    network = small.network.model_copy(update={"vqvae": small.network.vqvae.model_copy(update={"codebook_size": 8})})
    torch.manual_seed(0)
    config = small.stage2.model_copy(update={"rate": 0.02, **changed})
    transformer = build_transformer(network, (8, 8, 8))
    return SequenceTask(transformer, config, train=codes(40), select=codes(20), seed=0, begin=network.begin)


def test_it_learns_what_follows_and_what_is_left_to_chance(small: VqTransConfig, tmp_path: Path) -> None:
    steps = 150
    made = task(small, steps=steps, batch=8)
    trained = train(
        made, Plan("t", steps, seed=0, validate_every=steps), fabric=launch("cpu"), folder=tmp_path, resume=False,
        progress=silent,
    )  # fmt: skip
    at_best = math.log(8) / 8  # the first of eight tokens
    assert at_best * 0.9 < trained.scores["score"] < at_best + 0.15


def test_the_loss_of_a_fresh_network_is_the_cross_entropy_of_each_token(small: VqTransConfig) -> None:
    made = task(small)
    made.setup(launch("cpu"))
    sequence = made.train.sequences(torch.arange(3))
    inputs = torch.cat([torch.full((3, 1), 8), sequence[:, :-1]], dim=1)
    logits = made.network(inputs).log_softmax(dim=-1)
    wanted = -logits.gather(2, sequence[..., None]).mean()
    found = made.loss(made.network, made.drawn(made.train, torch.arange(3), Chance(0, 0).batches(3)[0]))
    torch.testing.assert_close(found, wanted)


def test_checkpointing_changes_no_gradient(small: VqTransConfig) -> None:
    found = []
    for checkpointing in (False, True):
        made = task(small, checkpointing=checkpointing)
        made.setup(launch("cpu"))
        made.loss(made.network, made.drawn(made.train, torch.arange(2), Chance(0, 0).batches(2)[0])).backward()
        found.append([value.grad for value in made.network.parameters() if value.grad is not None])
    assert len(found[0]) == len(found[1]) > 0
    for plain, checkpointed in zip(*found):
        torch.testing.assert_close(plain, checkpointed)


def test_codes_in_use_are_counted_over_all_volumes() -> None:
    assert codes(40).used() == 8
    assert Codes(np.full((3, 2, 2, 2), 7, np.uint16)).used() == 1
