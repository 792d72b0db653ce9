import subprocess
import sys

import pytest

from medbench.errors import MedbenchError
from medbench.segmenters.total_process import device_word
from medbench.segmenters.total_worker import REFUSED

TELEMETRY = """
import os, pathlib, sys
from medbench.segmenters.total_process import TotalProcess
from medbench.segmenters.total_worker import refuse_network
process = TotalProcess(pathlib.Path("/nowhere"), "aca_12345678901234")
os.environ["TOTALSEG_HOME_DIR"] = str(process.folder)
sys.addaudithook(refuse_network)
from totalsegmentator import config, libs
params = dict.fromkeys(("task", "fast", "preview", "multilabel", "roi_subset", "statistics", "radiomics"))
config.setup_totalseg()
config.send_usage_stats(config.increase_prediction_counter(), dict(params))
config.send_usage_stats_application("any")
assert config.has_valid_license_offline()[0] == "yes"
print("asked for nothing", file=sys.stderr)
config.set_config_key("send_usage_stats", True)
config.send_usage_stats(config.get_config(), dict(params))
os.environ["TOTALSEG_WEIGHTS_PATH"] = str(process.folder / "models")
for model in (291, 301):
    try:
        libs.download_pretrained_weights(model)
    except Exception as error:
        print("refused", model, type(error).__name__)
process.close()
"""


def test_no_usage_statistics_and_no_download():
    """The control: switched on, the real send_usage_stats is seen to try, and so are the real downloads."""
    script = [sys.executable, "-W", "ignore", "-c", TELEMETRY]
    found = subprocess.run(script, capture_output=True, text=True, encoding="utf-8", check=True)
    quiet, _, loud = found.stderr.partition("asked for nothing")
    assert REFUSED not in quiet
    assert f"{REFUSED}: stats.totalsegmentator.com" in loud
    assert f"{REFUSED}: github.com" in loud
    assert f"{REFUSED}: backend.totalsegmentator.com" in loud
    assert "refused 291" in found.stdout and "refused 301" in found.stdout


@pytest.mark.parametrize(
    "call",
    [
        "socket().connect(('192.0.2.1', 80))",
        "socket().connect_ex(('192.0.2.1', 80))",
        "socket(type=socket.SOCK_DGRAM).sendto(b'', ('192.0.2.1', 53))",
        "gethostbyname('example.org')",
    ],
)
def test_no_other_machine_is_reached_and_no_name_is_looked_up(call, fake, run):
    fake(f"import socket\nsocket.{call}")
    with pytest.raises(MedbenchError, match=f"OSError: {REFUSED}: .*(example.org|192.0.2.1)"):
        run()


def test_processes_of_this_machine_may_talk(fake, run):
    talk = "import socket\nhere, there = socket.socket(socket.AF_UNIX), socket.socket(socket.AF_UNIX)\n"
    talk += "here.bind(os.environ['TMPDIR'] + '/socket')\nhere.listen()\nthere.connect(here.getsockname())\n"
    fake(talk + "return like(image, np.ones(image.shape))")
    assert run().all()


def test_a_device_that_is_not_there_is_no_silent_cpu(fake, run, tmp_path):
    (tmp_path / "fake" / "torch.py").write_text("class cuda:\n    device_count = staticmethod(lambda: 1)")
    fake("assert device == 'gpu:0', device\nreturn like(image, np.ones(image.shape))")
    with pytest.raises(MedbenchError, match="no CUDA device 1: give --device cpu"):
        run(device=device_word("cuda:1"))
    assert run(device=device_word("cuda:0")).all()
