"""Weight files: named by the environment, else in ``MEDBENCH_HOME``, where a pinned file is held against its SHA-256.

Nothing is downloaded on the way; ``fetch_weights`` is what ``medbench weights fetch`` calls.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from pathlib import Path

from medbench.errors import CheckpointError, MissingExtraError, SpecError, Unavailable
from medbench.extras import install_line
from medbench.progress import Progress, silent
from medbench.storage.download import Download, fetch, record_sha256, recorded_sha256
from medbench.storage.files import sha256_once
from medbench.storage.home import home, shared_home
from medbench.storage.hub import find_on_hub
from medbench.storage.shards import installed, join, joined_sha256


def weights_variable(name: str) -> str:
    """Return the environment variable that may point to a plug-in's weight file.

    >>> weights_variable("dinov2-vits14")
    'MEDBENCH_WEIGHTS_DINOV2_VITS14'
    """
    return f"MEDBENCH_WEIGHTS_{name.upper().replace('-', '_')}"


@dataclass(frozen=True)
class WeightFile:
    """A weight file that a plug-in needs.

    Args:
        name: name in ``MEDBENCH_WEIGHTS_<NAME>`` and ``--weights NAME=FILE``.
        file: its name in ``MEDBENCH_HOME/weights``.
        origin: where it comes from, for the message when it is absent.
        shipped: the file that comes with medbench, where there is one.
        url: http or https address of the file itself; None where it cannot be downloaded without a browser.
        hub: repository on the Hugging Face hub that has the file, if it is there and ``pinned`` is not known: the hub
            is then asked for a commit and the checksum that it states.
        hub_file: its name in that repository, where it is another one.
        pinned: SHA-256 of the file in hex; None where none is published.
        size_bytes: exact size; None where it is not published.
        license: one line, shown when it is fetched and listed.
        shards: import names of installed packages that deliver the file in parts (see ``medbench.storage.shards``); it
            is then ``pinned``, and joined when it is first used.
        extra: medbench's extra that installs them.
    """

    name: str
    file: str
    origin: str
    shipped: Path | None = None
    url: str | None = None
    hub: str | None = None
    hub_file: str | None = None
    pinned: str | None = None
    size_bytes: int | None = None
    license: str = ""
    shards: tuple[str, ...] = ()
    extra: str = ""

    @property
    def variable(self) -> str:
        """Name of the environment variable that may point to the file."""
        return weights_variable(self.name)

    @property
    def stored(self) -> Path:
        """Where the file lies in ``MEDBENCH_HOME``, once it is here."""
        return home() / "weights" / self.file

    def locate(self) -> Path:
        """Return the path of the file; one in ``MEDBENCH_HOME`` has been held against its SHA-256.

        Raises:
            MissingExtraError: the environment names a file that does not exist.
            Unavailable: the file is not here; the message says how to get it.
            CheckpointError: the file in ``MEDBENCH_HOME`` is not the one that is pinned.
        """
        configured = os.environ.get(self.variable)
        if configured:
            path = Path(configured).expanduser()
            if not path.is_file():
                raise MissingExtraError(f"{self.variable} names {path}, which is no file: correct or unset it")
            return path
        if self.shipped is not None:
            return self.shipped
        path, shared = self.stored, shared_home()
        if shared is not None and not path.is_file():
            path = shared / "weights" / self.file
        if not path.is_file():
            parts = installed(self.shards)
            if not parts or self.pinned is None:
                raise Unavailable(f"weights '{self.name}' are not here: {self.how_to_get()}")
            return join(parts, self.stored, pinned=self.pinned)
        wanted = self.pinned or recorded_sha256(path)
        if wanted is not None and sha256_once(path) != wanted:
            raise CheckpointError(
                f"{path} is not the file that is pinned (SHA-256 {sha256_once(path)} in place of {wanted}): "
                f"delete it and {self.how_to_get()}"
            )
        return path

    def how_to_get(self) -> str:
        """Return what to do to have the file here, as the end of a sentence."""
        wanted = self.hub_file or self.file
        by_hand = f"get {wanted} from {self.origin} and put it at {self.stored} (or point {self.variable} to your copy)"
        if self.extra:
            return f"run: {install_line(self.extra)}, or {by_hand}"
        if self.url is None and self.hub is None:
            return by_hand
        unpinned = "" if self.pinned or self.hub else " --sha256 HEX"
        return f"run 'medbench weights fetch {self.name}{unpinned}', or {by_hand}"

    def sha256(self) -> str:
        """Return the SHA-256 of the file's bytes; nothing is written for it.

        Raises:
            MedbenchError: see ``locate``.
        """
        parts = () if os.environ.get(self.variable) or self.stored.is_file() else installed(self.shards)
        return joined_sha256(parts) if parts else sha256_once(self.locate())


def fetch_weights(
    weights: WeightFile, *, sha256: str | None = None, revision: str | None = None, progress: Progress = silent
) -> Path:
    """Download a weight file into ``MEDBENCH_HOME``, verified; return its path.

    Args:
        weights: which one.
        sha256: what its SHA-256 must be, in hex; needed where none is pinned and no hub states one. It is kept beside
            the file and holds from then on.
        revision: commit, branch or tag of a file on the hub; None for the main branch.
        progress: counts MiB and shows the licence and the commit.

    Raises:
        SpecError: there is no address, no checksum, or one that cannot be right.
        DataError: the address does not answer, or what came has another checksum and was deleted.
        StorageError: the disk is full or cannot be written.
    """
    if weights.shipped is not None:
        raise SpecError(f"weights '{weights.name}' come with medbench: there is nothing to fetch")
    if weights.shards:
        return weights.locate()  # pip brings them; there is no address to fetch them from
    if weights.url is None and weights.hub is None:
        raise SpecError(f"weights '{weights.name}' have no public address: {weights.how_to_get()}")
    if weights.hub is None and revision is not None:
        raise SpecError(f"weights '{weights.name}' have one address and no revisions: leave out --revision")
    given = sha256.lower() if sha256 is not None else None
    if given is not None and not re.fullmatch("[0-9a-f]{64}", given):
        raise SpecError(f"--sha256 {sha256} is no SHA-256: give 64 hex digits")
    if weights.pinned is not None and given not in (None, weights.pinned):
        raise SpecError(f"--sha256 {given} contradicts the pinned {weights.pinned}: leave it out")
    if weights.hub is not None:
        return _fetch_from_hub(weights, weights.hub, given, revision, progress)
    assert weights.url is not None  # or a hub
    wanted = weights.pinned or given
    if wanted is None:
        raise SpecError(
            f"no checksum of '{weights.name}' is published, so a download could not be verified: give --sha256 HEX of "
            f"a copy you trust, or get {weights.file} from {weights.origin} and put it at {weights.stored}"
        )
    download = Download(weights.url, weights.file, weights.size_bytes, sha256=wanted, license=weights.license)
    path = fetch(download, weights.stored.parent, progress)
    if weights.pinned is None:
        record_sha256(path, wanted)
    return path


def _fetch_from_hub(
    weights: WeightFile, repository: str, given: str | None, revision: str | None, progress: Progress
) -> Path:
    kept = recorded_sha256(weights.stored) if weights.stored.is_file() else None
    if kept is not None and revision is None and given in (None, kept):
        return weights.locate()  # fetched before; the hub need not be asked again
    found, commit = find_on_hub(repository, weights.hub_file or weights.file, revision=revision)
    assert found.sha256 is not None  # the hub states it
    if given not in (None, found.sha256):
        raise SpecError(
            f"--sha256 {given} contradicts the hub, which states {found.sha256} at commit {commit}: choose the"
            " --revision that has it, or leave it out"
        )
    progress.note(f"{weights.name}: {repository}, commit {commit}, SHA-256 {found.sha256}")
    wanted = replace(found, filename=weights.stored.name, license=weights.license)
    path = fetch(wanted, weights.stored.parent, progress)
    record_sha256(path, found.sha256, source=found.url)
    return path
