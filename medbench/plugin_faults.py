"""What goes wrong in somebody else's code, in one line that names the plug-in, its file and the line in it."""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from medbench.errors import MedbenchError, PluginError, Unavailable


def fault_of(error: BaseException, plugin: Any) -> str:
    """Return what a plug-in's code raised, and where, as the end of a sentence.

    Args:
        error: anything, ``SystemExit`` included.
        plugin: the plug-in's class; the last line of its own file that took part is named.
    """
    file = source_of(plugin)
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if frame.filename == file]
    place = f"{own[-1].filename} line {own[-1].lineno}" if own else file
    text = " ".join(f"{type(error).__name__}: {error}".rstrip(": ").split())
    return f"{text} ({place})"


def source_of(plugin: Any) -> str:
    """Return the file that a plug-in's class stands in, or its module where that has none."""
    try:
        return inspect.getsourcefile(plugin) or str(plugin.__module__)
    except (TypeError, OSError):
        return str(getattr(plugin, "__module__", plugin))


@contextmanager
def plugin_faults(plugin: Any, what: str) -> Iterator[None]:
    """Run a plug-in's code; what it raises becomes one line.

    Errors of medbench's own, an interruption, and a want of memory pass: their causes lie elsewhere.

    Args:
        plugin: its class.
        what: the plug-in in words, like ``the model 'x'``.

    Raises:
        PluginError: the code raised anything else, or called ``sys.exit``.
    """
    try:
        yield
    except (MedbenchError, Unavailable, MemoryError):
        raise
    except (Exception, SystemExit) as error:
        if type(error).__name__ == "OutOfMemoryError":  # torch's: the meter knows what to say
            raise
        raise PluginError(f"{what} failed: {fault_of(error, plugin)}: mend its code; --debug shows all") from error
