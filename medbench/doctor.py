"""What works on this machine, what is missing, and how to get it."""

from __future__ import annotations

import difflib
import os
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from medbench import registry
from medbench.dataset import Check
from medbench.errors import MedbenchError, Unavailable, UnknownPluginError
from medbench.metrics.lpips25d import BACKBONE
from medbench.segmenters.total_models import licence_mend, licence_number
from medbench.storage.files import sha256_of
from medbench.storage.home import home
from medbench.storage.weights import WeightFile
from medbench.training.attention import xformers_works

_LIBRARIES = (
    "torch",
    "torchvision",
    "monai",
    "lightning-fabric",
    "nibabel",
    "SimpleITK",
    "totalsegmentator",
    "nnunetv2",
)
_LOW_DISK_BYTES = 5e9


def checks() -> list[Check]:
    """Return all checks; none of them downloads or writes anything."""
    return [*_libraries(), _gpu(), _attention(), _home(), _disk(), *_weights(), _licence(), *_data()]


def _libraries() -> Iterator[Check]:
    for name in _LIBRARIES:
        try:
            yield Check(check=f"library {name}", ok=True, detail=version(name), mend="")
        except PackageNotFoundError:
            yield Check(check=f"library {name}", ok=False, detail="not installed", mend=f"python -m pip install {name}")


def _gpu() -> Check:
    import torch

    if not torch.cuda.is_available():
        return Check(check="GPU", ok=False, detail="no CUDA device: everything runs on the CPU", mend="")
    properties = torch.cuda.get_device_properties(0)
    return Check(
        check="GPU", ok=True, detail=f"{properties.name}, {properties.total_memory / 1024**3:.1f} GiB", mend=""
    )


def _attention() -> Check:
    import torch

    if not torch.cuda.is_available():
        return Check(check="attention", ok=True, detail="torch SDPA (xformers has no CPU kernels)", mend="")
    try:
        found = f"xformers {version('xformers')}"
    except PackageNotFoundError:
        return Check(check="attention", ok=True, detail="torch SDPA (xformers is not installed)", mend="")
    if xformers_works("cuda"):
        return Check(check="attention", ok=True, detail=found, mend="")
    detail = f"torch SDPA ({found} has no kernels for torch {torch.__version__} on this GPU)"
    return Check(check="attention", ok=True, detail=detail, mend="")


def _home() -> Check:
    folder = _existing(home())
    writable = os.access(folder, os.W_OK)
    mend = "" if writable else "set MEDBENCH_HOME to a folder you may write to"
    return Check(check="MEDBENCH_HOME", ok=writable, detail=str(home()), mend=mend)


def _disk() -> Check:
    free = shutil.disk_usage(_existing(home())).free
    mend = "" if free > _LOW_DISK_BYTES else "free some space, or set MEDBENCH_HOME to a larger disk"
    return Check(check="disk", ok=not mend, detail=f"{free / 1e9:.0f} GB free at MEDBENCH_HOME", mend=mend)


def _existing(folder: Path) -> Path:
    return next(parent for parent in (folder, *folder.absolute().parents) if parent.is_dir())


def _weights() -> Iterator[Check]:
    """Say which weights are here, under which licence; absent ones say how to get them."""
    kinds: tuple[registry.Kind, ...] = ("features", "segmenters")
    for kind in kinds:
        for name in registry.names(kind):
            plugin = registry.load(kind, name)
            yield _weight_check(name, plugin(device="cpu").weights_sha256, plugin.info.license)
    yield _weight_check("lpips-alexnet", BACKBONE.sha256, BACKBONE.license)
    for name in registry.names("generators"):
        generator = registry.load("generators", name)
        for preset in generator.info.presets:
            find = generator(preset, device="cpu").default_checkpoint
            yield _weight_check(f"{name} {preset}", partial(_hash_of, find), generator.info.license)


def weight_files() -> dict[str, WeightFile]:
    """Return the weight files that installed plug-ins and metrics need, by name."""
    kinds: tuple[registry.Kind, ...] = ("features", "segmenters", "generators")
    plugins = (registry.load(kind, name) for kind in kinds for name in registry.names(kind))
    declared = (getattr(plugin, "weights", ()) for plugin in plugins)
    files = [one for weights in declared for one in ((weights,) if isinstance(weights, WeightFile) else weights)]
    return {weights.name: weights for weights in (*files, BACKBONE)}


def weight_file(name: str) -> WeightFile:
    """Return the weight file of that name; case does not matter.

    Raises:
        UnknownPluginError: there is none; the message holds the nearest names.
    """
    files = weight_files()
    if name.lower() in files:
        return files[name.lower()]
    near = difflib.get_close_matches(name.lower(), files, n=3, cutoff=0.4)
    hint = f"did you mean {' or '.join(near)}? " if near else ""
    raise UnknownPluginError(f"no weights are called '{name}': {hint}'medbench weights list' shows all")


def weight_rows() -> list[dict[str, Any]]:
    """Return one row a weight file: name, here, path, sha256, licence, how.

    ``path`` is None where the file is absent or refused, ``sha256`` then the pinned one (None where none is
    published), and ``how`` says what is wrong and what to do; otherwise it says where the file comes from.
    """
    return [_weight_row(weights) for weights in weight_files().values()]


def _weight_row(weights: WeightFile) -> dict[str, Any]:
    row: dict[str, Any] = {"name": weights.name, "here": False, "path": None, "sha256": weights.pinned}
    try:
        row |= {"here": True, "path": str(weights.locate()), "sha256": weights.sha256()}
        how = f"from {weights.origin}"
    except Unavailable:
        how = weights.how_to_get()
    except MedbenchError as refused:
        how = str(refused)
    return {**row, "licence": weights.license, "how": how}


def _hash_of(find: Callable[[], Path | None]) -> str:
    checkpoint = find()
    return "none needed" if checkpoint is None else sha256_of(checkpoint)


def _weight_check(name: str, sha256: Callable[[], str], licence: str) -> Check:
    try:
        return Check(check=f"weights {name}", ok=True, detail=f"{sha256()[:12]}; licence: {licence}", mend="")
    except (Unavailable, MedbenchError) as reason:
        detail, _, mend = str(reason).partition(": ")
        return Check(check=f"weights {name}", ok=False, detail=f"{detail}; licence: {licence}", mend=mend)


def _licence() -> Check:
    """Say whether TotalSegmentator has a licence number; that it is valid is the user's word."""
    name = "licence totalsegmentator-heartchambers"
    try:
        if licence_number() is not None:
            return Check(check=name, ok=True, detail="number configured: declared by the user, not verified", mend="")
    except MedbenchError as reason:
        detail, _, mend = str(reason).partition(": ")
        return Check(check=name, ok=False, detail=detail, mend=mend)
    return Check(check=name, ok=False, detail="no number configured (needed for this segmenter)", mend=licence_mend())


def _data() -> Iterator[Check]:
    for name in registry.names("datasets"):
        try:
            cases = registry.load("datasets", name)().cases("test")
            yield Check(check=f"data {name}", ok=True, detail=f"{len(cases)} held-out cases", mend="")
        except MedbenchError as absent:
            yield Check(check=f"data {name}", ok=False, detail="not here", mend=str(absent))
