from medbench.metrics.base import Measured
from medbench.metrics.fid25d.figure import draw


def test_planes_are_drawn_with_and_without_interval_and_floor(tmp_path, result, is_picture) -> None:
    bare = result.model_copy(update={"ci95": None, "floor": None, "floor_parts": {}, "stand_ins": ()})
    for one, name in ((result, "full.png"), (bare, "bare.png")):
        draw(Measured(one, None, None), tmp_path / name)
        assert is_picture(tmp_path / name)


def test_the_same_input_makes_the_same_bytes(tmp_path, result) -> None:
    for name in ("first.png", "second.png"):
        draw(Measured(result, None, None), tmp_path / name)
    assert (tmp_path / "first.png").read_bytes() == (tmp_path / "second.png").read_bytes()
