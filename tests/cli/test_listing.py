"""``medbench list`` tells what is declared, in JSON and in words."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cli.main import app
from medbench import protocols, registry
from medbench.spec import fingerprint


@pytest.mark.parametrize("what", ["models", "datasets", "metrics", "protocols", "segmenters", "features"])
def test_list_prints_declarations(what: str, medbench: Callable[..., Any]) -> None:
    rows = json.loads(medbench("list", what, "--json").stdout)
    assert rows
    assert all(row["name"] for row in rows)
    assert medbench("list", what).stdout


def test_list_alone_names_everything(medbench: Callable[..., Any]) -> None:
    found = json.loads(medbench("list", "--json").stdout)
    assert found["models"] == registry.names("generators") and found["protocols"] == protocols.names()
    rows = {line.split()[0]: line for line in medbench("list").stdout.splitlines() if line}
    assert rows["datasets"].split()[1:] == [str(len(found["datasets"])), *", ".join(found["datasets"]).split()]


def test_a_table_comes_before_the_declarations(medbench: Callable[..., Any]) -> None:
    heading, *lines = medbench("list", "metrics").stdout.splitlines()
    assert heading.split() == ["name", "better", "unit", "by", "default"]
    assert [line.split()[0] for line in lines[: len(registry.names("metrics"))]] == registry.names("metrics")


def test_no_licence_is_told_twice() -> None:
    for kind in ("generators", "segmenters"):
        for name in registry.names(kind):
            parts = registry.load(kind, name).info.license.split("; ")
            assert len(parts) == len(set(parts)), name


def test_list_protocols_tells_every_field_and_its_fingerprint(medbench: Callable[..., Any]) -> None:
    rows = {row["name"]: row for row in json.loads(medbench("list", "protocols", "--json").stdout)}
    assert set(rows) == set(protocols.names())
    maisi = protocols.load("maisi-2.5d")
    told = {field: rows["maisi-2.5d"][field] for field in type(maisi).model_fields}
    assert told == maisi.model_dump(mode="json")
    assert rows["maisi-2.5d"]["fingerprint"] == fingerprint(maisi)
    lines = CliRunner().invoke(app, ["list", "protocols"], env={"COLUMNS": "40"}).stdout.splitlines()
    assert max(map(len, lines)) <= 40
    assert {"maisi-2.5d", "  HU are clipped to -1000..1000."} <= {line.rstrip() for line in lines}


def test_list_metrics_can_be_read_in_a_narrow_terminal() -> None:
    lines = CliRunner().invoke(app, ["list", "metrics"], env={"COLUMNS": "60"}).stdout.splitlines()
    at = next(index for index, line in enumerate(lines) if line.rstrip() == "fid25d")
    told = " ".join(line.strip() for line in lines[at : at + 6])
    assert "summary: Fréchet distance between the features" in told
    assert max(map(len, lines)) <= 60


def test_list_models_has_the_keys_of_the_contract(medbench: Callable[..., Any]) -> None:
    rows = json.loads(medbench("list", "models", "--json").stdout)
    assert {"medlord", "real"} <= {row["name"] for row in rows}
    for row in rows:
        assert {"name", "version", "capabilities", "presets", "license", "paper"} <= set(row)


def test_list_presets_tells_shape_weights_and_training_data(medbench: Callable[..., Any]) -> None:
    rows = {row["name"]: row for row in json.loads(medbench("list", "presets", "--model", "medlord", "--json").stdout)}
    assert list(rows) == list(registry.load("generators", "medlord").info.presets)
    assert rows["tiny"]["default"] and rows["tiny"]["weights"] == "here"
    assert rows["tiny"]["trained_on"] == ["weights trained on phantom (train split)"]
    assert rows["paper"]["shape"] == [512, 512, 256]
    assert "medbench fit --model medlord --preset paper" in rows["paper"]["weights"]


def test_list_presets_of_a_model_tells_its_settings(medbench: Callable[..., Any]) -> None:
    rows = {row["name"]: row for row in json.loads(medbench("list", "presets", "--model", "medlord", "--json").stdout)}
    settings = {name: {one["key"]: one for one in row["settings"]} for name, row in rows.items()}
    assert settings["tiny"]["stage2.steps"] == {"key": "stage2.steps", "type": "integer", "value": 16000}
    assert settings["paper"]["stage2.steps"]["value"] == 750_000
    lines = medbench("list", "presets", "--model", "medlord", "--preset", "paper").stdout.splitlines()
    assert "settings of paper, each changed by --set KEY=VALUE:" in lines
    assert ["stage2.steps", "integer", "750000"] in [line.split() for line in lines]
    assert "settings of tiny, each" in medbench("list", "presets", "--model", "medlord").stdout


def test_a_preset_is_printed_as_a_file_that_runs_take(
    tmp_path: Path, medbench: Callable[..., Any], refused: Callable[..., Any]
) -> None:
    text = medbench("list", "presets", "--model", "ha-gan", "--toml").stdout
    (tmp_path / "mine.toml").write_text(text.replace("steps = 3000", "steps = 0"), encoding="utf-8")
    line = refused(medbench("fit", "--model", "ha-gan", "--dataset", "phantom", "--preset", "mine.toml", cwd=tmp_path))
    assert "gan.steps=0" in line
    assert "give --model" in refused(medbench("list", "presets", "--toml"))
    assert "real has no settings" in refused(medbench("list", "presets", "--model", "real", "--toml"))


def test_list_presets_names_those_of_every_model(medbench: Callable[..., Any]) -> None:
    rows = json.loads(medbench("list", "presets", "--json").stdout)
    assert {row["model"] for row in rows} == set(registry.names("generators"))


def test_a_broken_plugin_hides_no_other_and_is_told_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, medbench: Callable[..., Any]
) -> None:
    about = tmp_path / "theirs-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[medbench.metrics]\nodd = odd_metric:Odd\n")
    (tmp_path / "odd_metric.py").write_text("import absent_library")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(registry, "_table", registry._table.__wrapped__)
    result = medbench("list", "metrics", "--json")
    assert result.returncode == 2
    assert {row["name"] for row in json.loads(result.stdout)} == {*registry.names("metrics")} - {"odd"}
    [line] = result.stderr.splitlines()
    assert "'odd' (odd_metric:Odd)" in line and "absent_library" in line and "uninstall the package theirs" in line
