import json
import re
from pathlib import Path

import pytest

from medbench.doctor import checks
from medbench.errors import MissingExtraError, Unavailable
from medbench.segmenters import total_models
from medbench.segmenters.total_models import HEART_CHAMBERS, TOTAL, licence_number, models_sha256, require_licence
from medbench.storage import files

FILES = ("dataset.json", "plans.json", "fold_0/checkpoint_final.pth")


def test_the_hash_covers_weights_plans_and_labels_and_nothing_else(models):
    first = models_sha256(TOTAL)
    folder = models / total_models._folder_name(293)
    (folder / "progress.png").write_bytes(b"anything")
    assert models_sha256(TOTAL) == first
    seen = {first}
    for file in FILES:
        next(folder.glob(f"*/{file}")).write_text("replaced", encoding="utf-8")
        seen.add(models_sha256(TOTAL))
    assert len(seen) == 4


def test_unchanged_files_are_hashed_once(models, monkeypatch):
    read = []
    plain = files.sha256_of
    monkeypatch.setattr(files, "sha256_of", lambda path: read.append(path) or plain(path))
    assert models_sha256(TOTAL) == models_sha256(TOTAL)
    assert len(read) == len(set(read)) == 5 * len(FILES)


def test_missing_weights_are_unavailable_and_the_command_puts_them_where_they_are_looked_for(write_files):
    with pytest.raises(Unavailable, match=r"totalseg_download_weights -t total$") as caught:
        models_sha256(TOTAL)
    export = re.search(r"export TOTALSEG_HOME_DIR=(\S+)", str(caught.value))
    assert export is not None
    assert f"mkdir -p {export[1]}" in str(caught.value)
    write_files(Path(export[1]) / "nnunet" / "results", TOTAL)  # where TotalSegmentator's get_weights_dir() says
    assert models_sha256(TOTAL)


def test_an_incomplete_model_is_not_there(models):
    next(models.glob("Dataset294*/*/fold_0/checkpoint_final.pth")).unlink()
    with pytest.raises(Unavailable, match=r"\(Dataset294 absent or incomplete in .*results\)"):
        models_sha256(TOTAL)


def test_the_users_own_folder_serves_unless_the_environment_names_another(tmp_path, monkeypatch, write_files):
    write_files(tmp_path / "user" / ".totalsegmentator" / "nnunet" / "results", TOTAL)
    assert models_sha256(TOTAL)
    monkeypatch.setenv("TOTALSEG_HOME_DIR", str(tmp_path / "empty"))
    with pytest.raises(Unavailable, match="run: totalseg_download_weights -t total"):
        models_sha256(TOTAL)


def test_one_file_cannot_stand_for_the_models(models, monkeypatch):
    monkeypatch.setenv("MEDBENCH_WEIGHTS_TOTALSEGMENTATOR", str(models / "one.pth"))
    with pytest.raises(MissingExtraError, match="set TOTALSEG_WEIGHTS_PATH, not MEDBENCH_WEIGHTS_TOTALSEGMENTATOR"):
        models_sha256(TOTAL)


def test_without_weights_and_licence_both_mends_are_named():
    with pytest.raises(Unavailable) as caught:
        models_sha256(HEART_CHAMBERS)
    mend = r"totalseg_set_license .*-t total_fast && totalseg_download_weights -t heartchambers_highres$"
    assert re.search(mend, str(caught.value))


def test_a_configured_number_is_read_and_a_damaged_configuration_is_named(licensed):
    assert require_licence(HEART_CHAMBERS) == json.loads(licensed.read_bytes())["license_number"]
    licensed.write_text("{", encoding="utf-8")
    with pytest.raises(MissingExtraError, match=r"config\.json is no JSON object"):
        licence_number()


def test_doctor_has_a_line_for_weights_and_for_the_licence(licensed):
    lines = {check["check"]: check for check in checks()}
    assert not lines["weights totalsegmentator"]["ok"]
    assert "totalseg_download_weights -t total" in lines["weights totalsegmentator"]["mend"]
    licence = lines["licence totalsegmentator-heartchambers"]
    assert licence["ok"]
    assert "declared by the user" in licence["detail"]
    assert licence_number() not in licence["detail"]
    licensed.unlink()
    licence = {check["check"]: check for check in checks()}[licence["check"]]
    assert not licence["ok"]
    assert "totalseg_set_license" in licence["mend"]
