"""What a choice leaves behind."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

from PIL import Image

from leaderboard.checkpoints.choice import choose
from leaderboard.checkpoints.output import CURVE, DOCUMENT, SAME_SAMPLES, TABLE, write


def test_every_number_is_in_the_table_and_in_the_document(judged: Any, tmp_path: Path) -> None:
    checkpoints = judged(5.0, None, 1.0, ci95=(0.5, 1.5), floor=0.2)
    choice, reported = choose(checkpoints, None, tmp_path), checkpoints[0].report
    document = write(tmp_path, checkpoints, choice, "chosen on these, reported on those", reported)
    assert json.loads((tmp_path / DOCUMENT).read_text(encoding="utf-8")) == document
    assert (document["chosen"], document["by"], document["not_told_apart"]) == ("c2", "fid25d", [])
    assert (document["real"], document["note"]) == ("chosen on these, reported on those", SAME_SAMPLES)
    assert [len(one["results"]) for one in document["checkpoints"]] == [1, 0, 1]
    assert document["checkpoints"][2]["results"][0]["ci95"] == [0.5, 1.5]
    rows = list(csv.DictReader((tmp_path / TABLE).read_text(encoding="utf-8").splitlines()))
    assert [(row["value"], row["ci_low"], row["floor"], row["reason"]) for row in rows] == [
        ("5.0", "0.5", "0.2", ""),
        ("", "", "", "all voxels equal 7"),
        ("1.0", "0.5", "0.2", ""),
    ]
    with Image.open(tmp_path / CURVE) as picture:
        assert picture.width > 900
