"""The process in which TotalSegmentator runs: ``python -m medbench.segmenters.total_worker``.

It reads pickled requests from standard input and writes pickled answers to standard output. What TotalSegmentator
prints goes to standard error. It ends, with all processes of its group, when its input ends.
"""

from __future__ import annotations

import os
import pickle
import queue
import shutil
import socket
import sys
import threading
import traceback
from typing import IO, Any

import numpy as np

from medbench.processes import end_own_group

FOLDER_VARIABLE = "TOTALSEG_HOME_DIR"
"""Names the folder that exists for this process only; it is removed when the process ends."""
REFUSED = "medbench lets TotalSegmentator reach no network"
_LOCAL = getattr(socket, "AF_UNIX", None)

Request = tuple[np.ndarray, np.ndarray, str, str]
"""Voxels (x, y, z), affine (4, 4), task and device, both in TotalSegmentator's words."""
Answer = tuple[np.ndarray, np.ndarray] | str
"""Labels (x, y, z) uint8 and affine (4, 4), or why there are none, in one line."""


def refuse_network(event: str, arguments: tuple[Any, ...]) -> None:
    """Refuse every connection to another machine (an audit hook); TotalSegmentator would send and fetch things."""
    if event in {"socket.getaddrinfo", "socket.gethostbyname"}:
        address = arguments[0]
    elif event in {"socket.connect", "socket.sendto", "socket.sendmsg"} and arguments[0].family != _LOCAL:
        address = arguments[1]
    else:
        return
    sys.stderr.write(f"{REFUSED}: {address}\n")
    raise OSError(f"{REFUSED}: {address}")


def _answer(request: Request) -> Answer:
    try:
        return _segment(*request)
    except SystemExit as stop:
        return f"it ended with sys.exit({stop.code!r})"
    except Exception as error:  # noqa: BLE001  the boundary of the process: the other side raises what is said here
        traceback.print_exc()
        text = " ".join(str(error).split())
        return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _segment(voxels: np.ndarray, affine: np.ndarray, task: str, device: str) -> tuple[np.ndarray, np.ndarray]:
    import nibabel
    from totalsegmentator.python_api import totalsegmentator

    _require_device(device)
    image: Any = nibabel.nifti1.Nifti1Image(voxels, affine)  # type: ignore[no-untyped-call]
    found = totalsegmentator(image, None, ml=True, task=task, device=device, quiet=True, nr_thr_saving=1)
    return np.asarray(found.dataobj).astype(np.uint8), found.affine


def _require_device(device: str) -> None:
    """Refuse a GPU that is not there: TotalSegmentator would go on with the CPU and only print that it does."""
    if device == "cpu":
        return
    import torch

    index = int(device.partition(":")[2] or 0)
    if not index < torch.cuda.device_count():
        raise RuntimeError(f"there is no CUDA device {index}: give --device cpu, or another one")


def _listen(requests: IO[bytes], waiting: queue.SimpleQueue[Request]) -> None:
    """Hand on requests until there are no more; then end at once, with whatever is being computed."""
    try:
        while True:
            waiting.put(pickle.load(requests))
    finally:
        shutil.rmtree(os.environ[FOLDER_VARIABLE], ignore_errors=True)
        end_own_group()
        os._exit(0)


def main() -> None:
    """Answer requests until standard input ends."""
    # From here on, descriptor 1 is the log: neither a print nor a library's C code can garble the answers.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    requests = os.fdopen(os.dup(0), "rb")
    sys.addaudithook(refuse_network)
    waiting: queue.SimpleQueue[Request] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(requests, waiting), daemon=True).start()
    while True:
        pickle.dump(_answer(waiting.get()), answers, pickle.HIGHEST_PROTOCOL)
        answers.flush()


if __name__ == "__main__":
    main()
