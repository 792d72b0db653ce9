"""nnU-Net's commands as child processes: their own environment, a log, and no process left behind."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import entry_points
from pathlib import Path
from typing import BinaryIO, Final

from medbench.errors import Unavailable
from medbench.metrics.downstream.presets import Preset
from medbench.processes import end, ending, start, tail
from medbench.progress import Progress
from medbench.storage.files import make_folder, storage_errors

if sys.platform != "win32":
    import fcntl

TRAINERS: Final = Path(__file__).parent / "trainers"
_POLL_SECONDS: Final = 0.2
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
    keep: Sequence[int] = (),
) -> Generator[str, None, None]:
    """Run one of nnU-Net's commands to its end; its output goes to the log and nowhere else.

    Args:
        tool: such as ``nnUNetv2_train``.
        arguments: its arguments.
        environment: see ``environment``.
        log: appended to.
        keep: file descriptors that the child inherits (a lock that it holds as long as it lives).

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
        child = start([*command(tool), *arguments], environment=environment, log=written, keep=keep)
        try:
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
def locked(folder: Path, progress: Progress) -> Iterator[tuple[int, ...]]:
    """Keep other evaluations out of a folder; yield the descriptors that children must inherit to keep the lock.

    A child holds the lock as long as it lives, even where this process is killed: whoever comes next waits until it
    has ended. Windows has no such lock; there, two evaluations of the same volumes must not run at once.

    Args:
        folder: what is locked.
        progress: told where another process must be waited for.
    """
    path = folder / "lock"
    with storage_errors(path), path.open("a") as handle:
        if sys.platform == "win32":
            yield ()
            return
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress.note(f"waiting for another process that trains nnU-Net in {folder}")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield (handle.fileno(),)
