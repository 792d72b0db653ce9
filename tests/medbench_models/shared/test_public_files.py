from pathlib import Path

import pytest
import torch

from medbench.errors import CheckpointError
from medbench_models.shared.public_files import fitting, weights_in

FIXED, RAW, AVERAGED = torch.zeros(1), torch.ones(1), torch.full((1,), 2.0)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "file.pth"


@pytest.mark.parametrize(("which", "wanted"), [("raw", RAW), ("averaged", AVERAGED)])
def test_what_was_not_averaged_comes_from_the_raw_weights(path: Path, which: str, wanted: torch.Tensor) -> None:
    document = {"model": {"fixed": FIXED, "trained": RAW}, "ema": {"decay": 0.9, "shadow": {"trained": AVERAGED}}}
    torch.save(document, path)
    assert weights_in(path, which, model="it") == {"fixed": FIXED, "trained": wanted}


@pytest.mark.parametrize("document", [{"trained": RAW}, {"model": {"trained": RAW}, "ema": None}])
def test_a_file_without_averages_has_raw_weights(path: Path, document: dict) -> None:
    torch.save(document, path)
    assert weights_in(path, "averaged", model="it") == {"trained": RAW}


@pytest.mark.parametrize("document", [{"epoch": 3}, {"model": {"a": RAW}, "ema": {"shadow": 1}}, {"model": RAW}])
def test_something_else_is_refused(path: Path, document: dict) -> None:
    torch.save(document, path)
    with pytest.raises(CheckpointError, match=r"file\.pth holds no state dict.* no checkpoint of it"):
        weights_in(path, "averaged", model="it")


def test_the_first_rule_that_matches_a_name_decides(path: Path) -> None:
    rules = ((r"^a\.(.*)$", r"b.\1"), (r"^a\.x$", None), (r"^gone$", None))
    found = fitting(path, {"b.x": RAW, "kept": RAW}, {"a.x": RAW, "kept": RAW, "gone": RAW}, rules)
    assert found.keys() == {"b.x", "kept"}
    with pytest.raises(CheckpointError, match=r"missing \(other\)"):
        fitting(path, {"other": RAW}, {"kept": RAW}, rules)
