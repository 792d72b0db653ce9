"""Where medbench keeps weights, prepared data and caches."""

from __future__ import annotations

import os
from pathlib import Path

from medbench.errors import DataError


def home() -> Path:
    """Return ``MEDBENCH_HOME``, else the platform's user data folder."""
    configured = os.environ.get("MEDBENCH_HOME")
    if configured:
        return Path(configured).expanduser()
    import platformdirs

    return Path(platformdirs.user_data_dir("medbench", appauthor=False))


def shared_home() -> Path | None:
    """Return ``MEDBENCH_SHARED``, a folder in the layout of ``MEDBENCH_HOME`` that many share; None: not set.

    Weights, prepared data and cache entries that ``MEDBENCH_HOME`` lacks are taken from there. Nothing is written.
    """
    configured = os.environ.get("MEDBENCH_SHARED")
    return Path(configured).expanduser() if configured else None


def data_root(explicit: Path | None, dataset: str, *, mend: str = "") -> Path:
    """Return the folder that holds a data set: ``--data-root``, else ``MEDBENCH_DATA``/name.

    Args:
        explicit: ``--data-root``.
        dataset: its name.
        mend: how to come by the data set or what its folder must hold; ends the message.

    Raises:
        DataError: neither is given.
    """
    if explicit is not None:
        return explicit.expanduser()
    configured = os.environ.get("MEDBENCH_DATA")
    if configured:
        return Path(configured).expanduser() / dataset
    raise DataError(
        f"where is {dataset}? Give --data-root DIR or set MEDBENCH_DATA (the data set lies in its {dataset}/)"
        + (f": {mend}" if mend else "")
    )
