"""What is measured again, and what is not."""

import dataclasses
from pathlib import Path

from medbench.audit.measurements import Measurer
from medbench.datasets.phantom.dataset import generate
from medbench.evaluation.cache import Cache
from medbench.evaluation.instruments import Instruments
from medbench.pipeline.prepare import RealSplits
from medbench.progress import silent
from medbench.records.samples import StoredVolume
from medbench.spec import Protocol
from medbench.storage.files import sha256_of


def test_other_masks_or_names_are_measured_again(plugins: Path, tmp_path: Path) -> None:
    items = []
    for seed in range(8):
        volume, label_map = generate(seed, (16, 16, 8))
        path, mask = tmp_path / f"{seed}.nii.gz", tmp_path / "masks" / f"{seed}.nii.gz"
        volume.write(path)
        label_map.write(mask)
        items.append(
            StoredVolume(str(seed), str(seed), path, sha256_of(path), mask=mask, regions=dict(label_map.names))
        )
    protocol = Protocol(name="t", summary="t")
    instruments = Instruments(
        protocol, device="cpu", cache=Cache(tmp_path), progress=silent, log_folder=tmp_path / "logs"
    )
    made = []

    def measure(real: list[StoredVolume]) -> None:
        splits = RealSplits(real[:4], real[4:])
        measurer = Measurer(instruments, splits, folder=tmp_path / "measured", made_by="a test")
        measurer.measured("set", lambda: made.append("set") or real[4:], [f"{plugins}:MeanHu"])

    measure(items)
    measure(items)
    assert len(made) == 1
    measure([dataclasses.replace(item, regions={1: "renamed"}) for item in items])
    generate(99, (16, 16, 8))[1].write(items[0].mask)
    measure(items)
    assert len(made) == 3
