"""The process in which TotalSegmentator runs: ``python -m medbench.segmenters.total_worker``.

It reads requests from standard input and answers on standard output: each a line of JSON, then the voxels' bytes.
What TotalSegmentator prints goes to standard error. It ends, with all processes of its group, when its input ends.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import shutil
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Mapping
from typing import IO, Any

import numpy as np

FOLDER_VARIABLE = "TOTALSEG_HOME_DIR"
"""Names the folder that exists for this process only; it is removed when the process ends."""
REFUSED = "medbench lets TotalSegmentator reach no network"

Message = tuple[dict[str, Any], bytes]


def send(stream: IO[bytes], header: Mapping[str, Any], voxels: np.ndarray | None = None) -> None:
    """Write a message: a header of JSON values, and voxels where there are some."""
    described = dict(header)
    payload = b""
    if voxels is not None:
        payload = voxels.tobytes()
        described |= {"shape": list(voxels.shape), "dtype": voxels.dtype.name}
    stream.write(json.dumps(described | {"bytes": len(payload)}).encode() + b"\n")
    stream.write(payload)
    stream.flush()


def receive(stream: IO[bytes]) -> Message:
    """Read a message.

    Raises:
        EOFError: the other side has ended.
    """
    line = stream.readline()
    if not line.endswith(b"\n"):
        raise EOFError
    header = json.loads(line)
    payload = stream.read(header["bytes"])
    if len(payload) < header["bytes"]:
        raise EOFError
    return header, payload


def voxels_of(message: Message) -> np.ndarray:
    """Return the voxels of a message."""
    header, payload = message
    return np.frombuffer(payload, dtype=header["dtype"]).reshape(header["shape"])


def refuse_network() -> None:
    """Make every connection of this process to another machine fail; TotalSegmentator would send and fetch things."""
    connect = socket.socket.connect

    def local_only(self: socket.socket, address: Any) -> None:
        if self.family != getattr(socket, "AF_UNIX", None):
            _refuse(address)
        connect(self, address)

    def no_address(host: object, *_: object, **__: object) -> Any:
        _refuse(host)

    for name in ("connect", "connect_ex"):
        setattr(socket.socket, name, local_only)
    socket.getaddrinfo = no_address


def _refuse(address: object) -> None:
    sys.stderr.write(f"{REFUSED}: {address}\n")
    raise OSError(f"{REFUSED}: {address}")


def _answer(message: Message) -> tuple[dict[str, Any], np.ndarray | None]:
    try:
        affine, labels = _segment(message)
    except SystemExit as stop:
        return {"error": f"it ended with sys.exit({stop.code!r})"}, None
    except Exception as error:  # noqa: BLE001  the boundary of the process: the other side raises what is said here
        traceback.print_exc()
        text = " ".join(str(error).split())
        return {"error": f"{type(error).__name__}: {text}" if text else type(error).__name__}, None
    return {"affine": affine}, labels


def _segment(message: Message) -> tuple[list[list[float]], np.ndarray]:
    import nibabel
    from totalsegmentator.python_api import totalsegmentator

    header, _ = message
    _require_device(header["device"])
    image: Any = nibabel.nifti1.Nifti1Image(voxels_of(message), np.array(header["affine"]))  # type: ignore[no-untyped-call]
    found = totalsegmentator(
        image, None, ml=True, task=header["task"], device=header["device"], quiet=True, nr_thr_saving=1
    )
    return found.affine.tolist(), np.asarray(found.dataobj).astype(np.uint8)


def _require_device(device: str) -> None:
    """Refuse a GPU that is not there: TotalSegmentator would go on with the CPU and only print that it does."""
    if device == "cpu":
        return
    import torch

    index = int(device.partition(":")[2] or 0)
    if not index < torch.cuda.device_count():
        raise RuntimeError(f"there is no CUDA device {index}: give --device cpu, or another one")


def _listen(requests: IO[bytes], waiting: queue.SimpleQueue[Message]) -> None:
    """Hand on requests until there are no more; then end at once, with whatever is being computed."""
    with contextlib.suppress(EOFError):
        while True:
            waiting.put(receive(requests))
    shutil.rmtree(os.environ[FOLDER_VARIABLE], ignore_errors=True)
    if hasattr(os, "killpg") and os.getpgrp() == os.getpid():
        os.killpg(os.getpid(), signal.SIGKILL)
    os._exit(0)


def main() -> None:
    """Answer requests until standard input ends."""
    # From here on, descriptor 1 is the log: neither a print nor a library's C code can garble the answers.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    requests = os.fdopen(os.dup(0), "rb")
    refuse_network()
    waiting: queue.SimpleQueue[Message] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(requests, waiting), daemon=True).start()
    while True:
        header, labels = _answer(waiting.get())
        send(answers, header, labels)


if __name__ == "__main__":
    main()
