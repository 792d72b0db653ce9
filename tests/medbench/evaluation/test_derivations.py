"""What metrics will want of a volume is known before they ask."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from medbench import registry
from medbench.drawing.panels import CentreSlices
from medbench.evaluation import derivations
from medbench.evaluation.derivations import CENTRE_SLICES, beside_bytes, centre_slices, slice_features, wanted_by
from medbench.features.seeded import SeededResNet
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
    assert names(["memorization", "reconstruction"], lab) == {"working-copies", "reconstruction"}


def test_what_cannot_be_had_is_left_to_the_metric_to_tell(tmp_path: Path, instruments: Callable[..., Any]) -> None:
    lab = instruments(tmp_path, extractor="radimagenet-resnet50", volume_extractor="seeded-resnet")
    assert names(["fid25d", "fid3d", "hu"], lab) == {"regions", "hu"}


def test_memory_of_a_segmenter_counts_where_a_metric_asks_for_regions(
    tmp_path: Path, instruments: Callable[..., Any]
) -> None:
    lab = instruments(tmp_path, segmenter="totalsegmentator")
    assert beside_bytes(["fid3d", "rvr"], lab) == lab.segmenter.info.process_bytes > 2**30
    assert beside_bytes(["fid3d"], lab) == 0
    assert (
        beside_bytes(["rvr"], instruments(tmp_path))
        == beside_bytes(["rvr"], instruments(tmp_path, segmenter="phantom"))
        == 0
    )


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


def test_slices_prepared_ahead_for_a_gpu_have_the_same_features(
    item: StoredVolume, tmp_path: Path, instruments: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    volume = Volume.read(item.path)
    plain = instruments(tmp_path)
    expected = slice_features(plain).compute(volume)
    beside_a_gpu = dataclasses.replace(plain, device="cuda")
    beside_a_gpu.extractor = SeededResNet(device="cpu")
    threads: list[str] = []
    cut = derivations.plane_slices

    def noted(*given: Any, **settings: Any) -> Any:
        threads.append(threading.current_thread().name)
        return cut(*given, **settings)

    monkeypatch.setattr(derivations, "plane_slices", noted)
    found = slice_features(beside_a_gpu).compute(volume)
    assert found.keys() == expected.keys() == {"xy", "yz", "zx"}
    for plane in found:
        np.testing.assert_array_equal(found[plane], expected[plane])
    assert threading.current_thread().name not in threads
