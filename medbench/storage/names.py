"""Names of files as a terminal or a table can show them."""

from __future__ import annotations

import re
from pathlib import Path


def shown(text: Path | str) -> str:
    """Return a path, or a line that holds one, in one line: what is no UTF-8, ends a line or moves a cursor is escaped.

    Example:
        >>> shown("scan\\n1.nii.gz")
        'scan\\\\n1.nii.gz'
    """
    plain = str(text).encode("utf-8", "backslashreplace").decode("utf-8")
    return re.sub(r"[\0-\x1f\x7f-\x9f]", lambda match: repr(match.group())[1:-1], plain)
