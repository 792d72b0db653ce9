"""Private links: a random token for each reader, kept by whoever serves the packet, never in the packet."""

from __future__ import annotations

import hmac
import json
import secrets
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final, Self

from medbench.errors import DataError
from medbench.storage.files import atomic_path, make_folder
from medbench.storage.home import home

_TOKEN_BYTES: Final = 24  # 192 bits: nothing that could be guessed


class Links:
    """The tokens of a packet's readers.

    Args:
        tokens: by reader.
    """

    def __init__(self, tokens: Mapping[str, str]) -> None:
        self.tokens = dict(tokens)

    @classmethod
    def keep(cls, readers: Iterable[str], file: Path) -> Self:
        """Return the tokens of some readers; one who has none yet gets one, and a later call finds it again.

        Raises:
            DataError: the file is damaged.
            StorageError: it cannot be written.
        """
        kept = _read(file)
        tokens = {reader: kept.get(reader) or secrets.token_urlsafe(_TOKEN_BYTES) for reader in readers}
        if tokens.items() - kept.items():
            _write(file, {**kept, **tokens})
        return cls(tokens)

    def reader(self, token: str) -> str | None:
        """Return whose token this is; how long that takes does not depend on how much of it is right."""
        given, found = token.encode(errors="replace"), None
        for reader, known in self.tokens.items():
            if hmac.compare_digest(given, known.encode()):
                found = reader
        return found


def links_file(commitment: str) -> Path:
    """Return where the tokens of the packet with this commitment are kept: in MEDBENCH_HOME."""
    return home() / "reader-study" / f"{commitment[:32]}.json"


def _read(file: Path) -> dict[str, str]:
    if not file.is_file():
        return {}
    try:
        return {str(reader): str(token) for reader, token in json.loads(file.read_bytes()).items()}
    except (ValueError, AttributeError) as error:
        raise DataError(f"{file} is damaged: delete it, and give every reader the new link") from error


def _write(file: Path, tokens: Mapping[str, str]) -> None:
    make_folder(file.parent)
    with atomic_path(file) as temporary:
        temporary.touch(mode=0o600)
        temporary.write_text(json.dumps(tokens, indent=2) + "\n", encoding="utf-8")
