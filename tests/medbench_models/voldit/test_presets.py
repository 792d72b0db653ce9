"""Presets say what they follow, and go by name."""

from pathlib import Path

import pytest

from medbench.errors import MissingExtraError, SpecError
from medbench_models.voldit.generator import VolDiT
from medbench_models.voldit.presets import PRESETS


def test_unknown_presets(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="choose one of tiny, paper, xs2"):
        VolDiT("huge", device="cpu").load(tmp_path)


@pytest.mark.parametrize("name", [name for name in PRESETS if name != "tiny"])
def test_weights_that_nobody_could_verify_are_not_fetched_by_name(name: str) -> None:
    with pytest.raises(MissingExtraError) as refused:
        VolDiT(name, device="cpu").default_checkpoint()
    message = str(refused.value)
    assert "\n" not in message
    assert "AICM-HD/voldit on the Hugging Face hub" in message
    assert "could not be verified" in message
    assert "python -m medbench_models.voldit.convert" in message
    assert f"medbench fit --model voldit --preset {name}" in message


def test_the_papers_preset_is_the_size_that_the_public_commands_name() -> None:
    assert PRESETS["paper"] is PRESETS["l4"]
    assert PRESETS["paper"].network.multiple == 32
    assert PRESETS["l2"].network.multiple == 16
