import os
import subprocess
import sys
import time

import psutil
import pytest

from medbench.errors import Unavailable
from medbench.metrics.downstream import process
from medbench.metrics.downstream.presets import PRESETS


@pytest.fixture
def run(monkeypatch, tmp_path):
    """Run a line of Python in place of nnU-Net."""

    def running(script):
        monkeypatch.setattr(process, "command", lambda tool: [sys.executable, "-c", script])
        return process.run(
            "nnUNetv2_train", ["1"], environment=dict(os.environ), log=tmp_path / "train.log", folder=tmp_path
        )

    return running


def test_the_output_goes_to_the_log_and_to_whoever_asks(run, tmp_path, capfd):
    assert list(run("import sys; print('one'); print('two', file=sys.stderr, end='')")) == ["one"]
    assert (tmp_path / "train.log").read_text() == "$ nnUNetv2_train 1\none\ntwo"
    assert capfd.readouterr() == ("", "")


def test_a_failure_is_told_with_the_last_lines_and_the_log(run, tmp_path):
    with pytest.raises(Unavailable) as told:
        list(run("for n in range(20): print(n)\nraise SystemExit('ValueError: no such thing')"))
    message = str(told.value)
    assert message.startswith(
        "nnUNetv2_train failed: it ended with exit code 1; its last lines: 15 | 16 | 17 | 18 | 19"
    )
    assert "19 | ValueError: no such thing" in message
    assert message.endswith(f"(log: {tmp_path / 'train.log'})")
    assert "\n" not in message


def test_an_interrupt_ends_the_child(run):
    lines = run("import os, time; print(os.getpid(), flush=True); time.sleep(60)")
    child = psutil.Process(int(next(lines)))
    with pytest.raises(KeyboardInterrupt):
        lines.throw(KeyboardInterrupt)
    assert not child.is_running()


def test_nnunets_commands_are_found_without_the_path(monkeypatch):
    monkeypatch.setenv("PATH", "")
    python, _, program = process.command("nnUNetv2_train")
    assert python == sys.executable
    assert "from nnunetv2.run.run_training import run_training_entry" in program
    with pytest.raises(Unavailable, match="nnUNetv2_dream is not here: install nnU-Net"):
        process.command("nnUNetv2_dream")


def test_a_lock_outlives_its_holder_as_long_as_the_child(tmp_path, noting):
    told = noting()
    script = (
        "import os, subprocess, sys; from pathlib import Path\n"
        "from medbench.metrics.downstream.process import _tell, locked\n"
        "from medbench.progress import silent\n"
        f"folder = Path({str(tmp_path)!r})\n"
        "with locked(folder, silent):\n"
        "    child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(1.5)'])\n"
        "    _tell(folder, child.pid)\n"
        "    os._exit(1)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=False)
    clock = time.monotonic()
    with process.locked(tmp_path, told):
        waited = time.monotonic() - clock
    assert waited > 0.3
    assert "waiting for another process" in told.notes[0]


def test_the_childs_environment_is_its_own(tmp_path):
    base = {"nnUNet_raw": "/home/user/raw", "NNUNET_X": "1", "PATH": "/bin", "CUDA_VISIBLE_DEVICES": "5,7"}
    found = process.environment(tmp_path, PRESETS["tiny"], device="cuda:1", base=base)
    assert found["nnUNet_raw"] == str(tmp_path / "raw")
    assert "NNUNET_X" not in found
    assert found["PATH"] == "/bin"
    assert found["CUDA_VISIBLE_DEVICES"] == "7"
    assert base["nnUNet_raw"] == "/home/user/raw"
    assert process.environment(tmp_path, PRESETS["tiny"], device="cpu", base=base)["nnUNet_n_proc_DA"] == "0"
