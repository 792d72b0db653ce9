"""TotalSegmentator in a process of its own: it sets environment variables, calls sys.exit, prints, and may die.

The process is started by the first volume and serves all that follow. It gets a configuration of its own, in which
usage statistics are off; the user's stays as it is.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from medbench.errors import MedbenchError
from medbench.imaging.volume import Volume
from medbench.segmenters.total_worker import FOLDER_VARIABLE, Message, receive, send, voxels_of

_TAIL_LINES = 20
_TAIL_BYTES = 20_000


@dataclass(frozen=True)
class _Running:
    """A live process and the folder that holds its configuration, log and temporary files."""

    process: subprocess.Popen[bytes]
    folder: Path

    @property
    def log(self) -> Path:
        return self.folder / "log.txt"


class TotalProcess:
    """A process that segments volumes, started when it is first needed and again after it has died.

    Args:
        models: folder of the nnU-Net models.
        licence: number to hand to TotalSegmentator, or None.
    """

    def __init__(self, models: Path, licence: str | None) -> None:
        self.models = models
        self.licence = licence
        self._running: _Running | None = None

    def segment(self, volume: Volume, *, task: str, device: str) -> tuple[np.ndarray, np.ndarray]:
        """Return the labels of a volume and their affine, as TotalSegmentator gave them back.

        Args:
            volume: any shape and affine.
            task: TotalSegmentator's name.
            device: in TotalSegmentator's words (see ``device_word``).

        Returns:
            (x, y, z) uint8 and (4, 4) float64.

        Raises:
            MedbenchError: TotalSegmentator failed or its process died; the note holds the end of its output.
        """
        running = self._running or self._start()
        header = {"task": task, "device": device, "affine": volume.affine.tolist()}
        try:
            answer = _ask(running.process, header, volume.voxels)
        except (EOFError, OSError):
            # Killed or crashed: waiting for its end tells how.
            how = _ending(running.process.wait())
            raise self._failure(task, f"its process {how}", running) from None
        except BaseException:  # Ctrl-C above all: half an answer would be read as the next one
            self.close()
            raise
        if "error" in answer[0]:
            raise self._failure(task, answer[0]["error"], running)
        return voxels_of(answer), np.array(answer[0]["affine"])

    def close(self) -> None:
        """End the process and remove what it left; the next volume starts another."""
        running, self._running = self._running, None
        if running is None:
            return
        atexit.unregister(self.close)
        _kill(running.process)
        running.process.wait()
        for stream in (running.process.stdin, running.process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):  # what is left of a request that nobody reads any more
                    stream.close()
        shutil.rmtree(running.folder, ignore_errors=True)

    def log(self) -> str:
        """Return the end of what the running process has printed."""
        return "" if self._running is None else _tail(self._running.log)

    def _start(self) -> _Running:
        folder = Path(tempfile.mkdtemp(prefix="medbench-total-"))
        config = {"totalseg_id": "", "send_usage_stats": False, "prediction_counter": 0}
        config |= {"statistics_disclaimer_shown": True}
        config |= {"license_number": self.licence} if self.licence else {}
        (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
        places = {
            FOLDER_VARIABLE: str(folder),
            "TOTALSEG_WEIGHTS_PATH": str(self.models),
            "TMPDIR": str(folder),
            "TEMP": str(folder),
        }
        with (folder / "log.txt").open("wb") as log:
            process = subprocess.Popen(
                # -P: a file of the working folder cannot stand in for a library; -u: a crash loses no output.
                [sys.executable, "-P", "-u", "-m", "medbench.segmenters.total_worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=os.environ | places,
                start_new_session=True,  # Ctrl-C reaches this process only, which then ends the group
            )
        self._running = _Running(process, folder)
        atexit.register(self.close)
        threading.Thread(target=_end_group, args=(process,), daemon=True).start()
        return self._running

    def _failure(self, task: str, what: str, running: _Running) -> MedbenchError:
        tail = _tail(running.log)
        self.close()
        last = tail.splitlines()[-1].strip() if tail else ""
        last = f"; its last line: {last}" if last and last not in what else ""
        error = MedbenchError(f"TotalSegmentator (task {task}) failed: {what}{last}")
        error.add_note(f"The end of its output:\n{tail}")
        return error


@functools.lru_cache(maxsize=8)
def process_for(models: Path, licence: str | None) -> TotalProcess:
    """Return this process's one TotalSegmentator for a folder of models and a licence number."""
    return TotalProcess(models, licence)


def device_word(device: str) -> str:
    """Return what TotalSegmentator calls a torch device: ``cuda:1`` is its ``gpu:1``."""
    return device.replace("cuda", "gpu", 1)


def _ask(process: subprocess.Popen[bytes], header: dict[str, object], voxels: np.ndarray) -> Message:
    assert process.stdin is not None and process.stdout is not None  # both are pipes
    send(process.stdin, header, voxels)
    return receive(process.stdout)


def _end_group(process: subprocess.Popen[bytes]) -> None:
    """Wait for a process, then end its children: one that lives on would keep the pipe open and us waiting."""
    process.wait()
    _kill(process)


def _kill(process: subprocess.Popen[bytes]) -> None:
    if hasattr(os, "killpg"):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()


def _ending(code: int) -> str:
    if code == -signal.SIGKILL:
        return "was killed (as a rule for want of memory)"
    return f"died of {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"


def _tail(log: Path) -> str:
    text = log.read_bytes()[-_TAIL_BYTES:].decode(errors="replace")
    return "\n".join([line for line in text.splitlines() if line.strip()][-_TAIL_LINES:])
