"""``medbench data``."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any


def test_data_list_and_verify(refused: Callable[..., Any], medbench: Callable[..., Any]) -> None:
    rows = {row["name"]: row for row in json.loads(medbench("data", "list", "--json").stdout)}
    assert rows["phantom"]["here"]
    assert not rows["luna"]["here"]
    assert medbench("data", "verify", "phantom").returncode == 0
    assert "--data-root" in refused(medbench("data", "verify", "luna"))
    assert "cannot be downloaded" in refused(medbench("data", "fetch", "phantom"))


def test_data_is_prepared_once(toy_dataset: str, medbench: Callable[..., Any]) -> None:
    counts = json.loads(medbench("data", "prepare", toy_dataset, "--json", "--quiet").stdout)
    assert counts == {"dataset": "toy", "reference": 8, "held_out": 4}
