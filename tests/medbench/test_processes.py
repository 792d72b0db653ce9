import os
import subprocess
import sys

import psutil
import pytest

from medbench import processes

WORKER = "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(99)'], stdout=subprocess.DEVNULL)"


@pytest.fixture
def start(tmp_path):
    def started(script):
        command = [sys.executable, "-c", f"import os, signal, subprocess, sys, time\n{script}"]
        with (tmp_path / "log.txt").open("wb") as log:
            return processes.start(command, environment=os.environ, log=log, piped=True)

    return started


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("sys.exit(3)", "ended with exit code 3"),
        ("os.kill(os.getpid(), signal.SIGKILL)", "was killed (as a rule for want of memory)"),
        ("os.kill(os.getpid(), signal.SIGSEGV)", "died of SIGSEGV"),
    ],
)
def test_an_ending_is_told_in_words(start, script, words):
    with start(script) as child:
        assert processes.ending(child) == words


@pytest.mark.skipif(not hasattr(os, "getsid"), reason="sessions")
@pytest.mark.parametrize(
    ("first", "last"),
    [("", "time.sleep(99)"), ("", "os._exit(1)"), ("signal.signal(signal.SIGTERM, signal.SIG_IGN)", "time.sleep(99)")],
)
def test_neither_a_child_nor_its_worker_is_left(start, first, last, monkeypatch):
    monkeypatch.setattr(processes, "_GRACE_SECONDS", 0.5)
    with start(f"{first}\nprint({WORKER}.pid, flush=True)\n{last}") as child:
        worker = psutil.Process(int(child.stdout.readline()))
        if "exit" in last:
            child.wait()
        assert worker.is_running()
        processes.end(child)
        assert child.returncode is not None
        assert not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE


def test_the_tail_of_a_log_has_its_last_lines_that_are_not_blank(tmp_path):
    log = tmp_path / "log.txt"
    log.write_bytes(b"x" * 10**6 + b"\n one\n\n\xfftwo\n  \n")
    assert processes.tail(log, 2) == [" one", "\ufffdtwo"]
    log.write_bytes(b"")
    assert processes.tail(log, 2) == []


def test_a_child_that_watches_ends_when_its_parent_is_killed(tmp_path):
    watching = "from medbench.processes import end_with_parent; end_with_parent(); print('on', flush=True)"
    child = f"subprocess.Popen([sys.executable, '-c', {f'import time; {watching}; time.sleep(99)'!r}])"
    script = f"import subprocess, sys, time; print({child}.pid, flush=True); time.sleep(99)"
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as parent:
        worker = psutil.Process(int(parent.stdout.readline()))
        assert parent.stdout.readline() == b"on\n"
        parent.kill()
        _, alive = psutil.wait_procs([worker], timeout=20)
    assert not alive or worker.status() == psutil.STATUS_ZOMBIE
