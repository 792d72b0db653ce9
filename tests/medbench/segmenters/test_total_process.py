import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from medbench.errors import MedbenchError
from medbench.imaging.volume import Volume
from medbench.segmenters.total_process import device_word, process_for


@pytest.mark.parametrize("dtype", [np.int16, np.float32])
def test_the_tool_sees_the_volume_as_it_is(dtype, volume, fake, run):
    fake("return like(image, image.get_fdata() + 50)")
    assert np.array_equal(run(Volume(volume.voxels.astype(dtype), volume.affine)), volume.voxels + 50)


def test_one_process_serves_all_volumes(fake, run):
    fake("calls.append(1)\nreturn like(image, np.full(image.shape, len(calls)))")
    assert [int(run()[0, 0, 0]) for _ in range(3)] == [1, 2, 3]


def test_what_the_tool_prints_reaches_nobody(fake, run, capfd, tmp_path):
    noise = "print('{\"bytes\": 3}')\nos.write(1, b'garbage\\n')\nos.system('echo from a child')\n"
    fake(noise + "return like(image, np.ones(image.shape))")
    assert run().all()
    assert capfd.readouterr() == ("", "")
    assert {"garbage", "from a child"} <= set(process_for(tmp_path, None).log().splitlines())


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("print('ERROR: no license')\nsys.exit(1)", r"sys\.exit\(1\); its last line: ERROR: no license$"),
        ("raise ValueError('two\\nlines')", r"ValueError: two lines$"),
        ("print('about to fall')\nos._exit(3)", r"ended with exit code 3; its last line: about to fall$"),
        ("os.kill(os.getpid(), 9)", "was killed"),
        ("os.abort()", "died of SIGABRT"),
        # A child that inherited the pipe lives on: waiting for the pipe's end alone would never end.
        ("if os.fork() == 0:\n    time.sleep(200)\nos._exit(4)", "exit code 4"),
    ],
)
def test_a_failure_is_one_line_and_the_next_volume_finds_a_new_process(body, message, fake, run):
    fake(body)
    with pytest.raises(MedbenchError) as caught:
        run()
    assert re.search(message, str(caught.value))
    assert "\n" not in str(caught.value)
    assert caught.value.__notes__
    fake("return like(image, np.ones(image.shape))")
    assert run().all()


def test_a_process_that_died_between_two_volumes_is_told_and_replaced(fake, run, tmp_path):
    fake("print(os.getpid())\nreturn like(image, np.ones(image.shape))")
    run()
    dead = int(process_for(tmp_path, None).log())
    os.kill(dead, signal.SIGKILL)
    wait_until(lambda: not alive(dead))
    with pytest.raises(MedbenchError, match="was killed"):
        run()
    assert run().all()


def test_devices_have_other_names_there():
    assert [device_word(device) for device in ("cpu", "cuda", "cuda:1")] == ["cpu", "gpu", "gpu:1"]


def test_closing_leaves_nothing(fake, run, tmp_path):
    fake("return like(image, np.ones(image.shape))")
    run()
    process = process_for(tmp_path, None)
    assert process.folder.is_dir()
    process.close()
    assert not process.folder.exists()


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGKILL, signal.SIGTERM])
def test_the_process_ends_with_its_master(end, fake, tmp_path):
    """The master is a script without a guard around its main part: nothing may import it a second time."""
    note = tmp_path / "note"
    fake(f"open({str(note)!r}, 'w').write(f'{{os.getpid()}} ' + os.environ['TOTALSEG_HOME_DIR'])\ntime.sleep(200)")
    script = (
        "import numpy as np, pathlib\n"
        "from medbench.segmenters.total_process import process_for\nfrom medbench.imaging.volume import Volume\n"
        "volume = Volume(np.zeros((4, 4, 4), np.int16))\n"
        "process_for(pathlib.Path(), None).segment(volume, task='total', device='cpu')"
    )
    (tmp_path / "script.py").write_text(script, encoding="utf-8")
    # Whoever runs the tests in the background has them, and their children, ignore SIGINT.
    hears = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)}
    master = subprocess.Popen([sys.executable, tmp_path / "script.py"], stderr=subprocess.PIPE, text=True, **hears)
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


def wait_until(holds):
    last = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < last
        time.sleep(0.05)


def alive(pid):
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
