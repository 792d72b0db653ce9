"""Stage sample: one file a seed, each made whole, none made twice."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medbench.datasets.base import Case
from medbench.errors import DataError, NotEnoughCasesError, PluginError
from medbench.generators.base import Generator, SampleRequest, sample_seed
from medbench.imaging.grid import to_grid
from medbench.imaging.volume import UNNAMED, LabelMap, Volume
from medbench.pipeline.conditions import Condition
from medbench.plugin_faults import source_of
from medbench.progress import Progress
from medbench.records.collection import CONDITIONS, REGION_NAMES
from medbench.records.manifest import Manifest, SampleRecord
from medbench.spec import Grid
from medbench.storage.files import sha256_of, write_json


def sample(
    generator: Generator,
    folder: Path,
    *,
    count: int,
    seed: int,
    grid: Grid | None,
    cases: Sequence[Case] = (),
    conditions: Sequence[Condition] | None = None,
    checkpoint: str | None = None,
    progress: Progress,
) -> None:
    """Generate the samples that are missing, bring them to the canonical grid and list them in the manifest.

    Args:
        generator: with its weights loaded.
        folder: ``RUN/samples``.
        count: how many samples there are to be.
        seed: the run's seed; each sample's own is derived from it and the sample's index.
        grid: canonical grid, or None to keep the generator's.
        cases: held-out cases, for pseudo-models.
        conditions: sample i is steered by the label map i; None: nothing steers.
        checkpoint: SHA-256 of the generator's weights; samples that others made are made again.
        progress: told about every sample.

    Raises:
        DataError: the generator stopped early. PluginError: it yielded more, or something else.
        StorageError: the disk is full.
    """
    manifest = Manifest(folder)
    done = manifest.complete(count, checkpoint=checkpoint)
    if lost := manifest.count() - len(done):
        progress.note(f"{lost} of the samples in {manifest.path} are damaged, lost or not of these weights: made again")
    manifest.rewrite(done.values())
    seeds = {index: sample_seed(seed, index) for index in range(count) if index not in done}
    steering = _keep_conditions(conditions, list(seeds), folder) if conditions else None
    request = SampleRequest(
        seeds=list(seeds.values()),
        conditions=steering,
        cases=[cases[index] for index in seeds if index < len(cases)],
    )
    made = progress.track(_checked(generator, request), task="sample", total=len(seeds))
    clock = time.monotonic()
    for place, (volume, index) in enumerate(zip(made, seeds)):
        manifest.append(
            SampleRecord(
                index=index,
                seed=seeds[index],
                **_written(volume, folder / f"{index:06d}.nii.gz", grid),
                **(steering.described(place) if steering else {}),
                checkpoint=checkpoint,
                seconds=round(time.monotonic() - clock, 3),
            )
        )
        clock = time.monotonic()
    records = manifest.records()
    if left := count - len(records):
        raise DataError(f"{generator.info.name} stopped {left} samples early: this is a defect of the generator")
    manifest.rewrite(records.values())


def _written(volume: Volume, path: Path, grid: Grid | None) -> dict[str, Any]:
    """Write a sample on the canonical grid; return what the manifest says of it."""
    on_grid = to_grid(volume, grid) if grid else volume
    on_grid.write(path)
    found = {"file": path.name, "sha256": sha256_of(path), "native_shape": volume.shape}
    return found | {"shape": on_grid.shape, "spacing": on_grid.spacing_mm}


def require_enough(count: int, *, cases: Sequence[Case] | None, conditions: Sequence[Condition] | None) -> None:
    """Refuse more samples than there are cases to read, or label maps to steer them; None: nothing of the kind.

    Raises:
        NotEnoughCasesError: there are fewer.
    """
    if cases is not None and count > len(cases):
        raise NotEnoughCasesError(f"{len(cases)} held-out cases are not enough for {count} samples: lower --samples")
    if conditions is not None and count > len(conditions):
        raise NotEnoughCasesError(
            f"{len(conditions)} label maps are not enough for {count} samples: lower --samples, or give others with "
            "--conditions"
        )


def _checked(generator: Generator, request: SampleRequest) -> Iterator[Volume]:
    """Yield what a generator makes; whoever draws once more than there are seeds has one too many refused."""
    for number, volume in enumerate(generator.sample(request)):
        if number == len(request.seeds) or not isinstance(volume, Volume):
            what = (
                "more than one sample a seed" if isinstance(volume, Volume) else f"a {type(volume).__name__}, no Volume"
            )
            raise PluginError(f"{source_of(type(generator))}: the model {generator.info.name} yielded {what}: mend it")
        yield volume


@dataclass(frozen=True)
class _Conditions(Sequence[LabelMap]):
    """The label maps of samples, read from their files one at a time as they are asked for."""

    files: Sequence[Path]
    names: Sequence[Mapping[int, str]]
    sources: Sequence[str]

    def described(self, place: int) -> dict[str, Any]:
        """Return what the manifest says of the label map at a place."""
        return {
            "condition": f"{CONDITIONS}/{self.files[place].name}",
            "condition_sha256": sha256_of(self.files[place]),
            "condition_regions": _named(self.names[place]),
            "condition_source": self.sources[place],
        }

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, place: Any) -> Any:
        if isinstance(place, slice):
            return _Conditions(self.files[place], self.names[place], self.sources[place])
        return LabelMap.read(self.files[place], self.names[place])


def _keep_conditions(conditions: Sequence[Condition], indices: Sequence[int], folder: Path) -> _Conditions:
    """Write each sample's label map below ``folder``; only one of them is in memory at a time."""
    files, kept_names = [], []
    for index in indices:
        label_map = conditions[index].read()
        files.append(folder / CONDITIONS / f"{index:06d}.nii.gz")
        label_map.write(files[-1])
        kept_names.append(label_map.names)
        named = _named(label_map.names)
        if named and not (folder / CONDITIONS / REGION_NAMES).is_file():
            write_json(folder / CONDITIONS / REGION_NAMES, named)
    return _Conditions(files, kept_names, [conditions[index].source for index in indices])


def _named(names: Mapping[int, str]) -> dict[str, str]:
    return {str(value): name for value, name in names.items() if not name.startswith(UNNAMED)}
