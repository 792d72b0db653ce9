"""What goes wrong in somebody else's code, in one line that names the plug-in, its file and the line in it."""

from __future__ import annotations

import inspect
import re
import traceback
from typing import Any

from medbench import plugin_files


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


def place_in_plugin(error: BaseException) -> str | None:
    """Return file and line of the plug-in named by path whose code raised an error, in a worker process too; else None.

    A worker's traceback comes as text, hence texts are searched.
    """
    text = "".join(traceback.format_exception(error))
    for file in plugin_files.imported_files():
        if lines := re.findall(rf'File "{re.escape(str(file))}", line (\d+)', text):
            return f"{file} line {lines[-1]}"
    return None
