from __future__ import annotations

from pathlib import Path

import pytest

from medbench.datasets.phantom.dataset import _SEED_OFFSETS, SIZES
from medbench_models.maisi import foundation
from medbench_models.maisi.config import MaisiConfig
from medbench_models.maisi.networks import Autoencoder
from medbench_models.maisi.upstream import read_autoencoder


@pytest.mark.usefixtures("small_preset")
def test_it_writes_what_maisi_pt_begins_with(
    small: MaisiConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(foundation, "PHANTOMS", {"train": 2, "select": 1})
    out = tmp_path / "autoencoder.safetensors"
    foundation.make(out, tmp_path / "work")
    found = read_autoencoder(out, small.network.autoencoder)
    assert found.keys() == Autoencoder(small.network.autoencoder).state_dict().keys()


def test_its_phantoms_are_in_no_split() -> None:
    own = range(foundation.FIRST_SEED, foundation.FIRST_SEED + sum(foundation.PHANTOMS.values()))
    for split, count in SIZES.items():
        first = _SEED_OFFSETS[split]
        assert first + count <= own.start or own.stop <= first
