"""The commands as a user meets them: exit codes, one line on stderr, one JSON document on stdout."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from cli.main import app
from medbench import protocols, registry
from medbench.datasets.phantom.dataset import generate
from medbench.errors import StorageError
from medbench.imaging.volume import Volume
from medbench.spec import fingerprint
from medbench.storage.files import storage_errors

SHAPE = (32, 32, 16)


@dataclass(frozen=True)
class Finished:
    returncode: int
    stdout: str
    stderr: str


def medbench(*arguments: str | Path, cwd: Path | None = None) -> Finished:
    """Run a command in this process, which spares each test the import of torch."""
    with contextlib.chdir(cwd or Path.cwd()):
        result = CliRunner().invoke(app, list(map(str, arguments)), env={"COLUMNS": "200"})
    return Finished(result.exit_code, result.stdout, result.stderr)


def refused(result: Finished, *, code: int = 2) -> str:
    """Check that a command refused with one line, no traceback and nothing on stdout; return the line."""
    assert result.returncode == code, result.stderr
    lines = [line for line in result.stderr.splitlines() if line.startswith("medbench: ")]
    assert len(lines) == 1
    assert "Traceback" not in result.stderr
    assert result.stdout == ""
    return lines[0]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("folders")
    for name, seeds, noise in (("real", range(4), 0), ("near", range(10, 14), 20), ("far", range(10, 14), 250)):
        for seed in seeds:
            volume, _ = generate(seed, SHAPE)
            hu = volume.voxels + np.random.default_rng(seed).normal(0, noise, SHAPE)
            Volume(np.rint(hu).astype(np.int16), volume.affine).write(root / name / f"{seed}.nii.gz")
    return {path.name: path for path in root.iterdir()}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "--model", "medlrod", "--dataset", "phantom"], "did you mean medlord"),
        (["run", "--model", "real", "--dataset", "fantom"], "did you mean phantom"),
        (["run", "--model", "real", "--dataset", "phantom", "--metrics", "fid2d"], "did you mean fid25d"),
        (["run", "--model", "real", "--dataset", "phantom", "--protocol", "fantom-2.5d"], "did you mean phantom-2.5d"),
        (["run", "--model", "real", "--dataset", "phantom", "--preset", "big"], "choose from"),
        (["run", "--model", "real", "--dataset", "phantom", "--budget", "much"], "is no memory size"),
        (["run", "--model", "real", "--dataset", "phantom", "--device", "tpu"], "is no device"),
        (["run", "--model", "real", "--dataset", "phantom", "--samples", "17"], "lower --samples"),
        (["run", "--model", "real", "--dataset", "luna"], "--data-root"),
        (["run", "--model", "real", "--dataset", "phantom", "--weights", "x=absent.pth"], "file that exists"),
        (["evaluate", "absent", "--real", "absent"], "no such folder"),
        (["evaluate", "absent"], "either --dataset NAME or --real DIR"),
        (["report", "absent"], "is no run folder"),
    ],
)
def test_bad_input_gets_one_line(arguments: list[str], words: str, tmp_path: Path) -> None:
    assert words in refused(medbench(*arguments, cwd=tmp_path))
    assert not list(tmp_path.rglob("results.json"))


def test_the_console_script_ends_with_the_exit_code_and_one_line(tmp_path: Path) -> None:
    command = [str(Path(sys.executable).with_name("medbench")), "evaluate", "absent", "--real", "absent"]
    result = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", cwd=tmp_path, check=False)
    line = refused(Finished(result.returncode, result.stdout, result.stderr))
    assert result.stderr.strip() == line


def test_evaluate_writes_and_prints_results(folders: dict[str, Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = medbench(
        "evaluate", folders["near"], "--real", folders["real"], "--metrics", "fid25d", "--out", out, "--json"
    )
    assert result.returncode == 0, result.stderr
    document = json.loads(result.stdout)
    assert document == json.loads((out / "results.json").read_text(encoding="utf-8"))
    assert document["schema"] == 1
    assert document["results"][0]["metric"] == "fid25d"
    assert document["results"][0]["stand_ins"] == ["seeded-resnet"]
    assert (out / "report.html").is_file()


def test_evaluate_orders_damage(folders: dict[str, Path], tmp_path: Path) -> None:
    values = []
    for name in ("near", "far"):
        arguments = ("evaluate", folders[name], "--real", folders["real"], "--metrics", "fid25d", "--json", "--quiet")
        result = medbench(*arguments, cwd=tmp_path)
        assert result.stderr == ""
        values.append(json.loads(result.stdout)["results"][0]["value"])
    assert values[0] < values[1]
    assert len(list((tmp_path / "evaluations").iterdir())) == 2


def test_what_cannot_be_had_is_skipped_with_its_mend(folders: dict[str, Path], tmp_path: Path) -> None:
    arguments = ("evaluate", folders["near"], "--real", folders["real"], "--protocol", "medlord-2.5d", "--json")
    document = json.loads(medbench(*arguments, cwd=tmp_path).stdout)
    reasons = {skipped["metric"]: skipped["reason"] for skipped in document["skipped"]}
    assert "MEDBENCH_WEIGHTS_RADIMAGENET_RESNET50" in reasons["fid25d"]
    assert "totalsegmentator" in reasons["rvr"].lower()
    assert document["results"] == []  # no stand-in takes the place of a protocol's networks


def test_a_protocol_file_has_its_own_fingerprint(folders: dict[str, Path], tmp_path: Path) -> None:
    original = Path(str(protocols.__file__)).with_name("folder-2.5d.toml")
    (tmp_path / "mine.toml").write_text(original.read_text(encoding="utf-8").replace("high = 1000.0", "high = 400.0"))
    fingerprints = set()
    for protocol in ("folder-2.5d", "mine.toml"):
        arguments = ("evaluate", folders["near"], "--real", folders["real"], "--metrics", "fid25d", "--json")
        result = medbench(*arguments, "--protocol", protocol, "--out", tmp_path / f"out-{protocol}", cwd=tmp_path)
        fingerprints.add(json.loads(result.stdout)["results"][0]["fingerprint"])
    assert len(fingerprints) == 2


def test_report_is_written_again(folders: dict[str, Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    medbench("evaluate", folders["near"], "--real", folders["real"], "--metrics", "fid25d", "--out", out)
    page = (out / "report.html").read_bytes()
    (out / "report.html").unlink()
    assert medbench("report", out).returncode == 0
    assert (out / "report.html").read_bytes() == page


def test_an_unwritable_output_is_named(folders: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    arguments = ("evaluate", folders["near"], "--real", folders["real"], "--metrics", "fid25d")
    assert "is a file" in refused(medbench(*arguments, "--out", tmp_path / "file" / "out"))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_is_named_and_nothing_half_written_remains(tmp_path: Path) -> None:
    with (
        pytest.raises(StorageError, match="the disk is full"),
        storage_errors(tmp_path / "x"),
        Path("/dev/full").open("w") as handle,
    ):
        handle.write("x" * 100_000)


def test_unexpected_failures_name_the_log(folders: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text(
        "from medbench.metrics.fid25d.metric import Fid25d\n"
        "class Broken(Fid25d):\n    def measure(self, evidence):\n        raise RuntimeError('a defect')\n"
    )
    arguments = ("evaluate", folders["near"], "--real", folders["real"], "--out", tmp_path / "out")
    result = medbench(*arguments, "--metrics", f"{tmp_path / 'broken.py'}:Broken")
    line = refused(result, code=1)
    assert "a defect" in line
    assert "Traceback" in (tmp_path / "out" / "log.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("what", ["models", "datasets", "metrics", "protocols", "segmenters", "features"])
def test_list_prints_declarations(what: str) -> None:
    rows = json.loads(medbench("list", what, "--json").stdout)
    assert rows
    assert all(row["name"] for row in rows)
    assert medbench("list", what).stdout


def test_a_broken_plugin_hides_no_other_and_is_told_in_one_line(tmp_path: Path, monkeypatch) -> None:
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


def test_list_protocols_tells_every_field_and_its_fingerprint() -> None:
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


def test_list_models_has_the_keys_of_the_contract() -> None:
    rows = json.loads(medbench("list", "models", "--json").stdout)
    assert {"medlord", "real"} <= {row["name"] for row in rows}
    for row in rows:
        assert {"name", "version", "capabilities", "presets", "license", "paper"} <= set(row)


def test_doctor_says_what_works_and_what_to_do() -> None:
    rows = json.loads(medbench("doctor", "--json").stdout)
    assert all(set(row) == {"check", "ok", "detail", "mend"} for row in rows)
    radimagenet = next(row for row in rows if row["check"] == "weights radimagenet-resnet50")
    assert not radimagenet["ok"]
    assert "MEDBENCH_WEIGHTS_RADIMAGENET_RESNET50" in radimagenet["mend"]
    lines = CliRunner().invoke(app, ["doctor"], env={"COLUMNS": "60"}).stdout.splitlines()
    assert radimagenet["mend"] in [line.strip() for line in lines], "a command that is broken up cannot be copied"


def test_data_list_and_verify() -> None:
    rows = {row["name"]: row for row in json.loads(medbench("data", "list", "--json").stdout)}
    assert rows["phantom"]["here"]
    assert not rows["luna"]["here"]
    assert medbench("data", "verify", "phantom").returncode == 0
    assert "--data-root" in refused(medbench("data", "verify", "luna"))
    assert "cannot be downloaded" in refused(medbench("data", "fetch", "phantom"))


def test_weights_are_given_by_names_that_something_asks_for(tmp_path: Path) -> None:
    (tmp_path / "net.pth").write_bytes(b"")
    arguments = ("evaluate", "absent", "--real", "absent", "--weights", f"radimagent={tmp_path / 'net.pth'}")
    assert "radimagenet-resnet50" in refused(medbench(*arguments))


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
    lines: str, field: str, folders: dict[str, Path], tmp_path: Path
) -> None:
    (tmp_path / "mine.toml").write_text(f'name = "mine"\nsummary = "x"\n{lines}\n', encoding="utf-8")
    arguments = ("evaluate", folders["near"], "--real", folders["real"], "--protocol", tmp_path / "mine.toml")
    assert field in refused(medbench(*arguments, cwd=tmp_path))


@pytest.mark.parametrize(
    ("text", "words"), [("def broken(:\n", "cannot be imported"), ("class Mine:\n    pass\n", "has no 'info'")]
)
def test_a_plugin_file_that_is_none_is_named(text: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(text, encoding="utf-8")
    arguments = ("run", "--model", f"{tmp_path / 'mine.py'}:Mine", "--dataset", "phantom")
    line = refused(medbench(*arguments, cwd=tmp_path))
    assert "mine.py" in line
    assert words in line


def test_misspelt_options_get_one_line_too() -> None:
    for arguments in (["run", "--modl", "x"], ["nonsense"], ["evaluate"]):
        command = [str(Path(sys.executable).with_name("medbench")), *arguments]
        result = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=False)
        assert "--help' shows" in refused(Finished(result.returncode, result.stdout, result.stderr))


def test_data_is_prepared_once(toy_dataset: str) -> None:
    counts = json.loads(medbench("data", "prepare", toy_dataset, "--json", "--quiet").stdout)
    assert counts == {"dataset": "toy", "reference": 8, "held_out": 4}


def test_the_version_is_the_packages() -> None:
    assert medbench("--version").stdout.startswith("medbench ")
