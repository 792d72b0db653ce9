"""Stage sample: one file a seed, each made whole, none made twice."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from medbench.dataset import Case
from medbench.errors import DataError, SpecError
from medbench.files import make_folder, sha256_of
from medbench.generator import Generator, SampleRequest, sample_seed
from medbench.grid import to_grid
from medbench.progress import Progress
from medbench.samples import Manifest, SampleRecord
from medbench.spec import Grid
from medbench.volume import LabelMap


def missing_samples(folder: Path, count: int) -> list[int]:
    """Return the indices below ``count`` that have no finished sample in the folder."""
    done = Manifest(folder).complete(count)
    return [index for index in range(count) if index not in done]


def sample(
    generator: Generator,
    folder: Path,
    *,
    count: int,
    seed: int,
    cases: Sequence[Case],
    grid: Grid | None,
    conditional: bool,
    progress: Progress,
) -> None:
    """Generate the samples that are missing, bring them to the canonical grid and list them in the manifest.

    Args:
        generator: with its weights loaded.
        folder: ``RUN/samples``.
        count: how many samples the run has.
        seed: the run's seed; each sample's own is derived from it and the sample's index.
        cases: held-out cases, for conditions and pseudo-models.
        grid: canonical grid, or None to keep the generator's.
        conditional: steer sample i by the label map of held-out case i.
        progress: told about every sample.

    Raises:
        DataError: the generator stopped early.
        StorageError: the disk is full.
    """
    make_folder(folder)
    manifest = Manifest(folder)
    manifest.rewrite(manifest.complete(count).values())
    indices = missing_samples(folder, count)
    if not indices:
        return
    conditions = _conditions(cases, indices) if conditional else None
    request = SampleRequest(
        seeds=[sample_seed(seed, index) for index in indices],
        conditions=conditions,
        cases=[cases[index] for index in indices if index < len(cases)],
    )
    made = 0
    clock = time.monotonic()
    for volume in progress.track(generator.sample(request), task="sample", total=len(indices)):
        index = indices[made]
        path = folder / f"{index:06d}.nii.gz"
        on_grid = to_grid(volume, grid) if grid else volume
        on_grid.write(path)
        manifest.append(
            SampleRecord(
                index=index,
                seed=request.seeds[made],
                file=path.name,
                sha256=sha256_of(path),
                shape=on_grid.shape,
                spacing=on_grid.spacing_mm,
                native_shape=volume.shape,
                condition=cases[index].id if conditional else None,
                seconds=round(time.monotonic() - clock, 3),
            )
        )
        made += 1
        clock = time.monotonic()
    if made != len(indices):
        raise DataError(
            f"{generator.info.name} made {made} of {len(indices)} samples: this is a defect of the generator"
        )
    manifest.rewrite(manifest.records().values())


def _conditions(cases: Sequence[Case], indices: Sequence[int]) -> list[LabelMap]:
    label_maps = []
    for index in indices:
        read = cases[index].read_label_map if index < len(cases) else None
        if read is None:
            raise SpecError(
                f"--conditional needs a label map for sample {index}, but only {len(cases)} held-out cases exist"
            )
        label_maps.append(read())
    return label_maps
