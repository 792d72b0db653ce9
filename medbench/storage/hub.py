"""Files on the Hugging Face hub: at which commit they are, and what the hub says of their contents.

One question to its public API, without the hub's own client: nothing but the repository and the revision is sent.
``HF_ENDPOINT`` names another hub, as it does for that client.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from typing import Any

from medbench.errors import DataError

_TIMEOUT_SECONDS = 60.0


@dataclass(frozen=True)
class HubFile:
    """A file at a commit.

    Args:
        url: of its contents at that commit.
        commit: of the repository, in hex.
        sha256: of the contents, in hex.
        size_bytes: of the contents.
    """

    url: str
    commit: str
    sha256: str
    size_bytes: int


def find_on_hub(repository: str, file: str, *, revision: str = "main") -> HubFile:
    """Ask the hub for the commit that a revision stands for, and for a file's size and SHA-256 there.

    Args:
        repository: ``owner/name`` of a model.
        file: its name in the repository.
        revision: a commit, a branch or a tag.

    Raises:
        DataError: the hub cannot be reached, or has no such repository, revision or file, or states no checksum.
    """
    endpoint = os.environ.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/")
    address = f"{endpoint}/api/models/{repository}/revision/{urllib.parse.quote(revision, safe='')}?blobs=true"
    document = _ask(address, what=f"{repository} at the revision {revision!r}")
    commit, siblings = document.get("sha"), document.get("siblings") or []
    [entry, *_] = [one for one in siblings if one.get("rfilename") == file] or [None]
    if entry is None or not commit:
        raise DataError(f"{endpoint} has no {file} in {repository} at the revision {revision!r}: correct --revision")
    stated = entry.get("lfs") or {}  # the hub states it of large files only
    sha256, size = str(stated.get("sha256")), stated.get("size")
    if not re.fullmatch("[0-9a-f]{64}", sha256) or not isinstance(size, int):
        raise DataError(f"{endpoint} states no SHA-256 of {file} in {repository}: get the file by other means")
    url = f"{endpoint}/{repository}/resolve/{commit}/{urllib.parse.quote(file)}"
    return HubFile(url, commit, sha256, size)


def _ask(address: str, *, what: str) -> dict[str, Any]:
    try:
        request = urllib.request.Request(address, headers={"User-Agent": "medbench"})
        with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS) as response:
            document = json.load(response)
    except urllib.error.HTTPError as error:
        error.close()
        busy = error.code == http.client.TOO_MANY_REQUESTS or error.code >= http.client.INTERNAL_SERVER_ERROR
        mend = "run the same command again later" if busy else "there is none, or it is not public"
        raise DataError(f"the hub does not give {what} ({error.code} {error.reason}): {mend}") from error
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        raise DataError(f"{address} cannot be reached ({reason}): run the same command again") from error
    except ValueError as error:
        raise DataError(
            f"{address} is no address, or answers with something else than JSON: is HF_ENDPOINT right?"
        ) from error
    if not isinstance(document, dict):
        raise DataError(f"{address} answers with something else than a repository: is HF_ENDPOINT right?")
    return document
