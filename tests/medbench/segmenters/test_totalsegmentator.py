"""TotalSegmentator in its own process: names, grid, failures, licence, and that it reaches no network.

Most tests put a few lines in the place of TotalSegmentator's API, so that they need no second; the slow ones run the
real one, with models that nnU-Net's own classes wrote and that read a voxel's class off its intensity.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

import medbench
from medbench import doctor, protocols
from medbench.datasets.phantom import generate
from medbench.datasets.thorax import LABELS
from medbench.errors import GeometryError, MedbenchError, MissingExtraError, Unavailable
from medbench.imaging.volume import Volume
from medbench.records.results import Report
from medbench.segmenters import total_models
from medbench.segmenters.total_models import HEART_CHAMBERS, TOTAL, Task, installed_version
from medbench.segmenters.total_process import TotalProcess, device_word, process_for
from medbench.segmenters.total_worker import REFUSED
from medbench.segmenters.totalsegmentator import TotalSegmentator, TotalSegmentatorHeartChambers, region_names
from medbench.storage import files

DOCS = Path(__file__).parents[3] / "docs" / "segmenters.md"
NUMBER = "aca_12345678901234"
OBLIQUE = np.array([[1.4, 0.1, 0, -10], [-0.1, 1.6, 0, 5], [0, 0, 2.0, 7], [0, 0, 0, 1.0]])
FILES = ("dataset.json", "plans.json", "fold_0/checkpoint_final.pth")


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Neither the user's weights and licence nor another test's process are seen."""
    for name in ("TOTALSEG_HOME_DIR", "TOTALSEG_WEIGHTS_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "user"))
    monkeypatch.setenv("MEDBENCH_HOME", str(tmp_path / "medbench"))
    yield
    process_for.cache_clear()


def write_files(results: Path, task: Task) -> Path:
    """Write files that look like a task's models."""
    for model in task.models:
        folder = results / total_models._folder_name(model) / "trainer__plans__3d_fullres"
        (folder / "fold_0").mkdir(parents=True)
        for file in FILES:
            (folder / file).write_text(f"{model} {file}", encoding="utf-8")
    return results


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    results = tmp_path / "results"
    write_files(results, TOTAL)
    write_files(results, HEART_CHAMBERS)
    monkeypatch.setenv("TOTALSEG_WEIGHTS_PATH", str(results))
    return results


@pytest.fixture
def licensed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Configure a licence number as totalseg_set_license does; return the user's file."""
    home = tmp_path / "totalseg"
    home.mkdir()
    config = {"totalseg_id": "totalseg_AAAAAAAA", "send_usage_stats": True, "prediction_counter": 3}
    (home / "config.json").write_text(json.dumps(config | {"license_number": NUMBER}), encoding="utf-8")
    monkeypatch.setenv("TOTALSEG_HOME_DIR", str(home))
    return home / "config.json"


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], TotalProcess]]:
    """Return a function that puts a body in the place of TotalSegmentator's API and returns a process that uses it."""
    package = tmp_path / "fake" / "totalsegmentator"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    monkeypatch.setenv("PYTHONPATH", str(package.parent))
    processes = []

    def install(body: str) -> TotalProcess:
        lines = ["import os, sys, time, nibabel, numpy as np", "calls = []", "def like(image, labels):"]
        lines += ["    return nibabel.nifti1.Nifti1Image(np.asarray(labels, np.uint8), image.affine)"]
        lines += ["def totalsegmentator(image, output, ml, task, device, quiet, nr_thr_saving):"]
        lines += [f"    {line}" for line in body.splitlines()]
        (package / "python_api.py").write_text("\n".join(lines), encoding="utf-8")
        process = TotalProcess(tmp_path, NUMBER)
        processes.append(process)
        return process

    yield install
    for process in processes:
        process.close()


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> Callable[[TotalProcess], None]:
    def put(process: TotalProcess) -> None:
        monkeypatch.setattr("medbench.segmenters.totalsegmentator.process_for", lambda *_: process)

    return put


