"""The key of a packet: where each case comes from. Its hash is committed inside the packet before anybody reads."""

from __future__ import annotations

import hashlib
import secrets
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import ConfigDict, Field, StringConstraints, ValidationError

from medbench.errors import DataError
from medbench.reader_study.criteria import first_problem
from medbench.reader_study.packet import STUDY, Packet
from medbench.reader_study.study import Name, Sha256
from medbench.spec import Spec

REAL: Final = "real"
"""The model of real cases."""

_NONCE_BYTES: Final = 16  # 128 bits: nobody can find the key by trying assignments against the commitment


def nonce() -> str:
    """Return 128 random bits in hex."""
    return secrets.token_hex(_NONCE_BYTES)


class Origin(Spec):
    """Where a case comes from."""

    model: str = Field(min_length=1, description="'real', the model of a run, or the name of a folder")
    run: str | None = None
    sample: int | None = Field(None, description="index within the run")
    file: str
    sha256: Sha256 = Field(description="of the original file, or of a data set's voxels")


class Key(Spec):
    """The content of the key file."""

    model_config = ConfigDict(populate_by_name=True)

    schema_version: Literal[1] = Field(1, alias="schema")
    nonce: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]
    study: Sha256 = Field(description="digest of study.json without its commitment")
    seed: int = Field(description="chose the cases; their names and orders come from the system's randomness")
    cases: dict[Name, Origin]
    repeats: dict[Name, Name] = Field({}, description="a trial -> the trial that it repeats")

    def document(self) -> str:
        """Return the text of the key file."""
        return self.model_dump_json(by_alias=True, indent=2) + "\n"

    @classmethod
    def read(cls, path: Path, packet: Packet) -> Self:
        """Read the key of a packet and check it against the commitment, and the packet's description against the key.

        Raises:
            DataError: no key, the key of another packet, or a description that was changed after creation.
        """
        try:
            content = path.read_bytes()
        except OSError as error:
            raise DataError(f"{path} cannot be read: give the key file that 'study create' wrote") from error
        if commitment(content) != packet.study.commitment:
            raise DataError(
                f"{path} is not the key of {packet.path}: its SHA-256 is not the packet's commitment: "
                "give the key that was written with this packet, unchanged"
            )
        try:
            key = cls.model_validate_json(content)
        except ValidationError as error:
            raise DataError(f"{path} is no key ({first_problem(error)}): give the one of 'study create'") from error
        if key.study != packet.study.digest() or key.cases.keys() != packet.study.checksums.keys():
            raise DataError(
                f"{packet.path / STUDY} was changed after the packet was created: restore it from a copy of the packet"
            )
        return key

    def sources(self) -> dict[str, str]:
        """Return the model of each case."""
        return {case: origin.model for case, origin in self.cases.items()}


def commitment(content: bytes) -> str:
    """Return the SHA-256 of a key file's bytes, in hex."""
    return hashlib.sha256(content).hexdigest()
