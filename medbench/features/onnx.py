"""A feature network on a CPU through ONNX Runtime, where that is installed: ``pip install "medbench[onnx]"``.

The network is translated once and kept in ``MEDBENCH_HOME/cache``. Before it is used it must give what torch gives for
two small images, within ``TOLERANCE`` of the largest feature: numbers of both engines then belong to one fingerprint.
"""

from __future__ import annotations

import functools
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from medbench.errors import Unavailable
from medbench.extras import EXTRAS
from medbench.features.network import loaded
from medbench.progress import silent
from medbench.records.cpu_engine import SETTING, through_onnx_runtime
from medbench.spec import canonical_json, fingerprint
from medbench.storage.home import home
from medbench.storage.seals import is_sound, sealed_path
from medbench.storage.weights import WeightFile

if TYPE_CHECKING:
    from medbench.features.network import Build, Forward

TOLERANCE: Final = 1e-5
_PROBE = (2, 64, 64)


def forward_of(weights: WeightFile, build: Build, device: str) -> Forward | None:
    """Return what computes the features of images (n, height, width) float32 in 0..1 by a weight file's network.

    Args:
        weights: of the network.
        build: makes it from the file's path: images (n, 1, height, width) to features (n, dimension).
        device: torch's.

    Returns:
        None where torch is to compute: not on a CPU, not installed, or asked for.

    Raises:
        Unavailable: the weights are not here, or the engines differ by more than ``TOLERANCE``.
        CheckpointError: the weights are damaged.
        StorageError: the translation cannot be kept.
    """
    import torch

    if device != "cpu" or not through_onnx_runtime():
        return None
    return _forward(weights.locate(), weights.sha256(), weights, build, torch.get_num_threads())


@functools.lru_cache(maxsize=2)
def _forward(path: Path, sha256: str, weights: WeightFile, build: Build, threads: int) -> Forward:
    import torch

    del path  # part of the key, as in ``loaded``
    session = _session(_translated(weights, sha256, build), threads)
    probe = np.random.default_rng(0).random(_PROBE, dtype=np.float32)
    with torch.inference_mode():
        expected = loaded(weights, build, "cpu")(torch.from_numpy(probe)[:, None]).numpy()
    apart = np.abs(_run(session, probe) - expected).max() / np.abs(expected).max()
    if not apart <= TOLERANCE:
        raise Unavailable(
            f"ONNX Runtime's features of {weights.name} differ from torch's by {apart:.1g} here (allowed: "
            f"{TOLERANCE:g}): set {SETTING}=torch"
        )
    return lambda images: torch.from_numpy(_run(session, images.numpy()))


def _translated(weights: WeightFile, sha256: str, build: Build) -> Path:
    """Return the network as an ONNX file, made once for its weights and the versions of what translates."""
    import torch

    settings = {"name": weights.name, "build": build.__qualname__, "torch": torch.__version__}
    settings |= {name: version(name) for name in EXTRAS["onnx"].modules}
    path = home() / "cache" / "onnx" / sha256[:2] / f"{sha256[:24]}-{fingerprint(settings)}.onnx"
    key = f"onnx {sha256} {canonical_json(settings)}"
    if is_sound(path, key, silent):
        return path
    free = {0: torch.export.Dim("n"), 2: torch.export.Dim("height"), 3: torch.export.Dim("width")}
    images = torch.zeros(_PROBE)[:, None]
    with sealed_path(path, key) as temporary, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's, about its own parts
        network = loaded(weights, build, "cpu")
        program = torch.onnx.export(network, (images,), dynamo=True, dynamic_shapes=(free,), verbose=False)
        assert program is not None  # so it is where no file is named
        program.save(temporary, external_data=False)
    return path


def _session(path: Path, threads: int) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    # Threads that spin while they wait take the cores from other workers.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def _run(session: Any, images: np.ndarray) -> np.ndarray:
    found: np.ndarray = session.run(None, {session.get_inputs()[0].name: images[:, None]})[0]
    return found