def small(shape: tuple[int, int, int] = (6, 5, 4)) -> Volume:
    return Volume(np.arange(np.prod(shape), dtype=np.int16).reshape(shape) - 50, OBLIQUE)


def run(process: TotalProcess) -> np.ndarray:
    return process.segment(small(), task="total", device="cpu")[0]


# Names, version, weights


def test_regions_have_the_names_that_the_phantom_uses() -> None:
    total, heart = set(region_names(TOTAL).values()), set(region_names(HEART_CHAMBERS).values())
    assert set(LABELS.values()) - total - heart == {"body", "aorta_ascending", "aorta_descending"}
    assert {"lung_left", "lung_right", "spine", "ribs", "heart", "aorta"} <= total
    assert not any(re.match(r"(lung_.+_lobe|vertebrae_|rib_(left|right))", name) for name in total)
    assert "sacrum" in total
    assert "costal_cartilages" in total


@pytest.mark.parametrize("task", [TOTAL, HEART_CHAMBERS])
def test_the_documented_table_is_that_of_the_installed_version(task: Task) -> None:
    _, _, section = DOCS.read_text(encoding="utf-8").partition(f"### Labels of `{task.name}`")
    section = section.partition("\n#")[0]
    documented = {int(value): name for value, name in re.findall(r"(\d+) `([\w]+)`", section)}
    assert documented == region_names(task)


@pytest.mark.parametrize(
    ("plugin", "task"), [(TotalSegmentator, TOTAL), (TotalSegmentatorHeartChambers, HEART_CHAMBERS)]
)
def test_the_version_tells_package_and_task(plugin: type, task: Task) -> None:
    assert installed_version() in plugin.info.version
    assert task.name in plugin.info.version


def test_a_licence_is_recorded_as_the_users_declaration() -> None:
    assert "licence declared by the user" in TotalSegmentatorHeartChambers.info.version
    assert "licence" not in TotalSegmentator.info.version


def test_the_hash_covers_weights_plans_and_labels_and_nothing_else(models: Path) -> None:
    segmenter = TotalSegmentator(device="cpu")
    first = segmenter.weights_sha256()
    folder = models / total_models._folder_name(293)
    (folder / "progress.png").write_bytes(b"anything")
    assert segmenter.weights_sha256() == first
    seen = {first}
    for file in FILES:
        next(folder.glob(f"*/{file}")).write_text("replaced", encoding="utf-8")
        seen.add(segmenter.weights_sha256())
    assert len(seen) == 4


