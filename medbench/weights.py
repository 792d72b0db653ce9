"""Where weight files lie: named by the environment, else in ``MEDBENCH_HOME``; nothing is downloaded here."""

from __future__ import annotations

import functools
import os
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from medbench.errors import CheckpointError, MissingExtraError, Unavailable
from medbench.files import sha256_of
from medbench.home import home

if TYPE_CHECKING:
    import torch

# What torch's unpickler raises on bytes that are no checkpoint.
_DAMAGE = (pickle.UnpicklingError, RuntimeError, EOFError, LookupError, ValueError, TypeError, AttributeError)


def weights_variable(name: str) -> str:
    """Return the environment variable that may point to a plug-in's weight file."""
    return f"MEDBENCH_WEIGHTS_{name.upper().replace('-', '_')}"


@dataclass(frozen=True)
class WeightFile:
    """A weight file that a plug-in needs.

    Args:
        name: name in ``MEDBENCH_WEIGHTS_<NAME>`` and ``--weights NAME=FILE``.
        file: its name in ``MEDBENCH_HOME/weights``.
        origin: where it comes from, for the message when it is absent.
        shipped: the file that comes with medbench, where there is one.
    """

    name: str
    file: str
    origin: str
    shipped: Path | None = None

    @property
    def variable(self) -> str:
        """Name of the environment variable that may point to the file."""
        return weights_variable(self.name)

    def locate(self) -> Path:
        """Return the path of the file.

        Raises:
            MissingExtraError: the environment names a file that does not exist.
            Unavailable: the file is not here; the message says how to get it.
        """
        configured = os.environ.get(self.variable)
        if configured:
            path = Path(configured).expanduser()
            if not path.is_file():
                raise MissingExtraError(f"{self.variable} names {path}, which is no file: correct or unset it")
            return path
        if self.shipped is not None:
            return self.shipped
        path = home() / "weights" / self.file
        if not path.is_file():
            raise Unavailable(
                f"weights '{self.name}' are not here: get {self.file} from {self.origin} and put it at {path} "
                f"(or point {self.variable} to it)"
            )
        return path

    def sha256(self) -> str:
        """Return the SHA-256 of the file's bytes.

        Raises:
            MissingExtraError: the environment names a file that does not exist.
            Unavailable: the file is not here.
        """
        path = self.locate()
        status = path.stat()
        return _hash_once(path, status.st_size, status.st_mtime_ns)


def read_tensors(path: Path) -> dict[str, torch.Tensor]:
    """Return the tensors of a .safetensors file, or of a bare state dict that torch saved, on the CPU.

    Raises:
        CheckpointError: damaged, or not a mapping of names to tensors.
    """
    import torch

    if path.suffix == ".safetensors":
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            tensors: dict[str, torch.Tensor] = load_file(path)
        except SafetensorError as error:
            raise CheckpointError(f"{path} is no readable safetensors file: get it again") from error
        return tensors
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except _DAMAGE as error:
        raise CheckpointError(f"{path} is no readable file of tensors: get it again") from error
    if not isinstance(state, dict) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise CheckpointError(f"{path} is no bare state dict: it must map names to tensors and hold nothing else")
    return state


@functools.lru_cache(maxsize=32)
def _hash_once(path: Path, size: int, modified_ns: int) -> str:
    del size, modified_ns  # parts of the key: a file that was replaced is read again
    return sha256_of(path)
