"""A walk ends, whatever the links."""

from __future__ import annotations

import os
import time

import pytest

from medbench.errors import DataError
from medbench.imaging.formats.walk import shown, walk


def folders(root):
    return [directory.path.relative_to(root).as_posix() for directory in walk(root)]


def test_folders_that_link_to_one_another_are_each_entered_once(tmp_path):
    for one in range(8):
        (tmp_path / f"f{one}").mkdir()
    for one in range(8):
        for other in range(8):
            (tmp_path / f"f{one}" / f"to{other}").symlink_to(tmp_path / f"f{other}")
    assert folders(tmp_path) == [".", *(f"f{number}" for number in range(8))]
    assert sum(len(directory.again) for directory in walk(tmp_path)) == 64


def test_nested_folders_take_no_time(tmp_path):
    began, here = time.monotonic(), os.open(tmp_path, os.O_RDONLY)
    for _ in range(60):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    assert len(folders(tmp_path)) == 61
    assert time.monotonic() - began < 5


def test_real_folders_come_before_links_to_them(tmp_path):
    (tmp_path / "z").mkdir()
    (tmp_path / "a").symlink_to(tmp_path / "z")
    assert folders(tmp_path) == [".", "z"]


def test_a_path_that_no_system_takes_is_told(tmp_path, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(DataError, match="cannot be read: Permission denied"):
        list(walk(tmp_path))


def test_names_are_shown_on_one_line():
    assert shown("a\nb\x1b[31m\udcff") == r"a\nb\x1b[31m\udcff"
