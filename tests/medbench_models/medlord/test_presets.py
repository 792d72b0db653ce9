"""Presets go by name."""

from pathlib import Path

import pytest

from medbench.errors import MissingExtraError, SpecError
from medbench_models.medlord.generator import MedLoRD


def test_unknown_presets(tmp_path: Path) -> None:
    with pytest.raises(MissingExtraError, match="medbench fit"):
        MedLoRD("huge", device="cpu").default_checkpoint()
    with pytest.raises(SpecError, match="choose one of tiny"):
        MedLoRD("huge", device="cpu").load(tmp_path)
