"""A call that another machine makes: with the plug-ins, weights and home of this one, or an error that says why."""

from __future__ import annotations

import functools
import os
import pickle
import platform
import threading
from collections.abc import Callable, Iterator
from contextlib import chdir, contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from medbench import plugin_files
from medbench.errors import MissingExtraError, SpecError
from medbench.storage.files import atomic_path
from medbench.storage.home import home

_WEIGHTS: Final = "MEDBENCH_WEIGHTS_"
_LIBRARIES: Final = ("medbench", "torch", "numpy", "scipy", "nibabel")
_one_at_a_time = threading.Lock()


@dataclass(frozen=True)
class Place:
    """What a worker must share with the process that sent the work.

    Args:
        mark: a file in MEDBENCH_HOME that a worker can see if it shares the folder.
        folder: the working directory, which relative paths mean.
        environment: the variables of medbench that are set here.
        versions: of the libraries that numbers depend on.
    """

    mark: Path
    folder: Path
    environment: dict[str, str]
    versions: dict[str, str]


@contextmanager
def marked_place() -> Iterator[Place]:
    """Describe this process's place for workers while the block runs; the file that marks it goes with the block."""
    mark = home() / "engines" / f"{platform.node()}-{os.getpid()}-{os.urandom(4).hex()}.mark"
    with atomic_path(mark) as temporary:
        temporary.touch()
    ours = {name: value for name, value in os.environ.items() if name.startswith("MEDBENCH_")}
    try:
        yield Place(mark.resolve(), Path.cwd(), {**ours, "MEDBENCH_HOME": str(home().resolve())}, _versions())
    finally:
        mark.unlink(missing_ok=True)


@dataclass(frozen=True)
class Shipped:
    """A call on its way to another process; calling it makes the call there.

    Args:
        place: what the worker must share.
        files: plug-in files that are imported before the call is unpickled.
        call: function and arguments, pickled.
    """

    place: Place
    files: tuple[Path, ...]
    call: bytes

    @classmethod
    def of(cls, place: Place, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Shipped:
        """Pack a call."""
        files = tuple(path.resolve() for path in plugin_files.imported_files())
        return cls(place, files, pickle.dumps((function, args, kwargs)))

    def __call__(self) -> Any:
        """Make the call. Threads of one process (Dask's workers may have several) take turns.

        Raises:
            SpecError: the worker does not share MEDBENCH_HOME, or has other versions.
            MissingExtraError: it does not see a file of weights.
        """
        with _one_at_a_time:
            _take_place(self.place)
            for file in self.files:
                if not file.is_file():
                    raise SpecError(f"{_here()} does not see the plug-in {file}: put it where all workers see it")
                plugin_files.import_file(file)
            function, args, kwargs = pickle.loads(self.call)
            with chdir(self.place.folder):
                return function(*args, **kwargs)


def _take_place(place: Place) -> None:
    _require_versions(tuple(place.versions.items()))
    if not place.mark.is_file():
        raise SpecError(
            f"{_here()} does not see MEDBENCH_HOME ({place.mark.parents[1]}): set it to a folder that all workers share"
        )
    if not place.folder.is_dir():
        raise SpecError(f"{_here()} does not see {place.folder}: start the command in a folder that all workers share")
    for name, value in place.environment.items():
        if name.startswith(_WEIGHTS):
            require_weights(Path(value), f" ({name})")
    os.environ.update(place.environment)


def require_weights(file: Path, name: str = "") -> None:
    """Refuse to begin in a worker that does not see a file of weights.

    Args:
        file: that another process named.
        name: what names it, for the message.

    Raises:
        MissingExtraError: it is not there.
    """
    if not file.is_file():
        raise MissingExtraError(f"{_here()} does not see {file}{name}: put the weights where all workers see them")


@functools.lru_cache(maxsize=8)
def _require_versions(wanted: tuple[tuple[str, str], ...]) -> None:
    have = _versions()
    if differing := [f"{name} {have.get(name)} there, {mine} here" for name, mine in wanted if have.get(name) != mine]:
        raise SpecError(f"{_here()} has other versions ({'; '.join(differing)}): install the same on all machines")


def _versions() -> dict[str, str]:
    return {"python": platform.python_version(), **{name: version(name) for name in _LIBRARIES}}


def _here() -> str:
    return f"the worker on {platform.node()}"
