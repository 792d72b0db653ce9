"""Where TotalSegmentator's models and licence lie on this machine, and how to get them; nothing is fetched here."""

from __future__ import annotations

import hashlib
import json
import os
import shlex
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from medbench.errors import MissingExtraError, Unavailable
from medbench.storage.files import sha256_once
from medbench.storage.home import home, shared_home
from medbench.storage.pickles import require_plain
from medbench.storage.weights import weights_variable

_LICENCE_LENGTH = 18  # what TotalSegmentator itself checks offline
_DECIDING_FILES = ("dataset.json", "plans.json", "checkpoint_final.pth")


@dataclass(frozen=True)
class Task:
    """A task of TotalSegmentator.

    Args:
        name: TotalSegmentator's name.
        models: numbers of the nnU-Net models it runs, in its order.
        downloads: what ``totalseg_download_weights -t`` calls those models.
        licensed: whether its weights need a licence number.
    """

    name: str
    models: tuple[int, ...]
    downloads: tuple[str, ...]
    licensed: bool


TOTAL = Task("total", (291, 292, 293, 294, 295), ("total",), licensed=False)
# The chambers are looked for around the heart that the 3 mm model (297) finds.
HEART_CHAMBERS = Task("heartchambers_highres", (297, 301), ("total_fast", "heartchambers_highres"), licensed=True)


def installed_version() -> str:
    """Return TotalSegmentator's version, or ``not installed``: other versions give other label maps."""
    try:
        return version("TotalSegmentator")
    except PackageNotFoundError:
        return "not installed"


def locate_models(task: Task) -> Path:
    """Return the folder that holds all models of a task.

    ``TOTALSEG_WEIGHTS_PATH`` or ``TOTALSEG_HOME_DIR`` decides where it is set; else medbench's own folder and
    ``~/.totalsegmentator`` are looked at, in this order.

    Raises:
        Unavailable: a model is not there; the message holds the commands that fetch it.
        MissingExtraError: the models are named as if they were one file.
    """
    for variable in map(weights_variable, ("totalsegmentator", "totalsegmentator-heartchambers")):
        if variable in os.environ:
            raise MissingExtraError(f"TotalSegmentator has several models: set TOTALSEG_WEIGHTS_PATH, not {variable}")
    wanted = [_folder_name(model) for model in task.models]
    folders = _weights_folders()
    for folder in folders:
        if all(_is_complete(folder / name) for name in wanted):
            return folder
    absent = [name.partition("_")[0] for name in wanted if not _is_complete(folders[0] / name)]
    raise Unavailable(
        f"weights of TotalSegmentator's task {task.name} are not here ({', '.join(absent)} absent or incomplete in "
        f"{folders[0]}): {_download_commands(task)}"
    )


def models_sha256(task: Task) -> str:
    """Return the SHA-256 over names and hashes of all files that decide what a task's models predict.

    Raises:
        Unavailable: a model is not here.
    """
    folder = locate_models(task)
    digest = hashlib.sha256()
    for model in task.models:
        for file in _deciding_files(folder / _folder_name(model)):
            digest.update(f"{file.relative_to(folder).as_posix()} {sha256_once(file)}\n".encode())
    return digest.hexdigest()


def require_plain_models(task: Task) -> None:
    """Refuse models that could run code when TotalSegmentator loads them.

    Raises:
        CheckpointError: a file holds something besides tensors and numbers; the message names it.
        Unavailable: a model is not here.
    """
    folder = locate_models(task)
    for model in task.models:
        for file in _deciding_files(folder / _folder_name(model)):
            if file.suffix == ".pth":
                require_plain(file)


def licence_number() -> str | None:
    """Return the licence number that the user has given to TotalSegmentator; None where there is none.

    That it is valid can only be asked over the network, which medbench does not do: it is the user's declaration.

    Raises:
        MissingExtraError: a configuration file of TotalSegmentator is damaged.
    """
    for folder in _homes():
        file = folder / "config.json"
        if not file.is_file():
            continue
        try:
            number = json.loads(file.read_bytes()).get("license_number")
        except (ValueError, AttributeError) as error:
            raise MissingExtraError(f"{file} is no JSON object: mend or remove it") from error
        if isinstance(number, str) and len(number) == _LICENCE_LENGTH:
            return number
    return None


def require_licence(task: Task) -> str | None:
    """Return the licence number for a task, None where it needs none.

    Raises:
        Unavailable: the task needs one and none is configured; the message says how to get and set it.
    """
    if not task.licensed:
        return None
    number = licence_number()
    if number is None:
        raise Unavailable(
            f"TotalSegmentator's task {task.name} needs a licence and no number of {_LICENCE_LENGTH} characters is "
            f"configured: {licence_mend()}"
        )
    return number


def licence_mend(*commands: str) -> str:
    """Return how to come by a licence number, where to put it, and which commands to run after that."""
    return (
        "get a licence number at https://backend.totalsegmentator.com/license-academic/ (free for non-commercial use), "
        f"then run: {_command('totalseg_set_license -l NUMBER', *commands)}"
    )


def _download_commands(task: Task) -> str:
    downloads = [f"totalseg_download_weights -t {name}" for name in task.downloads]
    if task.licensed and licence_number() is None:
        return licence_mend(*downloads)
    return f"run: {_command(*downloads)}"


def _command(*commands: str) -> str:
    """Return shell commands in the environment that makes TotalSegmentator use the folder in force."""
    if os.environ.get("TOTALSEG_HOME_DIR") or os.environ.get("TOTALSEG_WEIGHTS_PATH"):
        return " && ".join(commands)
    folder = shlex.quote(str(_homes()[0]))
    return " && ".join((f"mkdir -p {folder}", f"export TOTALSEG_HOME_DIR={folder}", *commands))


def _homes() -> list[Path]:
    configured = os.environ.get("TOTALSEG_HOME_DIR")
    if configured:
        return [Path(configured)]
    homes = [home(), *filter(None, [shared_home()])]
    return [*(folder / "totalsegmentator" for folder in homes), Path.home() / ".totalsegmentator"]


def _weights_folders() -> list[Path]:
    configured = os.environ.get("TOTALSEG_WEIGHTS_PATH")
    return [Path(configured)] if configured else [folder / "nnunet" / "results" for folder in _homes()]


def _folder_name(model: int) -> str:
    """Return the folder under which the installed TotalSegmentator looks for a model."""
    try:
        from totalsegmentator.map_tasks_config import TASK_ID_WEIGHTS_CONFIGS
    except ImportError as error:
        raise Unavailable(
            f"TotalSegmentator 2.18 or later is needed, here: {installed_version()}: "
            "python -m pip install --upgrade totalsegmentator"
        ) from error
    name: str = TASK_ID_WEIGHTS_CONFIGS[model]["foldername"]
    return name


def _is_complete(folder: Path) -> bool:
    return {file.name for file in _deciding_files(folder)} == set(_DECIDING_FILES)


def _deciding_files(folder: Path) -> list[Path]:
    return sorted(file for file in folder.rglob("*") if file.name in _DECIDING_FILES)
