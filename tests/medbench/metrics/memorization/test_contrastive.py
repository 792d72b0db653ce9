from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from medbench.metrics.memorization.contrastive import Encoder, nt_xent, reduced, views


def test_nt_xent_of_pairs_that_agree_and_exclude_each_other():
    """Two pairs with correlation 1 within and r across: the loss is log(1 + 2 exp((r - 1) / t))."""
    a, b = torch.tensor([1.0, -1, 0, 0]), torch.tensor([0.0, 0, 1, -1])
    loss = nt_xent(torch.stack([a, b, a, b]), temperature=0.5)
    assert float(loss) == pytest.approx(math.log(1 + 2 * math.exp(-1 / 0.5)))
    assert float(nt_xent(torch.stack([a, b, b, a]), temperature=0.5)) > float(loss)


def test_nt_xent_follows_its_equation():
    """Chen et al. 2020, eq. 1, term by term, with Pearson's correlation."""
    embeddings = np.random.default_rng(0).normal(size=(6, 8))
    r = np.corrcoef(embeddings) / 0.2
    terms = [-np.log(np.exp(r[i, (i + 3) % 6]) / sum(np.exp(r[i, k]) for k in range(6) if k != i)) for i in range(6)]
    assert float(nt_xent(torch.from_numpy(embeddings), temperature=0.2)) == pytest.approx(np.mean(terms))


def test_views_differ_but_show_the_same_body():
    ball = np.linalg.norm(np.indices((24, 24, 16)) - np.array([12, 12, 8])[:, None, None, None], axis=0) < 6
    batch = torch.from_numpy(np.where(ball, 0.5, -1.0).astype(np.float32))[None, None].repeat(4, 1, 1, 1, 1)
    before = batch.clone()
    seen = views(batch, torch.Generator().manual_seed(0))
    assert torch.equal(batch, before)
    assert not torch.equal(seen[0], seen[1])
    for one in seen:
        assert np.corrcoef(one.numpy().ravel(), batch[0].numpy().ravel())[0, 1] > 0.6
    assert torch.equal(seen, views(batch, torch.Generator().manual_seed(0)))


def test_flips_are_left_to_right_alone():
    """The first voxel axis runs from left to right: a mark at one of its ends may change sides, no other mark may."""
    for axis, may_flip in ((0, True), (1, False), (2, False)):
        marked = torch.full((32, 1, 16, 16, 16), -1.0)
        marked.select(2 + axis, 1).fill_(1.0)
        marked.select(2 + axis, 2).fill_(1.0)
        seen = views(marked, torch.Generator().manual_seed(1)).transpose(2, 2 + axis)
        swapped = seen[:, 0, 8:].mean(dim=(1, 2, 3)) > seen[:, 0, :8].mean(dim=(1, 2, 3))
        assert (5 < int(swapped.sum()) < 27) if may_flip else not swapped.any()


def test_the_encoder_sees_at_most_32_voxels_an_axis():
    assert reduced(torch.zeros(1, 1, 64, 20, 33)).shape == (1, 1, 32, 20, 32)
    assert Encoder(32).eval()(torch.zeros(2, 1, 8, 12, 16)).shape == (2, 32)