def test_unchanged_files_are_hashed_once(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = []
    plain = files.sha256_of
    monkeypatch.setattr(files, "sha256_of", lambda path: read.append(path) or plain(path))
    assert TotalSegmentator(device="cpu").weights_sha256() == TotalSegmentator(device="cpu").weights_sha256()
    assert len(read) == len(set(read)) == 5 * len(FILES)


def test_missing_weights_are_unavailable_and_the_command_puts_them_where_they_are_looked_for(tmp_path: Path) -> None:
    segmenter = TotalSegmentator(device="cpu")
    with pytest.raises(Unavailable, match=r"totalseg_download_weights -t total$") as caught:
        segmenter.segment(small())
    export = re.search(r"export TOTALSEG_HOME_DIR=(\S+)", str(caught.value))
    assert export is not None
    assert f"mkdir -p {export[1]}" in str(caught.value)
    write_files(Path(export[1]) / "nnunet" / "results", TOTAL)  # where TotalSegmentator's get_weights_dir() says
    assert segmenter.weights_sha256()


def test_an_incomplete_model_is_not_there(models: Path) -> None:
    next(models.glob("Dataset294*/*/fold_0/checkpoint_final.pth")).unlink()
    with pytest.raises(Unavailable, match=r"\(Dataset294 absent or incomplete in .*results\)"):
        TotalSegmentator(device="cpu").weights_sha256()


def test_the_users_own_folder_serves_too(tmp_path: Path) -> None:
    write_files(tmp_path / "user" / ".totalsegmentator" / "nnunet" / "results", TOTAL)
    assert TotalSegmentator(device="cpu").weights_sha256()


def test_a_folder_that_the_environment_names_is_the_only_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_files(tmp_path / "user" / ".totalsegmentator" / "nnunet" / "results", TOTAL)
    monkeypatch.setenv("TOTALSEG_HOME_DIR", str(tmp_path / "empty"))
    with pytest.raises(Unavailable, match="run: totalseg_download_weights -t total"):
        TotalSegmentator(device="cpu").weights_sha256()


def test_one_file_cannot_stand_for_the_models(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDBENCH_WEIGHTS_TOTALSEGMENTATOR", str(models / "one.pth"))
    with pytest.raises(MissingExtraError, match="set TOTALSEG_WEIGHTS_PATH, not MEDBENCH_WEIGHTS_TOTALSEGMENTATOR"):
        TotalSegmentator(device="cpu").weights_sha256()


# Licence


def test_without_a_licence_the_chambers_are_unavailable(models: Path) -> None:
    with pytest.raises(Unavailable, match=r"needs a licence .*license-academic.*totalseg_set_license -l NUMBER"):
        TotalSegmentatorHeartChambers(device="cpu").segment(small())


def test_without_weights_and_licence_both_mends_are_named() -> None:
    with pytest.raises(Unavailable) as caught:
        TotalSegmentatorHeartChambers(device="cpu").weights_sha256()
    mend = r"totalseg_set_license .*-t total_fast && totalseg_download_weights -t heartchambers_highres$"
    assert re.search(mend, str(caught.value))


def test_a_damaged_configuration_is_named(models: Path, licensed: Path) -> None:
    licensed.write_text("{", encoding="utf-8")
    with pytest.raises(MissingExtraError, match=r"config\.json is no JSON object"):
        TotalSegmentatorHeartChambers(device="cpu").segment(small())


def test_the_users_configuration_stays_as_it_is(
    models: Path, licensed: Path, fake: Callable[[str], TotalProcess], use: Callable[[TotalProcess], None]
) -> None:
    before = licensed.read_bytes()
    own = "import json; own = json.load(open(os.environ['TOTALSEG_HOME_DIR'] + '/config.json'))\n"
    checks = f"assert own['license_number'] == {NUMBER!r} and own['send_usage_stats'] is False, own\n"
    use(fake(own + checks + "return like(image, np.zeros(image.shape))"))
    assert not TotalSegmentatorHeartChambers(device="cpu").segment(small()).voxels.any()
    assert licensed.read_bytes() == before
    assert list(licensed.parent.iterdir()) == [licensed]


def test_doctor_has_a_line_for_weights_and_for_the_licence(licensed: Path) -> None:
    lines = {check["check"]: check for check in doctor._weights()}
    assert not lines["weights totalsegmentator"]["ok"]
    assert "totalseg_download_weights -t total" in lines["weights totalsegmentator"]["mend"]
    licence = doctor._licence()
    assert licence["ok"]
    assert "declared by the user" in licence["detail"]
    assert NUMBER not in licence["detail"]
    licensed.unlink()
    assert not doctor._licence()["ok"]
    assert "totalseg_set_license" in doctor._licence()["mend"]


# The process


def test_lobes_are_merged_and_the_grid_is_kept(
    models: Path, fake: Callable[[str], TotalProcess], use: Callable[[TotalProcess], None]
) -> None:
    use(fake("labels = np.zeros(image.shape); labels.flat[:118] = range(118); return like(image, labels)"))
    volume = small()
    found = TotalSegmentator(device="cpu").segment(volume)
    assert np.array_equal(found.affine, volume.affine)
    assert found.voxels.dtype == np.uint8
    assert list(found.voxels.flat[:16]) == [*range(10), 10, 10, 12, 12, 12, 15]
    assert set(found.voxels.flat) == {0, *found.names}
    assert found.names[int(found.voxels.flat[35])] == "spine"
    assert found.names[int(found.voxels.flat[110])] == "ribs"


@pytest.mark.parametrize("dtype", [np.int16, np.float32])
def test_the_tool_sees_the_volume_as_it_is(dtype: type, fake: Callable[[str], TotalProcess]) -> None:
    process = fake("return like(image, image.get_fdata() + 50)")
    volume = Volume(small().voxels.astype(dtype), OBLIQUE)
    labels, affine = process.segment(volume, task="total", device="cpu")
    assert np.array_equal(labels, volume.voxels + 50)
    assert np.array_equal(affine, OBLIQUE)


@pytest.mark.parametrize("changed", ["image.affine + 0.01", "image.affine[:, [1, 0, 2, 3]]"])
def test_another_grid_is_refused(
    changed: str, models: Path, fake: Callable[[str], TotalProcess], use: Callable[[TotalProcess], None]
) -> None:
    use(fake(f"return nibabel.nifti1.Nifti1Image(np.zeros(image.shape, np.uint8), {changed})"))
    with pytest.raises(GeometryError, match="another affine"):
        TotalSegmentator(device="cpu").segment(small())


def test_one_process_serves_all_volumes(fake: Callable[[str], TotalProcess]) -> None:
    process = fake("calls.append(1)\nreturn like(image, np.full(image.shape, len(calls)))")
    assert [int(run(process)[0, 0, 0]) for _ in range(3)] == [1, 2, 3]


def test_what_the_tool_prints_reaches_nobody(
    fake: Callable[[str], TotalProcess], capfd: pytest.CaptureFixture[str]
) -> None:
    noise = "print('{\"bytes\": 3}')\nos.write(1, b'garbage\\n')\nos.system('echo from a child')\n"
    process = fake(noise + "return like(image, np.ones(image.shape))")
    assert run(process).all()
    assert capfd.readouterr() == ("", "")
    assert {"garbage", "from a child"} <= set(process.log().splitlines())


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("print('ERROR: no license')\nsys.exit(1)", r"sys\.exit\(1\); its last line: ERROR: no license\n"),
        ("raise ValueError('two\\nlines')", r"ValueError: two lines"),
        ("print('about to fall')\nos._exit(3)", r"ended with exit code 3; its last line: about to fall\n"),
        ("os.kill(os.getpid(), 9)", "was killed"),
        ("os.abort()", "died of SIGABRT"),
        # A child that inherited the pipe lives on: waiting for the pipe's end alone would never end.
        ("if os.fork() == 0:\n    time.sleep(200)\nos._exit(4)", "exit code 4"),
        ("import socket\nsocket.create_connection(('example.org', 80))", REFUSED),
        ("import urllib.request\nurllib.request.urlopen('http://192.0.2.1/')", REFUSED),
    ],
)
def test_a_failure_is_one_line_and_the_next_volume_finds_a_new_process(
    body: str, message: str, fake: Callable[[str], TotalProcess]
) -> None:
    process = fake(body)
    with pytest.raises(MedbenchError, match=message) as caught:
        run(process)
    assert "\n" not in str(caught.value)
    assert caught.value.__notes__
    fake("return like(image, np.ones(image.shape))")
    assert run(process).all()


