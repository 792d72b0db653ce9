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
from medbench.progress import Progress, silent
from medbench.records.collection import CONDITIONS, REGION_NAMES
from medbench.records.manifest import Manifest, SampleRecord
from medbench.spec import Grid
from medbench.storage.files import make_folder, sha256_of, write_json


@dataclass(frozen=True)
class Making:
    """What decides the samples of a run, and where they go; it travels to other processes.

    Args:
        folder: ``RUN/samples``.
        seed: the run's seed; each sample's own is derived from it and the sample's index.
        grid: canonical grid, or None to keep the generator's.
        cases: held-out cases, for pseudo-models.
        conditions: sample i is steered by the label map i; None: nothing steers.
        checkpoint: SHA-256 of the generator's weights; samples that others made are made again.
    """

    folder: Path
    seed: int
    grid: Grid | None
    cases: Sequence[Case] = ()
    conditions: Sequence[Condition] | None = None
    checkpoint: str | None = None

    def missing(self, count: int, progress: Progress = silent) -> list[int]:
        """Return the indices below ``count`` of samples that are not there as they were made, or not of these weights.

        Args:
            count: how many samples there are to be.
            progress: told about samples that the manifest lists and that are not there.
        """
        manifest = Manifest(self.folder)
        done = manifest.complete(count, checkpoint=self.checkpoint)
        if (lost := manifest.count() - len(done)) > 0:
            progress.note(
                f"{lost} of the samples in {manifest.path} are damaged, lost or not of these weights: made again"
            )
        return [index for index in range(count) if index not in done]

    def collect(self, count: int) -> None:
        """List in the manifest all samples below ``count`` that are there; only for who alone works in the folder."""
        manifest = Manifest(self.folder)
        manifest.rewrite(manifest.complete(count, checkpoint=self.checkpoint).values())

    def make(self, indices: Sequence[int], generator: Generator, progress: Progress, *, part: str = "") -> None:
        """Make samples, bring them to the canonical grid and append them to the manifest.

        Args:
            indices: which.
            generator: with its weights loaded.
            progress: told about every sample.
            part: names this process's own file of the manifest, where others sample beside it.

        Raises:
            DataError: the generator stopped early. PluginError: it yielded more, or something else.
            StorageError: the disk is full.
        """
        manifest = Manifest(make_folder(self.folder), part)
        seeds = {index: sample_seed(self.seed, index) for index in indices}
        steering = _keep_conditions(self.conditions, indices, self.folder) if self.conditions else None
        cases = [self.cases[index] for index in seeds if index < len(self.cases)]
        request = SampleRequest(seeds=list(seeds.values()), conditions=steering, cases=cases)
        made = progress.track(_checked(generator, request), task="sample", total=len(seeds))
        clock, count = time.monotonic(), 0
        for place, (volume, index) in enumerate(zip(made, seeds)):
            manifest.append(
                SampleRecord(
                    index=index,
                    seed=seeds[index],
                    **_written(volume, self.folder / f"{index:06d}.nii.gz", self.grid),
                    **(steering.described(place) if steering else {}),
                    checkpoint=self.checkpoint,
                    seconds=round(time.monotonic() - clock, 3),
                )
            )
            clock, count = time.monotonic(), count + 1
        if left := len(seeds) - count:
            raise DataError(f"{generator.info.name} stopped {left} samples early: this is a defect of the generator")


def sample(making: Making, generator: Generator, *, count: int, progress: Progress) -> None:
    """Make in this process the samples that are missing, and list all in the manifest.

    Args:
        making: what decides them.
        generator: with its weights loaded.
        count: how many samples there are to be.
        progress: told about every sample.

    Raises:
        DataError, PluginError, StorageError: see ``Making.make``.
    """
    making.make(making.missing(count, progress), generator, progress)
    making.collect(count)


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
