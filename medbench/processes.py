"""Child processes: what they print goes to a log, how they ended is said in words, and none is left behind."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, Final

import psutil

_GRACE_SECONDS: Final = 10.0
_POLL_SECONDS: Final = 0.05
_WATCH_SECONDS: Final = 0.5
_TAIL_BYTES: Final = 20_000


def start(
    command: Sequence[str],
    *,
    environment: Mapping[str, str],
    log: BinaryIO,
    piped: bool = False,
) -> subprocess.Popen[bytes]:
    """Start a child in a session of its own: Ctrl-C reaches this process alone, which then calls ``end``.

    Args:
        command: program and arguments.
        environment: all of its variables.
        log: gets what it prints.
        piped: whether its standard input and output are pipes to this process. Otherwise it has no input, and its
            output goes to the log as its errors do.
    """
    return subprocess.Popen(
        command,
        stdin=subprocess.PIPE if piped else subprocess.DEVNULL,
        stdout=subprocess.PIPE if piped else log,
        stderr=log,
        env=environment,
        start_new_session=True,
    )


def end_with_parent() -> None:
    """Let this process, and its group where it leads one, end soon after the process that started it, however it ended.

    A thread watches; nothing of the kind is inherited by what this process starts.
    """
    parent = psutil.Process(os.getppid())

    def watch() -> None:
        with contextlib.suppress(psutil.NoSuchProcess):
            while parent.is_running() and parent.status() != psutil.STATUS_ZOMBIE:
                time.sleep(_WATCH_SECONDS)
        end_own_group()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def end_own_group() -> None:
    """Kill this process and all of its group, where it leads one; Windows has no groups, and nothing happens there."""
    if sys.platform != "win32" and os.getpgrp() == os.getpid():
        os.killpg(os.getpid(), signal.SIGKILL)


def end(child: subprocess.Popen[bytes]) -> None:
    """End a child and all that it has started; also what is left of them just after the child itself has ended.

    They are asked first, so that multiprocessing's own helper can tidy up its semaphores, and killed after ten seconds.
    """
    for stop in (psutil.Process.terminate, psutil.Process.kill):
        last = time.monotonic() + _GRACE_SECONDS
        while (family := _family(child)) and time.monotonic() < last:
            for process in family:
                with contextlib.suppress(psutil.NoSuchProcess):
                    stop(process)
            time.sleep(_POLL_SECONDS)
    child.wait()


def ending(child: subprocess.Popen[bytes]) -> str:
    """Wait for a child's end and return how it came about, as the end of a sentence."""
    code = child.wait()
    if code >= 0:
        return f"ended with exit code {code}"
    name = signal.Signals(-code).name  # Windows has none: codes are never negative there
    return "was killed (as a rule for want of memory)" if name == "SIGKILL" else f"died of {name}"


def tail(log: Path, lines: int) -> list[str]:
    """Return the last lines of a log that are not blank."""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - _TAIL_BYTES))
        text = file.read().decode(errors="replace")
    return [line for line in text.splitlines() if line.strip()][-lines:]


def _family(child: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """Return what lives of a child's session, also where the child itself has ended."""
    if not hasattr(os, "getsid"):  # Windows has no sessions: what outlives its parent there is not found
        parents = [psutil.Process(child.pid)] if child.poll() is None else []
        return [process for parent in parents for process in (*parent.children(recursive=True), parent)]
    family = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if os.getsid(process.pid) == child.pid and process.status() != psutil.STATUS_ZOMBIE:
                family.append(process)
    return family
