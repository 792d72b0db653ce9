"""The budget: sizes as people write them, and figures that are measured or absent."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from medbench.budget.meter import GIB, Meter, parse_bytes
from medbench.errors import BudgetExceededError, SpecError
from medbench.records.results import StageMemory, StagePrediction
from medbench.records.run import StageName, StageRecord


@pytest.mark.parametrize(
    ("text", "size"),
    [("24GB", 24 * GIB), ("24 GiB", 24 * GIB), ("512m", 2**29), ("1.5GB", GIB * 3 // 2), ("7 b", 7), ("7B", 7)],
)
def test_sizes_are_read(text: str, size: int) -> None:
    assert parse_bytes(text) == size


@pytest.mark.parametrize("text", ["", "GB", "-1GB", "0GB", "24 pounds", "9" * 400 + "GB", "1e400GB"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(SpecError, match="is no memory size"):
        parse_bytes(text)


@pytest.mark.parametrize("text", ["24", " 1.5 ", "0"])
def test_a_bare_number_is_asked_for_its_unit(text: str) -> None:
    with pytest.raises(SpecError, match=f"has no unit: write {text.strip()}GB, or"):
        parse_bytes(text)


def _stage(
    *, allocated: int | None = None, card: int | None = None, predicted: int | None = None, exceeded: bool = False
) -> StageRecord:
    memory = StageMemory(
        allocated_bytes=allocated, reserved_bytes=allocated, process_bytes=None, rss_bytes=1, seconds=1.0,
        card_bytes=card, exceeded=exceeded,
    )  # fmt: skip
    prediction = None
    if predicted is not None:
        prediction = StagePrediction(shape=(8, 8, 8), peak_bytes=predicted, tensor_bytes=predicted, largest_tensors=())
    return StageRecord(status="done", started=0.0, memory=memory, prediction=prediction)


def test_on_a_cpu_device_figures_are_absent_and_resident_memory_is_measured() -> None:
    with Meter(24 * GIB, "cpu").measure("sample") as measured:
        held = np.ones(50_000_000)
        held.sum()
    assert measured[0].allocated_bytes is None
    assert measured[0].rss_bytes > held.nbytes
    assert measured[0].seconds > 0


@pytest.mark.parametrize(
    ("stages", "kind", "card", "within"),
    [
        ({}, "absent", "none", None),
        ({"sample": _stage()}, "absent", "none", None),
        ({"sample": _stage(predicted=20 * GIB)}, "predicted", "none", True),
        ({"fit": _stage(predicted=30 * GIB), "sample": _stage(predicted=20 * GIB)}, "predicted", "none", False),
        ({"sample": _stage(allocated=20 * GIB, card=24 * GIB, predicted=30 * GIB)}, "measured", "real", True),
        ({"sample": _stage(allocated=20 * GIB, card=80 * GIB)}, "measured", "capped", True),
        ({"sample": _stage(allocated=25 * GIB, card=80 * GIB)}, "measured", "capped", False),
        ({"sample": _stage(allocated=20 * GIB, card=80 * GIB, exceeded=True)}, "measured", "capped", False),
    ],
)
def test_the_verdict_is_on_what_fit_and_sample_took(
    stages: dict[StageName, StageRecord], kind: str, card: str, within: bool | None
) -> None:
    evaluated: dict[StageName, StageRecord] = {"evaluate": _stage(allocated=70 * GIB, card=80 * GIB)}
    budget = Meter(24 * GIB, "cpu").budget(stages | evaluated)
    assert (budget.kind, budget.card, budget.within) == (kind, card, within)


def test_what_was_measured_of_one_stage_alone_is_no_measurement_of_the_run() -> None:
    stages: dict[StageName, StageRecord] = {"fit": _stage(allocated=GIB, card=24 * GIB, predicted=GIB)}
    stages["sample"] = _stage(predicted=30 * GIB)
    budget = Meter(24 * GIB, "cpu").budget(stages)
    assert (budget.kind, budget.within) == ("predicted", False)


def test_running_out_of_memory_names_layer_and_tensor(fake_card: Any) -> None:
    import torch

    network = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.Sequential(torch.nn.Conv3d(1, 64, 1)))
    meter = Meter(GIB, "cuda:0")
    with pytest.raises(BudgetExceededError) as error, meter.measure("sample") as measured:
        network[1](torch.zeros(1, 1, 32, 32, 32))
    assert str(error.value) == (
        "stage sample exceeded the budget of 1.0 GiB on cuda:0 in Sequential.0, working on 1x1x32x32x32 float32"
    )
    assert measured[0].exceeded
    assert measured[0].allocated_bytes is not None and measured[0].allocated_bytes <= GIB
    assert measured[0].card_bytes == fake_card.total


def test_within_the_cap_the_peak_is_measured(fake_card: Any) -> None:
    import torch

    meter = Meter(GIB, "cuda:0")
    assert meter.allowed_bytes() == GIB
    with meter.measure("sample") as measured:
        torch.zeros(1, 1, 32, 32, 32)
    assert measured[0].allocated_bytes == 32**3 * 4 * fake_card.scale
    assert not measured[0].exceeded


@pytest.mark.gpu
def test_the_cap_bites_on_a_card() -> None:
    import torch

    meter = Meter(2 * GIB, "cuda:0")
    network = torch.nn.Sequential(torch.nn.Conv3d(1, 64, 1)).to("cuda:0")
    with pytest.raises(BudgetExceededError) as error, meter.measure("sample") as measured, torch.no_grad():
        network(torch.zeros(1, 1, 256, 256, 256, device="cuda:0"))  # 4 GiB
    assert "in Sequential.0, working on 1x1x256x256x256 float32" in str(error.value)
    assert measured[0].exceeded
    assert measured[0].reserved_bytes is not None and measured[0].reserved_bytes <= 2 * GIB
    with meter.measure("sample") as measured, torch.no_grad():
        network(torch.zeros(1, 1, 64, 64, 64, device="cuda:0"))
    assert not measured[0].exceeded
    assert measured[0].allocated_bytes is not None and 2**26 < measured[0].allocated_bytes < 2 * GIB


def test_an_interrupted_stage_keeps_what_it_took(fake_card: Any) -> None:
    import torch

    with pytest.raises(KeyboardInterrupt), Meter(GIB, "cuda:0").measure("fit") as measured:
        torch.zeros(1, 1, 32, 32, 32)
        raise KeyboardInterrupt
    assert measured[0].allocated_bytes == 32**3 * 4 * fake_card.scale
    assert not measured[0].exceeded
