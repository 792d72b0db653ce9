import numpy as np
import pytest

from medbench.errors import Unavailable
from medbench.imaging.volume import Volume
from medbench.metrics.base import Measured
from medbench.metrics.reconstruction.figure import draw


def pairs(count: int) -> list[tuple[Volume, Volume]]:
    rng = np.random.default_rng(1)
    volumes = [Volume(rng.integers(-1000, 400, (20, 16, 12), dtype=np.int16)) for _ in range(2 * count)]
    return list(zip(volumes[::2], volumes[1::2]))


def test_the_first_two_held_out_volumes_are_shown(tmp_path, result, make_side, make_evidence, is_picture) -> None:
    for count in (2, 5):
        held_out = make_side(count, pairs=pairs(5)[:count])
        evidence = make_evidence(make_side(2), make_side(2), held_out=held_out)
        draw(Measured(result, None, evidence), tmp_path / f"{count}.png")
    assert is_picture(tmp_path / "2.png")
    assert (tmp_path / "2.png").read_bytes() == (tmp_path / "5.png").read_bytes()


def test_without_held_out_volumes_there_is_nothing_to_show(tmp_path, result, make_side, make_evidence) -> None:
    with pytest.raises(Unavailable, match="no held-out"):
        draw(Measured(result, None, make_evidence(make_side(2), make_side(2))), tmp_path / "none.png")
