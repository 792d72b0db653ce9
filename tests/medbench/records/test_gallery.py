from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from medbench.errors import DataError
from medbench.imaging.volume import Volume
from medbench.records.gallery import Gallery, Pair, kept, stored
from medbench.records.samples import StoredVolume

ITEM = StoredVolume("a", "a", Path("a.nii.gz"), "0" * 64)


def test_a_gallery_is_read_back(tmp_path: Path) -> None:
    shown = stored(ITEM, tmp_path, "real", labels="none", regions={1: "lung"})
    gallery = Gallery(pairs=(Pair(first=shown, beside=None, relation="nothing"),))
    gallery.save(tmp_path)
    assert Gallery.read(tmp_path) == gallery


def test_a_file_is_believed_only_as_it_was_written(tmp_path: Path) -> None:
    volume = Volume(np.zeros((4, 4, 4), np.int16))
    one = kept(volume, tmp_path, "one")
    assert Volume.read(one.check(tmp_path, "one")).shape == (4, 4, 4)
    Volume(np.ones((4, 4, 4), np.int16)).write(tmp_path / one.file)
    with pytest.raises(DataError, match=r"^one: .* has changed since"):
        one.check(tmp_path, "one")
    (tmp_path / one.file).unlink()
    with pytest.raises(DataError, match=r"^one is no longer at"):
        one.check(tmp_path, "one")


def test_titles_tell_samples_from_real_volumes_and_from_what_was_made_of_them() -> None:
    item = stored(ITEM, Path("run"), "sample", labels="none")
    titles = [item.model_copy(update={"kind": kind}).title for kind in ("sample", "real", "made")]
    assert titles == ["sample a", "real a", "a"]


def test_a_run_of_an_earlier_version_has_none(tmp_path: Path) -> None:
    assert Gallery.read(tmp_path) is None


@pytest.mark.parametrize("content", ["{", "[]", '{"schema_version": 2, "pairs": []}', '{"pairs": [1]}'])
def test_a_damaged_record_is_refused_in_one_line(tmp_path: Path, content: str) -> None:
    (tmp_path / "gallery").mkdir()
    (tmp_path / "gallery" / "gallery.json").write_text(content)
    with pytest.raises(DataError, match="is damaged") as refused:
        Gallery.read(tmp_path)
    assert "\n" not in str(refused.value)


def test_a_changed_record_is_refused(tmp_path: Path) -> None:
    Gallery(pairs=()).save(tmp_path)
    file = tmp_path / "gallery" / "gallery.json"
    file.write_text(
        file.read_text().replace('"pairs": []', '"pairs": [ ]').replace('"schema_version": 1', '"other": 1')
    )
    with pytest.raises(DataError, match="changed after it was written"):
        Gallery.read(tmp_path)
