"""JSON documents that carry a checksum of themselves: a changed digit is noticed wherever they are read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from medbench.spec import fingerprint

CHECKSUM: Final = "checksum"


def with_checksum(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return a document with the fingerprint of its other fields.

    >>> with_checksum({"value": 1.5})
    {'value': 1.5, 'checksum': '8cbe3efb3a2c'}
    """
    return {**document, CHECKSUM: fingerprint(document)}


def without_checksum(document: Any) -> Any:
    """Return what a document says; one that has no checksum, of another tool's, is returned as it is.

    Raises:
        ValueError: the checksum is that of another content.
    """
    if not isinstance(document, dict) or CHECKSUM not in document:
        return document
    rest = {key: value for key, value in document.items() if key != CHECKSUM}
    if document[CHECKSUM] != fingerprint(rest):
        raise ValueError("it was changed after it was written")
    return rest
