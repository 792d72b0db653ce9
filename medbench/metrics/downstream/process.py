"""nnU-Net's commands as child processes: their own environment, a log, and no process left behind."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import entry_points
from pathlib import Path
from typing import BinaryIO, Final

import psutil
from filelock import FileLock, Timeout

from medbench.errors import Unavailable
from medbench.metrics.downstream.presets import Preset
from medbench.processes import end, ending, start, tail
from medbench.progress import Progress
from medbench.storage.files import make_folder, storage_errors, write_json

TRAINERS: Final = Path(__file__).parent / "trainers"
_POLL_SECONDS: Final = 0.2
_CHILD: Final = "child.json"
_WAITING: Final = "waiting for another process that trains nnU-Net in {}"
_SHOWN_LINES: Final = 6
_MOST_LOADERS: Final = 12  # nnU-Net's own default


def command(tool: str) -> list[str]:
    """Return how to start one of nnU-Net's commands with this Python, wherever its scripts lie.

    Args:
        tool: such as ``nnUNetv2_train``.

    Raises:
        Unavailable: nnU-Net is not installed.
    """
    found = list(entry_points(group="console_scripts", name=tool))
    if not found:
        raise Unavailable(f"{tool} is not here: install nnU-Net with `pip install nnunetv2`")
    module, _, function = found[0].value.partition(":")
    run = f"from {module} import {function} as run; sys.exit(run())"
    return [sys.executable, "-c", f"import sys; from medbench.processes import end_with_parent as w; w(); {run}"]


def environment(folder: Path, preset: Preset, *, device: str, base: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the environment of nnU-Net's commands: nothing of the user's own nnU-Net settings stays in it.

    Args:
        folder: where nnU-Net keeps everything of one training set.
        preset: the schedule, handed on to the trainer.
        device: torch device; ``cuda:1`` becomes the only one that nnU-Net sees.
        base: the environment to start from.
    """
    kept = {key: value for key, value in base.items() if not key.lower().startswith("nnunet")}
    on_gpu = device.startswith("cuda")
    kept |= {f"nnUNet_{kind}": str(folder / kind) for kind in ("raw", "preprocessed", "results")}
    kept |= {
        "nnUNet_extTrainer": str(TRAINERS),
        # Loading in the training's own process keeps the order of random draws; a GPU would wait for it.
        "nnUNet_n_proc_DA": str(min(_MOST_LOADERS, os.cpu_count() or 1)) if on_gpu else "0",
        "nnUNet_def_n_proc": "1",
        "nnUNet_compile": "f",
        "MEDBENCH_NNUNET": json.dumps(asdict(preset)),
        "MPLBACKEND": "Agg",
        "PYTHONUNBUFFERED": "1",
    }
    _, _, index = device.partition(":")
    if on_gpu and index:
        visible = [name for name in base.get("CUDA_VISIBLE_DEVICES", "").split(",") if name]
        kept["CUDA_VISIBLE_DEVICES"] = visible[int(index)] if int(index) < len(visible) else index
    return kept


def run(
    tool: str,
    arguments: Sequence[str],
    *,
    environment: Mapping[str, str],
    log: Path,
    folder: Path,
) -> Generator[str, None, None]:
    """Run one of nnU-Net's commands to its end; its output goes to the log and nowhere else.

    Args:
        tool: such as ``nnUNetv2_train``.
        arguments: its arguments.
        environment: see ``environment``.
        log: appended to.
        folder: where it works, which is ``locked``: whoever comes next waits until the child has ended, too.

    Yields:
        Each line of its output, so that progress can be told. However the loop over them ends, the child and its
        workers have ended too.

    Raises:
        Unavailable: it failed; the message ends with the last lines of its log and names the file.
    """
    make_folder(log.parent)
    with storage_errors(log), log.open("ab") as written, log.open("rb") as read:
        written.write(f"$ {tool} {' '.join(arguments)}\n".encode())
        written.flush()
        read.seek(0, os.SEEK_END)
        child = start([*command(tool), *arguments], environment=environment, log=written)
        try:
            _tell(folder, child.pid)
            yield from _lines(child, read)
        finally:
            end(child)
    if child.returncode != 0:
        last = " | ".join(line.strip() for line in tail(log, _SHOWN_LINES))
        raise Unavailable(f"{tool} failed: it {ending(child)}; its last lines: {last} (log: {log})")


def _lines(child: subprocess.Popen[bytes], log: BinaryIO) -> Iterator[str]:
    """Yield the lines that a child writes until it has ended."""
    pending = b""
    ended = False
    while not ended:
        ended = child.poll() is not None  # before the read, so that the last lines are not missed
        pending += log.read()
        *whole, pending = pending.split(b"\n")
        for line in whole:
            yield line.decode("utf-8", "replace")
        if not ended:
            time.sleep(_POLL_SECONDS)


@contextlib.contextmanager
def locked(folder: Path, progress: Progress) -> Iterator[None]:
    """Keep other evaluations out of a folder, also as long as a child lives whose parent was killed.

    Args:
        folder: what is locked.
        progress: told where another process must be waited for.
    """
    lock = FileLock(make_folder(folder) / "lock")
    with storage_errors(folder / "lock"):
        waits = False
        try:
            lock.acquire(timeout=0)
        except Timeout:
            waits = True
            progress.note(_WAITING.format(folder))
            lock.acquire()
    try:
        if _lives(folder) and not waits:
            progress.note(_WAITING.format(folder))
        while _lives(folder):
            time.sleep(_POLL_SECONDS)
        yield
    finally:
        lock.release()


def _tell(folder: Path, pid: int) -> None:
    """Leave in a folder which process works in it; a number alone may be another one's by and by."""
    with contextlib.suppress(psutil.NoSuchProcess):  # it has ended already
        write_json(folder / _CHILD, {"pid": pid, "host": platform.node(), "started": psutil.Process(pid).create_time()})


def _lives(folder: Path) -> bool:
    """Say whether the process that was last started in a folder still lives on this machine."""
    try:
        told = json.loads((folder / _CHILD).read_bytes())
        process = psutil.Process(told["pid"])
        same = told["host"] == platform.node() and process.create_time() == told["started"]
        return bool(same and process.status() != psutil.STATUS_ZOMBIE)
    except (OSError, ValueError, TypeError, KeyError, psutil.Error):
        return False
