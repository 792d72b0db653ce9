"""Where the label maps come from that steer samples: a split of the data set, or a folder of the user's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import get_args

import numpy as np

from medbench import registry
from medbench.datasets.base import Case, Dataset, Split
from medbench.errors import DataError, SpecError
from medbench.generators.base import GeneratorInfo
from medbench.imaging.grid import label_map_to_grid
from medbench.imaging.volume import LabelMap
from medbench.pipeline.options import RunOptions
from medbench.records.collection import REGION_NAMES, region_names, volumes_by_id
from medbench.records.samples import content_once
from medbench.spec import Grid, fingerprint


@dataclass(frozen=True)
class Condition:
    """A label map that steers a sample.

    Args:
        source: where it comes from, as the manifest tells it: ``train/CASE``, or a file.
        read: returns it on the canonical grid.
    """

    source: str
    read: Callable[[], LabelMap]


@dataclass(frozen=True)
class Conditions:
    """Label maps in the order in which samples take them.

    Args:
        identity: the split's name, or a fingerprint of what a folder holds.
        items: one a sample; there may be more than samples.
        own: whether they come from a folder of the user's own.
    """

    identity: str
    items: Sequence[Condition]
    own: bool = False


def asked_of(options: RunOptions, info: GeneratorInfo, metrics: Sequence[str]) -> str | None:
    """Return whose label maps steer the samples of a run, as ``conditions_of`` takes it; None where nothing does."""
    if steered_unasked(options, info):
        return "train"
    return options.conditions or (split_for(metrics) if options.conditional else None)


def steered_unasked(options: RunOptions, info: GeneratorInfo) -> bool:
    """Say whether a generator makes nothing without a label map, and nobody asked for any."""
    asked = options.conditional or options.conditions is not None
    return not asked and "unconditional" not in info.capabilities


def conditions_of(asked: str, dataset: Dataset, grid: Grid | None) -> Conditions:
    """Return the label maps of a split or of a folder; none is read yet.

    Args:
        asked: ``train``, ``select``, ``test``, or a folder of label maps with a labels.json.
        dataset: whose splits they are.
        grid: canonical grid; None keeps each map's own.

    Raises:
        SpecError: neither a split nor a folder, or a case without a label map.
        DataError: a folder without label maps, or whose labels have no names.
    """
    split = next((name for name in get_args(Split) if name == asked), None)
    if split is not None:
        return Conditions(split, of_cases(dataset.cases(split), grid))
    folder = Path(asked)
    if not folder.is_dir():
        raise SpecError(f"--conditions {asked}: neither {', '.join(get_args(Split))} nor a folder of label maps")
    found, names = volumes_by_id(folder), region_names(folder)
    if names is None:
        raise DataError(
            f'{folder} has no {REGION_NAMES}: say there what its label values stand for, like {{"1": "lung_left"}}'
        )
    content = {name: content_once(path) for name, path in found.items()}
    identity = fingerprint({"maps": content, "names": {str(value): name for value, name in names.items()}})
    read = partial(_read_named, names=names, grid=grid)
    return Conditions(identity, [Condition(str(path), partial(read, path)) for path in found.values()], own=True)


def split_for(metrics: Sequence[str]) -> Split:
    """Return the split whose label maps steer samples where the user names none: held-out, unless no metric wants them.

    Args:
        metrics: registered names.
    """
    wishes = {registry.load("metrics", metric).info.steered_by for metric in metrics}
    return "train" if wishes == {"train"} else "test"


def of_cases(cases: Sequence[Case], grid: Grid | None) -> Sequence[Condition]:
    """Return the label maps of cases; one without a label map is refused when its turn comes."""
    return [Condition(f"{case.split}/{case.id}", partial(_read_of_case, case, grid)) for case in cases]


def _read_of_case(case: Case, grid: Grid | None) -> LabelMap:
    if case.read_label_map is None:
        raise SpecError(f"samples are steered by label maps, and the case {case.id} ({case.split}) has none")
    return _on_grid(case.read_label_map(), grid)


def _read_named(path: Path, *, names: Mapping[int, str], grid: Grid | None) -> LabelMap:
    label_map = LabelMap.read(path, names)
    unnamed = set(np.unique(label_map.voxels).tolist()) - {0, *names}
    if unnamed:
        raise DataError(f"{path} has the label {min(unnamed)}, which {REGION_NAMES} does not name: add it there")
    return _on_grid(label_map, grid)


def _on_grid(label_map: LabelMap, grid: Grid | None) -> LabelMap:
    return label_map_to_grid(label_map, grid) if grid is not None else label_map
