"""What is measured again, and what is not."""

import dataclasses
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from medbench.audit.measurements import Measurer
from medbench.datasets.phantom.dataset import generate
from medbench.engines.engine import Engine
from medbench.evaluation.cache import Cache
from medbench.evaluation.instruments import Instruments
from medbench.imaging.volume import Volume
from medbench.pipeline.prepare import RealSplits
from medbench.progress import silent
from medbench.records.samples import StoredVolume
from medbench.spec import Protocol
from medbench.storage.files import sha256_of


@pytest.fixture
def items(tmp_path: Path) -> list[StoredVolume]:
    found = []
    for seed in range(8):
        volume, label_map = generate(seed, (16, 16, 8))
        path, mask = tmp_path / f"{seed}.nii.gz", tmp_path / "masks" / f"{seed}.nii.gz"
        volume.write(path)
        label_map.write(mask)
        found.append(
            StoredVolume(str(seed), str(seed), path, sha256_of(path), mask=mask, regions=dict(label_map.names))
        )
    return found


@pytest.fixture
def measurer(tmp_path: Path) -> Callable[[list[StoredVolume]], Measurer]:
    instruments = Instruments(
        Protocol(name="t", summary="t"), device="cpu", cache=Cache(tmp_path), progress=silent,
        log_folder=tmp_path / "logs",
    )  # fmt: skip

    def make(real: list[StoredVolume]) -> Measurer:
        splits = RealSplits(real[:4], real[4:])
        folder = tmp_path / "measured"
        return Measurer(instruments, splits, folder=folder, made_by="a test", engine=Engine(workers=1))

    return make


def test_other_masks_or_names_are_measured_again(
    plugins: Path, items: list[StoredVolume], measurer: Callable[[list[StoredVolume]], Measurer]
) -> None:
    made = []

    def measure(real: list[StoredVolume]) -> None:
        measurer(real).measured("set", lambda: made.append("set") or real[4:], [f"{plugins}:MeanHu"])

    measure(items)
    measure(items)
    assert len(made) == 1
    measure([dataclasses.replace(item, regions={1: "renamed"}) for item in items])
    generate(99, (16, 16, 8))[1].write(items[0].mask)
    measure(items)
    assert len(made) == 3


def test_metrics_share_one_read_of_each_volume(
    items: list[StoredVolume], measurer: Callable[[list[StoredVolume]], Measurer], monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: Counter[str] = Counter()
    read = Volume.read
    monkeypatch.setattr(Volume, "read", lambda path: reads.update([path.name]) or read(path))
    found = measurer(items).measured("set", lambda: items[4:], ["fid3d", "mmd3d", "msssim"])
    assert all(one.value is not None for one in found.values())
    assert reads == {item.path.name: 1 for item in items}
