"""What metrics will want of a volume is known before they ask."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from medbench import registry
from medbench.drawing.panels import CentreSlices
from medbench.evaluation.derivations import CENTRE_SLICES, centre_slices, wanted_by
from medbench.imaging.volume import Volume
from medbench.records.samples import StoredVolume


def names(metrics: list[str], lab: Any) -> set[str]:
    return {one.name for one in wanted_by(metrics, lab)}


def test_features_and_regions_follow_from_needs_and_the_rest_is_declared(
    tmp_path: Path, instruments: Callable[..., Any]
) -> None:
    lab = instruments(tmp_path, segmenter="phantom")
    assert names(["fid25d", "kid25d", "prdc25d"], lab) == {"features"}
    assert names(["mmd3d"], lab) == {"volume-features"}
    assert names(["rvr"], lab) == {"regions"}
    runs = {"mask-runs", "segmentation-runs"}
    assert names(["hu", "adherence", "frd"], lab) == {"regions", "hu", "adherence", "radiomics", *runs}
    assert names(["memorization", "reconstruction"], lab) == {"working-copies"}


def test_what_cannot_be_had_is_left_to_the_metric_to_tell(tmp_path: Path, instruments: Callable[..., Any]) -> None:
    lab = instruments(tmp_path, extractor="radimagenet-resnet50", volume_extractor="seeded-resnet")
    assert names(["fid25d", "fid3d", "hu"], lab) == {"regions", "hu"}


def test_a_declaration_that_raises_costs_no_other(
    tmp_path: Path, instruments: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def derives(protocol: object) -> Any:
        raise ValueError(protocol)

    hu = registry.load("metrics", "hu")
    monkeypatch.setattr(
        hu, "info", registry.load("metrics", "frd").info.__class__(**vars(hu.info) | {"derives": derives})
    )
    assert names(["hu", "frd"], instruments(tmp_path)) == {"regions", "radiomics"}


def test_the_montage_is_drawn_without_the_volume(
    item: StoredVolume, tmp_path: Path, instruments: Callable[..., Any]
) -> None:
    lab = instruments(tmp_path)
    found = centre_slices(lab.derived(lab.open(item), CENTRE_SLICES))
    wanted = CentreSlices.of(Volume.read(item.path))
    assert (found.shape, found.spacing_mm) == (wanted.shape, wanted.spacing_mm)
    assert [one.tolist() for one in found.views] == [one.tolist() for one in wanted.views]
