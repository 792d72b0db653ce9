from __future__ import annotations

import json
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest


def test_what_holds_no_volume_is_refused_in_one_line(medbench, refused, tmp_path: Path) -> None:
    assert "does not exist" in refused(medbench("view", tmp_path / "nowhere"))
    assert str(tmp_path) in refused(medbench("view", tmp_path, "--no-browser"))


def test_a_damaged_gallery_is_refused_in_one_line(medbench, refused, tmp_path: Path) -> None:
    (tmp_path / "gallery").mkdir()
    (tmp_path / "gallery" / "gallery.json").write_text("{")
    (tmp_path / "run.json").write_text("{}")
    assert "gallery.json is damaged" in refused(medbench("view", tmp_path))


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C is sent as a POSIX signal")
def test_it_serves_until_ctrl_c_and_ends_with_130(folders: dict[str, Path]) -> None:
    command = [sys.executable, "-m", "cli.main", "view", str(folders["real"]), "--no-browser", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        lines = ""
        while not lines.endswith("\n}\n"):  # the document is whole before the server begins
            lines += process.stdout.readline()
        told = json.loads(lines)
        assert told["volumes"] == ["0", "1", "2", "3"]
        with urllib.request.urlopen(told["url"].partition("#")[0], timeout=20) as answer:
            assert b"medbench view" in answer.read()
        process.send_signal(signal.SIGINT)
        _, complaints = process.communicate(timeout=30)
    assert process.returncode == 130
    assert complaints.strip() == "medbench: the viewer has ended"