def test_a_device_that_is_not_there_is_no_silent_cpu(fake: Callable[[str], TotalProcess], tmp_path: Path) -> None:
    (tmp_path / "fake" / "torch.py").write_text(
        "class cuda:\n    device_count = staticmethod(lambda: 1)", encoding="utf-8"
    )
    process = fake("assert device == 'gpu:0', device\nreturn like(image, np.ones(image.shape))")
    with pytest.raises(MedbenchError, match="no CUDA device 1: give --device cpu"):
        process.segment(small(), task="total", device=device_word("cuda:1"))
    assert process.segment(small(), task="total", device=device_word("cuda:0"))[0].all()


@pytest.mark.parametrize(("device", "word"), [("cpu", "cpu"), ("cuda", "gpu"), ("cuda:1", "gpu:1")])
def test_devices_have_other_names_there(device: str, word: str) -> None:
    assert device_word(device) == word


def test_closing_leaves_nothing(fake: Callable[[str], TotalProcess]) -> None:
    process = fake("print(os.environ['TOTALSEG_HOME_DIR'])\nreturn like(image, np.ones(image.shape))")
    run(process)
    folder = Path(process.log().splitlines()[-1])
    assert folder.is_dir()
    process.close()
    assert not folder.exists()


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGKILL, signal.SIGTERM])
def test_the_process_ends_with_its_master(
    end: signal.Signals, fake: Callable[[str], TotalProcess], tmp_path: Path
) -> None:
    note = tmp_path / "note"
    fake(f"open({str(note)!r}, 'w').write(f'{{os.getpid()}} ' + os.environ['TOTALSEG_HOME_DIR'])\ntime.sleep(200)")
    script = (
        "import numpy as np, pathlib\n"
        "from medbench.segmenters.total_process import TotalProcess\nfrom medbench.imaging.volume import Volume\n"
        "volume = Volume(np.zeros((4, 4, 4), np.int16))\n"
        "TotalProcess(pathlib.Path(), None).segment(volume, task='total', device='cpu')"
    )
    # Whoever runs the tests in the background has them, and their children, ignore SIGINT.
    hears = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)}
    master = subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.PIPE, text=True, **hears)
    try:
        wait_until(lambda: note.exists() and " " in note.read_text())
        pid, _, folder = note.read_text().partition(" ")
        master.send_signal(end)
        _, said = master.communicate(timeout=30)
    finally:
        master.kill()
    assert master.returncode == -end
    assert ("KeyboardInterrupt" in said) == (end == signal.SIGINT)
    wait_until(lambda: not alive(int(pid)) and not Path(folder).exists())


