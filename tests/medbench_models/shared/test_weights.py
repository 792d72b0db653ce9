from dataclasses import replace
from pathlib import Path

import pytest

from medbench.errors import MissingExtraError
from medbench.storage.weights import WeightFile
from medbench_models.shared.weights import Checkpoints

FILE = WeightFile(name="toy-unet", file="unet.pt", origin="a hub", hub="someone/toy", license="MIT")


def checkpoints(folder: Path) -> Checkpoints:
    return Checkpoints("toy", folder, {"full": {"unet": FILE}, "half": {"unet": FILE}}, "toys.convert")


def test_a_shipped_checkpoint_bears_the_name_that_training_gives(tmp_path: Path) -> None:
    (tmp_path / "toy-tiny.safetensors").touch()
    assert checkpoints(tmp_path).require("tiny") == tmp_path / "toy-tiny.safetensors"


def test_what_is_not_shipped_names_the_training(tmp_path: Path) -> None:
    with pytest.raises(MissingExtraError, match=r"preset 'big' .*`medbench fit --model toy --preset big"):
        checkpoints(tmp_path).require("big")


def test_what_is_not_known_by_name_says_where_to_look(tmp_path: Path) -> None:
    hidden = replace(checkpoints(tmp_path), elsewhere="ask its authors")
    assert hidden.how_to_have("large").startswith("ask its authors; or train them with `medbench fit")


def test_what_is_published_names_the_missing_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDBENCH_HOME", str(tmp_path))
    with pytest.raises(MissingExtraError, match=r"run 'medbench weights fetch toy-unet', then 'python -m toys.convert"):
        checkpoints(tmp_path).require("full")
    (tmp_path / "unet.pt").touch()
    monkeypatch.setenv("MEDBENCH_WEIGHTS_TOY_UNET", str(tmp_path / "unet.pt"))
    with pytest.raises(MissingExtraError, match=r"run 'python -m toys.convert --preset full'"):
        checkpoints(tmp_path).require("full")
    made = tmp_path / "weights" / "toy-full.safetensors"
    made.parent.mkdir()
    made.touch()
    assert checkpoints(tmp_path).require("full") == made


def test_a_file_of_several_presets_is_listed_once(tmp_path: Path) -> None:
    assert checkpoints(tmp_path).files == (FILE,)
