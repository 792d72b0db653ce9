import argparse

import pytest

from medbench.errors import SpecError
from medbench_models.shared.unstated import Unstated, add_unstated, unstated_of


def said(arguments: list[str], scale_factor: float | None = None) -> Unstated:
    parser = argparse.ArgumentParser()
    add_unstated(parser, scale_factor=scale_factor)
    return unstated_of(parser.parse_args(arguments))


def test_what_is_left_out_has_the_public_defaults() -> None:
    found = said([], 1.11)
    assert found == Unstated(1.11, 300, (512, 512, 256), (1.0, 1.0, 1.0), "LPS")
    assert found.flipped == (0, 1)
    assert found.in_words == "scale factor 1.11, 300 time steps (the files state neither)"


def test_what_is_said_is_taken() -> None:
    found = said(["--scale-factor", "7.87", "--spacing", "0.7x0.7x1", "--orientation", "ras", "--shape", "64x64x32"])
    assert found.scale_factor == 7.87
    assert found.shape == (64, 64, 32)
    assert [found.affine[axis][axis] for axis in range(4)] == [0.7, 0.7, 1.0, 1.0]
    assert found.flipped == ()


def test_without_a_default_the_scale_factor_is_needed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        said([])
    assert stopped.value.code == 2
    assert "--scale-factor" in capsys.readouterr().err


@pytest.mark.parametrize(
    "wrong", [{"scale_factor": 0.0}, {"timesteps": 0}, {"shape": (1, 0, 1)}, {"orientation": "XYZ"}]
)
def test_impossible_facts_are_refused(wrong: dict) -> None:
    with pytest.raises(SpecError, match=r"must be positive|three letters"):
        Unstated(**({"scale_factor": 1.0} | wrong)).checked()
