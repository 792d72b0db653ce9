"""What the machine refuses, in one line: memory, threads, files and their names."""

from __future__ import annotations

from medbench.storage.files import mend_of

_MEMORY = "can't allocate memory"  # torch's words on a CPU
_THREADS = "can't start new thread"


def refusal(error: BaseException) -> str | None:
    """Return what the machine refused and how to mend it; None where the error is of another kind."""
    text = " ".join(str(error).split())
    if isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and _MEMORY in text):
        return (
            f"this machine's memory does not suffice ({text or 'MemoryError'}): take smaller volumes or fewer --workers"
        )
    if isinstance(error, RuntimeError) and _THREADS in text:
        return "this machine gives no more threads or processes: raise its limit (ulimit -u), or give --workers 1"
    if mend := mend_of(error):
        return f"{getattr(error, 'filename', None) or 'a file'}: {mend}"
    return None
