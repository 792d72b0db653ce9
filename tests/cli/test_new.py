"""``medbench new`` writes a plug-in and says how to use it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any


def test_new_says_how_the_plugin_is_used(tmp_path: Path, medbench: Callable[..., Any]) -> None:
    told = medbench("new", "metric", "lung-texture", cwd=tmp_path)
    assert told.returncode == 0, told.stderr
    assert told.stdout.startswith("metric: lung_texture.py:LungTexture\n")
    assert "medbench evaluate SAMPLES --real REAL --metrics lung_texture.py:LungTexture" in told.stdout
    found = json.loads(medbench("new", "dataset", "mine", "--out", tmp_path / "plugins", "--json").stdout)
    assert found["plugin"] == f"{tmp_path / 'plugins' / 'mine.py'}:Mine" and Path(found["file"]).is_file()


def test_new_writes_over_nothing(tmp_path: Path, medbench: Callable[..., Any], refused: Callable[..., Any]) -> None:
    (tmp_path / "mine.py").write_text("mine", encoding="utf-8")
    assert "is there already" in refused(medbench("new", "metric", "mine", cwd=tmp_path))
    assert (tmp_path / "mine.py").read_text(encoding="utf-8") == "mine"
