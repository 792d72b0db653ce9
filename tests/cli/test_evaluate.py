"""``medbench evaluate`` and ``report`` as a user meets them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from medbench import protocols
from medbench.storage.checksums import without_checksum


def test_evaluate_writes_and_prints_results(
    folders: dict[str, Path], tmp_path: Path, medbench: Callable[..., Any]
) -> None:
    out = tmp_path / "out"
    result = medbench(
        "evaluate", folders["near"], "--real", folders["real"], "--metrics", "fid25d", "--out", out, "--json"
    )
    assert result.returncode == 0, result.stderr
    document = json.loads(result.stdout)
    assert document == without_checksum(json.loads((out / "results.json").read_text(encoding="utf-8")))
    assert document["schema"] == 1
    assert document["results"][0]["metric"] == "fid25d"
    assert document["results"][0]["stand_ins"] == ["seeded-resnet"]
    assert (out / "report.html").is_file()


def test_evaluate_orders_damage(folders: dict[str, Path], tmp_path: Path, medbench: Callable[..., Any]) -> None:
    values = []
    for name in ("near", "far"):
        arguments = ("evaluate", folders[name], "--real", folders["real"], "--metrics", "fid25d", "--json", "--quiet")
        result = medbench(*arguments, cwd=tmp_path)
        assert result.stderr == ""
        values.append(json.loads(result.stdout)["results"][0]["value"])
    assert values[0] < values[1]
    assert len(list((tmp_path / "evaluations").iterdir())) == 2


def test_no_number_at_all_is_refused_with_each_cause_once(
    folders: dict[str, Path], tmp_path: Path, refused: Callable[..., Any], medbench: Callable[..., Any]
) -> None:
    metrics = "fid25d,kid25d,rvr,hu"  # no stand-in takes the place of a protocol's networks
    arguments = ("evaluate", folders["near"], "--real", folders["real"], "--protocol", "medlord-2.5d")
    line = refused(medbench(*arguments, "--metrics", metrics, cwd=tmp_path))
    assert line.count("MEDBENCH_WEIGHTS_RADIMAGENET_RESNET50") == 1
    assert "fid25d, kid25d: weights" in line
    assert "rvr, hu: " in line


def test_a_crash_ends_with_exit_code_1_after_the_others(
    folders: dict[str, Path], tmp_path: Path, medbench: Callable[..., Any]
) -> None:
    crash = "class Crash:\n    info = Fid25d.info.__class__('crash', '1', '', 'lower', None, 2, 2, '')\n"
    (tmp_path / "bad.py").write_text(f"from medbench.metrics.fid25d.metric import Fid25d\n{crash}")
    metrics = f"{tmp_path / 'bad.py'}:Crash,fid25d"
    result = medbench("evaluate", folders["near"], "--real", folders["real"], "--metrics", metrics, cwd=tmp_path)
    assert result.returncode == 1
    assert "fid25d" in result.stdout
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("medbench: ")]
    assert "not crash: it crashed: AttributeError" in line
    assert "bad.py" in line


def test_a_protocol_file_has_its_own_fingerprint(
    folders: dict[str, Path], tmp_path: Path, medbench: Callable[..., Any]
) -> None:
    original = Path(str(protocols.__file__)).with_name("folder-2.5d.toml")
    (tmp_path / "mine.toml").write_text(original.read_text(encoding="utf-8").replace("high = 1000.0", "high = 400.0"))
    fingerprints = set()
    for protocol in ("folder-2.5d", "mine.toml"):
        arguments = ("evaluate", folders["near"], "--real", folders["real"], "--metrics", "fid25d", "--json")
        result = medbench(*arguments, "--protocol", protocol, "--out", tmp_path / f"out-{protocol}", cwd=tmp_path)
        fingerprints.add(json.loads(result.stdout)["results"][0]["fingerprint"])
    assert len(fingerprints) == 2


def test_report_is_written_again(folders: dict[str, Path], tmp_path: Path, medbench: Callable[..., Any]) -> None:
    out = tmp_path / "out"
    medbench("evaluate", folders["near"], "--real", folders["real"], "--metrics", "fid25d", "--out", out)
    page = (out / "report.html").read_bytes()
    (out / "report.html").unlink()
    assert medbench("report", out).returncode == 0
    assert (out / "report.html").read_bytes() == page


def test_an_unwritable_output_is_named(
    folders: dict[str, Path], tmp_path: Path, refused: Callable[..., Any], medbench: Callable[..., Any]
) -> None:
    (tmp_path / "file").write_text("in the way")
    arguments = ("evaluate", folders["near"], "--real", folders["real"], "--metrics", "fid25d")
    assert "is a file" in refused(medbench(*arguments, "--out", tmp_path / "file" / "out"))


@pytest.mark.parametrize(
    ("lines", "field"),
    [
        ("[grid]\nshape = [-4, 8, 8]", "grid.shape"),
        ("[grid]\nshape = [8, 8, 8]\nspacing_mm = [0, 1, 1]", "grid.spacing_mm"),
        ("[window]\nlow = 400\nhigh = -100", "must lie below"),
        ("[window]\nhigh = nan", "window.high"),
        ("[slices]\nplanes = []", "slices.planes"),
        ("extractr = 'x'", "extractr"),
    ],
)
def test_a_protocol_that_makes_no_sense_names_the_field(
    lines: str,
    field: str,
    folders: dict[str, Path],
    tmp_path: Path,
    refused: Callable[..., Any],
    medbench: Callable[..., Any],
) -> None:
    (tmp_path / "mine.toml").write_text(f'name = "mine"\nsummary = "x"\n{lines}\n', encoding="utf-8")
    arguments = ("evaluate", folders["near"], "--real", folders["real"], "--protocol", tmp_path / "mine.toml")
    assert field in refused(medbench(*arguments, cwd=tmp_path))
