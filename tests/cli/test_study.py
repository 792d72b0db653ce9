from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from medbench.datasets.phantom.dataset import generate
from medbench.reader_study.packet import Packet
from medbench.reader_study.ratings import Ratings
from medbench.reader_study.tables import Rating


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory, medbench) -> Path:
    """A folder with volumes, a packet, its key and one reader's ratings."""
    root = tmp_path_factory.mktemp("study")
    for index in range(14):
        generate(7000 + index, (24, 24, 12))[0].write(root / ("model", "scans")[index % 2] / f"{index}.nii.gz")
    made = medbench(
        "study", "create", root / "model", "--real", root / "scans", "--per-model", "6", "--training", "1", "--readers",
        "3", "--out", root / "packet", "--key", root / "key.json",
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    assert "on disk" in made.stderr
    assert "publish it before the first reading" in made.stdout
    packet = Packet.open(root / "packet")
    for reader, score in (("ada", "2"), ("bob", "4"), ("eve", "3")):
        for trial in Ratings(packet).order(reader):
            answers = {"realism": "real", "confidence": "3", "anatomy": score, "image_quality": score}
            Ratings(packet).save(reader, Rating(trial.id, {**answers, "diagnostic_quality": score}, "", 20.0))
    return root


def test_an_audit_answers_with_the_contract_s_document(study: Path, medbench) -> None:
    found = medbench("study", "audit", study / "packet", "--key", study / "key.json", "--json")
    document = json.loads(found.stdout)
    assert document.keys() == {"container", "voxels", "ok"}
    assert document["ok"] is True
    assert document["container"].keys() == {"auc", "ci95", "leaks"}
    told = medbench("study", "audit", study / "packet", "--key", study / "key.json").stdout
    assert "The container does not tell the source" in told


def test_scores_are_printed_and_kept(study: Path, tmp_path: Path, medbench) -> None:
    found = medbench("study", "score", study / "packet", "--key", study / "key.json", cwd=tmp_path)
    assert found.returncode == 0, found.stderr
    assert "report: scores/packet/report.html" in found.stdout
    document = json.loads(
        medbench(
            "study", "score", study / "packet", "--key", study / "key.json", "--out", tmp_path / "b", "--json"
        ).stdout
    )
    assert document["readers"] == ["ada", "bob", "eve"]
    assert document["criteria"]["anatomy"]["real"]["n"] == 18
    assert document == json.loads((tmp_path / "b" / "scores.json").read_text())


def test_a_plan_is_a_table(tmp_path: Path, medbench) -> None:
    arguments = ("study", "plan", "--readers", "1", "--simulations", "20", "--out", tmp_path / "plan.csv")
    told = medbench(*arguments)
    assert "1 reader: " in told.stdout
    rows = list(csv.DictReader((tmp_path / "plan.csv").read_text().splitlines()))
    assert {row["design"] for row in rows} == {"2afc"}
    assert json.loads(medbench(*arguments, "--json").stdout)[0]["readers"] == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("create", "absent", "--out", "p", "--key", "k"), "absent"),
        (("create", "--out", "p", "--key", "k"), "nothing to read"),
        (("create", "model", "--out", "p", "--key", "p/k"), "inside the packet"),
        (("create", "model", "--out", "p", "--key", "k", "--design", "likert"), "--design likert: choose from"),
        (("create", "model", "--out", "p", "--key", "k", "--format", "png"), "--format png: choose from"),
        (("create", "model", "--out", "p", "--key", "k", "--hu-range", "wide"), "is no range of HU"),
        (("create", "model", "--out", "p", "--key", "k", "--spacing", "1x1"), "is no spacing"),
        (("create", "model", "--out", "p", "--key", "k", "--criteria", "none.toml"), "no such file"),
        (("create", "model", "--out", "p", "--key", "k", "--per-model", "99"), "99 volumes of model|101 volumes"),
        (("audit", "model", "--key", "key.json"), "is no packet"),
        (("audit", "packet", "--key", "model/0.nii.gz"), "is not the key"),
        (("score", "packet", "--key", "key.json", "--ratings", "none.csv"), "does not exist"),
        (("plan", "--effect", "0.5"), "is no effect"),
    ],
)
def test_bad_input_is_refused_in_one_line(
    study: Path, arguments: tuple[str, ...], said: str, medbench, refused
) -> None:
    line = refused(medbench("study", *arguments, cwd=study))
    assert any(part in line for part in said.split("|")), line
    assert not (study / "p").exists()
    assert not (study / "k").exists()
