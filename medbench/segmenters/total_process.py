"""TotalSegmentator in a process of its own: it sets environment variables, calls sys.exit, prints, and may die.

The first volume starts the process and all that follow use it. It gets a configuration of its own, in which usage
statistics are off; the user's stays as it is. A ``ProcessPoolExecutor`` would not do: its workers outlive a parent that
is killed, import the user's script a second time, and keep their exit code to themselves.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import pickle
import shutil
import subprocess
import sys
import tempfile
import threading
import weakref
from pathlib import Path
from typing import cast

import numpy as np

from medbench.errors import MedbenchError
from medbench.imaging.volume import Volume
from medbench.processes import end, ending, start, tail
from medbench.segmenters.total_worker import FOLDER_VARIABLE, Answer, Request

_SHOWN_LINES = 20


class TotalProcess:
    """A process that segments volumes, until one of them fails or ``close`` is called.

    Args:
        models: folder of the nnU-Net models.
        licence: number to hand to TotalSegmentator, or None.
    """

    def __init__(self, models: Path, licence: str | None) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="medbench-total-"))
        config = {"totalseg_id": "", "send_usage_stats": False, "prediction_counter": 0}
        config |= {"statistics_disclaimer_shown": True}
        config |= {"license_number": licence} if licence else {}
        (self.folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
        places = {"TOTALSEG_WEIGHTS_PATH": str(models)}
        places |= dict.fromkeys((FOLDER_VARIABLE, "TMPDIR", "TEMP"), str(self.folder))
        # -P: a file of the working folder cannot stand in for a library; -u: a crash loses no output.
        command = [sys.executable, "-P", "-u", "-m", "medbench.segmenters.total_worker"]
        with (self.folder / "log.txt").open("wb") as log:
            self._process = start(command, environment=os.environ | places, log=log, piped=True)
        waiter = threading.Thread(target=_end_family, args=(self._process,), daemon=True)
        waiter.start()
        self.close = weakref.finalize(self, _close, self._process, waiter, self.folder)
        """Ends the process and removes what it left; so does the end of this one."""

    def segment(self, volume: Volume, *, task: str, device: str) -> tuple[np.ndarray, np.ndarray]:
        """Return the labels of a volume and their affine, as TotalSegmentator gave them back.

        Task and device are in TotalSegmentator's words (see ``device_word``); what comes is (x, y, z) uint8 and (4, 4).

        Raises:
            MedbenchError: TotalSegmentator failed or its process died; the note holds the end of its output.
        """
        try:
            answer = self._ask((volume.voxels, volume.affine, task, device))
            if not isinstance(answer, str):
                return answer
        except (EOFError, OSError, pickle.UnpicklingError):  # killed or crashed
            answer = f"its process {ending(self._process)}"
        except BaseException:  # Ctrl-C above all: half an answer would be read as the next one
            self._give_up()
            raise
        output = self.log()
        self._give_up()
        last = output.rpartition("\n")[2].strip()
        last = "" if last in answer else f"; its last line: {last}"
        error = MedbenchError(f"TotalSegmentator (task {task}) failed: {answer}{last}")
        error.add_note(f"The end of its output:\n{output}")
        raise error

    def log(self) -> str:
        """Return the end of what the process has printed."""
        return "\n".join(tail(self.folder / "log.txt", _SHOWN_LINES))

    def _ask(self, request: Request) -> Answer:
        assert self._process.stdin is not None and self._process.stdout is not None  # both are pipes
        pickle.dump(request, self._process.stdin, pickle.HIGHEST_PROTOCOL)
        self._process.stdin.flush()
        return cast(Answer, pickle.load(self._process.stdout))

    def _give_up(self) -> None:
        process_for.cache_clear()  # the next volume starts another
        self.close()


@functools.lru_cache(maxsize=8)
def process_for(models: Path, licence: str | None) -> TotalProcess:
    """Return this process's one TotalSegmentator for a folder of models and a licence number."""
    return TotalProcess(models, licence)


def device_word(device: str) -> str:
    """Return what TotalSegmentator calls a torch device: ``cuda:1`` is its ``gpu:1``."""
    return device.replace("cuda", "gpu", 1)


def _end_family(process: subprocess.Popen[bytes]) -> None:
    """Wait for a process, then end its children: one that lives on would keep the pipe open and us waiting."""
    process.wait()
    end(process)


def _close(process: subprocess.Popen[bytes], waiter: threading.Thread, folder: Path) -> None:
    if process.poll() is None:
        end(process)
    waiter.join()
    with contextlib.suppress(OSError), process:
        pass  # closes its pipes; what is left of a request is read by nobody any more
    shutil.rmtree(folder, ignore_errors=True)