def wait_until(holds: Callable[[], bool]) -> None:
    last = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < last
        time.sleep(0.05)


def alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


# In an evaluation

BY_INTENSITY = """
hu = image.get_fdata()
labels = np.where(hu > 400, 52, np.where(hu > 200, 51, 0))
left = np.arange(hu.shape[0])[:, None, None] < hu.shape[0] // 2
labels = np.where((hu < -600) & (hu > -950), np.where(left, 11, 14), labels)
print("segmented", file=open(os.environ["COUNTED"], "a"))
return like(image, labels)
"""


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Write phantoms and their masks, real and synthetic."""
    root = tmp_path_factory.mktemp("folders")
    for side, seeds in (("real", range(4)), ("synthetic", range(40, 44))):
        for seed in seeds:
            volume, labels = generate(seed, (32, 32, 16))
            volume.write(root / side / f"{seed}.nii.gz")
            labels.write(root / f"{side}-masks" / f"{seed}.nii.gz")
        names = {"2": "lung_left", "3": "lung_right", "6": "heart"}
        (root / f"{side}-masks" / "labels.json").write_text(json.dumps(names), encoding="utf-8")
    return {name: root / name for name in ("real", "synthetic", "real-masks", "synthetic-masks")}


def evaluate(folders: dict[str, Path], **more: Any) -> Report:
    return medbench.evaluate(
        folders["synthetic"], real=folders["real"], metrics=["fid25d", "rvr"], device="cpu", **more
    )


@pytest.mark.parametrize(
    ("protocol", "command"),
    [
        ("medlord-2.5d", "totalseg_download_weights -t total"),
        ("medlord-2.5d-heart", "totalseg_set_license -l NUMBER"),
    ],
)
def test_without_weights_the_metric_is_skipped_and_says_why(
    protocol: str, command: str, folders: dict[str, Path]
) -> None:
    report = evaluate(folders, protocol=protocol)
    reasons = {skipped.metric: skipped.reason for skipped in report.skipped}
    assert set(reasons) == {"fid25d", "rvr"}
    assert command in reasons["rvr"]


def test_masks_may_stand_in_for_the_segmenter(folders: dict[str, Path]) -> None:
    masks = {"masks": folders["synthetic-masks"], "real_masks": folders["real-masks"]}
    report = evaluate(folders, protocol="medlord-2.5d", segmenter="precomputed", **masks)
    (rvr,) = report.results
    assert rvr.protocol["compared"] == ["lung_left", "lung_right", "heart"]
    assert any(note.startswith("aorta left out") for note in rvr.notes)


def test_rvr_of_what_it_labelled_each_volume_once(
    folders: dict[str, Path],
    models: Path,
    fake: Callable[[str], TotalProcess],
    use: Callable[[TotalProcess], None],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("COUNTED", str(tmp_path / "counted"))
    use(fake(BY_INTENSITY.strip()))
    first = evaluate(folders, protocol="medlord-2.5d").results[0]
    again = evaluate(folders, protocol="medlord-2.5d").results[0]
    assert first.protocol["compared"] == ["lung_left", "lung_right", "heart", "aorta"]
    assert first.protocol["segmenter"]["version"] == TotalSegmentator.info.version
    assert first.value == again.value > 0
    assert (tmp_path / "counted").read_text().count("segmented") == 8
    next(models.glob("Dataset291*/*/plans.json")).write_text("others", encoding="utf-8")
    assert evaluate(folders, protocol="medlord-2.5d").results[0].fingerprint != first.fingerprint


@pytest.mark.parametrize(("name", "task"), [("medlord-2.5d", TOTAL), ("medlord-2.5d-heart", HEART_CHAMBERS)])
def test_the_protocols_ask_for_regions_that_their_segmenter_has(name: str, task: Task) -> None:
    protocol = protocols.load(name)
    assert protocol.regions
    assert set(protocol.regions) <= set(region_names(task).values())


# The real TotalSegmentator

TELEMETRY = """
import os, pathlib
from medbench.segmenters.total_process import TotalProcess
from medbench.segmenters.total_worker import refuse_network
process = TotalProcess(pathlib.Path("/nowhere"), "aca_12345678901234")
os.environ["TOTALSEG_HOME_DIR"] = str(process._start().folder)
refuse_network()
from totalsegmentator import config, libs
params = dict.fromkeys(("task", "fast", "preview", "multilabel", "roi_subset", "statistics", "radiomics"))
config.setup_totalseg()
config.send_usage_stats(config.increase_prediction_counter(), dict(params))
config.send_usage_stats_application("any")
assert config.has_valid_license_offline()[0] == "yes"
print("asked for nothing", file=__import__("sys").stderr)
config.set_config_key("send_usage_stats", True)
config.send_usage_stats(config.get_config(), dict(params))
os.environ["TOTALSEG_WEIGHTS_PATH"] = str(process._running.folder / "models")
for model in (291, 301):
    try:
        libs.download_pretrained_weights(model)
    except Exception as error:
        print("refused", model, type(error).__name__)
