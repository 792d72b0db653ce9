"""Headers that are lines of text, a key and its value each: what MetaImage and NRRD have in common."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from medbench.errors import FormatError

_MOST_LINES, _LONGEST_LINE = 1000, 65536  # a file that is something else may have no end of either


@dataclass(frozen=True)
class TextHeader:
    """A header's fields by key; case and blanks within a key do not count.

    Args:
        path: the file that refusals name.
        fields: text by folded key.
        end: the byte after the header.
    """

    path: Path
    fields: Mapping[str, str]
    end: int

    @classmethod
    def read(cls, path: Path, file: IO[bytes], *, separator: str, last: str, remarks: bool, refusal: str) -> TextHeader:
        """Read up to the line that matches the pattern ``last``; ``remarks`` are lines without a separator.

        Raises:
            FormatError: ``refusal``, where that line never comes, or a remark comes that may not be there.
        """
        fields: dict[str, str] = {}
        for _ in range(_MOST_LINES):
            line = file.readline(_LONGEST_LINE).decode("latin-1")
            key, found, value = line.partition(separator)
            if found:
                fields[_folded(key)] = value.strip()
            if re.fullmatch(last, line, re.DOTALL):
                return cls(path, fields, file.tell())
            if not (found or remarks):
                break
        raise FormatError(f"{path}: {refusal}")

    def text(self, key: str, default: str = "") -> str:
        """Return a field as it stands."""
        return self.fields.get(_folded(key), default)

    def numbers(self, *keys: str, kind: type = float, word: str = r"\S+") -> list[Any]:
        """Return the numbers of the first field present, an empty list if none is; the pattern ``word`` finds each.

        Raises:
            FormatError: the field is no list of numbers of this kind.
        """
        key = next(filter(self.text, keys), keys[0])
        try:
            return [kind(text) for text in re.findall(word, self.text(key))]
        except ValueError as error:
            found = f"{key} = {self.text(key)[:40]}"
            raise FormatError(f"{self.path}: {found} is not a list of numbers: export it again") from error

    def dtype(self, name: str, types: Mapping[str, str], *, big_endian: bool) -> np.dtype:
        """Return the type of the voxels on disk by its name in the format's table.

        Raises:
            FormatError: not in the table.
        """
        if name not in types:
            raise FormatError(f"{self.path}: voxels of type '{name}' are not one number each: export them as int16")
        return np.dtype((">" if big_endian else "<") + types[name])


def _folded(key: str) -> str:
    return key.lower().replace(" ", "").strip()