process.close()
"""


def test_no_usage_statistics_and_no_download() -> None:
    """The control: switched on, the real send_usage_stats is seen to try, and so are the real downloads."""
    script = [sys.executable, "-W", "ignore", "-c", TELEMETRY]
    found = subprocess.run(script, capture_output=True, text=True, encoding="utf-8", check=True)
    quiet, _, loud = found.stderr.partition("asked for nothing")
    assert REFUSED not in quiet
    assert f"{REFUSED}: stats.totalsegmentator.com" in loud
    assert f"{REFUSED}: github.com" in loud
    assert f"{REFUSED}: backend.totalsegmentator.com" in loud
    assert "refused 291" in found.stdout and "refused 301" in found.stdout


def blocks(levels: list[int]) -> tuple[np.ndarray, dict[int, tuple[slice, ...]]]:
    """Return a field of cuboids with these levels, and the inside of each, clear of resampling."""
    field = np.zeros((60, 36, 30), int)
    insides = {}
    for place, level in enumerate(levels):
        x, y = divmod(place, 3)
        field[2 + 12 * x : 12 + 12 * x, 2 + 11 * y : 11 + 11 * y, 4:26] = level
        insides[level] = (slice(4 + 12 * x, 10 + 12 * x), slice(5 + 11 * y, 9 + 11 * y), slice(7, 23))
    return field, insides


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_total_end_to_end(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    write_model: Callable[..., None],
    staircase: Callable[[np.ndarray, np.ndarray], Volume],
) -> None:
    from totalsegmentator.map_to_binary import class_map_5_parts, map_taskid_to_partname_ct

    wanted = {
        291: {"lung_upper_lobe_left": "lung_left", "lung_middle_lobe_right": "lung_right"},
        292: {"vertebrae_T5": "spine"},
        293: {"heart": "heart", "aorta": "aorta"},
        294: {"humerus_left": "humerus_left"},
        295: {"rib_left_3": "ribs"},
    }
    results, regions = tmp_path / "results", {}
    for model, structures in wanted.items():
        part = {name: value for value, name in class_map_5_parts[map_taskid_to_partname_ct[model]].items()}
        centres = {0: float(len(regions))}
        for structure, region in structures.items():
            regions[len(regions) + 1] = region
            centres[part[structure]] = float(len(regions))
        folder = total_models._folder_name(model)
        trainer = "nnUNetTrainerNoMirroring"
        write_model(results, folder, trainer=trainer, classes=len(part) + 1, centres=centres, spacing=1.5)
    monkeypatch.setenv("TOTALSEG_WEIGHTS_PATH", str(results))
    field, insides = blocks(list(regions))
    volume = staircase(field, OBLIQUE)
    found = TotalSegmentator(device="cpu").segment(volume)
    log = process_for(results, None).log()
    process_for(results, None).close()
    assert found.shape == volume.shape
    assert np.array_equal(found.affine, volume.affine)
    seen = {
        level: {found.names.get(int(value)) for value in np.unique(found.voxels[insides[level]])} for level in regions
    }
    assert seen == {level: {region} for level, region in regions.items()}
    assert not found.voxels[:, :, :2].any()
    assert REFUSED not in log


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_heart_chambers_end_to_end(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    licensed: Path,
    write_model: Callable[..., None],
    staircase: Callable[[np.ndarray, np.ndarray], Volume],
) -> None:
    """On a grid whose axes run Left, Posterior and Superior; TotalSegmentator drops what lies far from the heart."""
    results, before = tmp_path / "results", licensed.read_bytes()
    around = {"trainer": "nnUNetTrainer_4000epochs_NoMirroring", "classes": 118, "spacing": 3.0}
    write_model(results, total_models._folder_name(297), centres={0: 1.0, 51: 4.0}, **around)
    chambers = {"trainer": "nnUNetTrainer", "classes": 8, "spacing": 1.5}
    centres = {0: 0.0, 6: 1.0, 1: 3.0, 2: 4.0, 3: 5.0, 4: 6.0, 5: 7.0, 7: 8.0}
    write_model(results, total_models._folder_name(301), centres=centres, **chambers)
    monkeypatch.setenv("TOTALSEG_WEIGHTS_PATH", str(results))
    field, insides = blocks([3, 4, 5, 6, 7, 8])
    field[46:58, 10:24, 4:26] = 1  # an aorta by its intensity, where the 3 mm model sees no heart
    insides[1] = (slice(46, 58), slice(0, 36), slice(0, 30))
    volume = staircase(field, OBLIQUE @ np.diag([-1.0, -1.0, 1.0, 1.0]))
    found = TotalSegmentatorHeartChambers(device="cpu").segment(volume)
    log = process_for(results, NUMBER).log()
    process_for(results, NUMBER).close()
    assert np.array_equal(found.affine, volume.affine)
    seen = {level: set(np.unique(found.voxels[inside])) for level, inside in insides.items()}
    assert seen == {3: {1}, 4: {2}, 5: {3}, 6: {4}, 7: {5}, 8: {7}, 1: {0}}
    assert found.names[3] == "heart_ventricle_left"
    assert licensed.read_bytes() == before
    assert REFUSED not in log
