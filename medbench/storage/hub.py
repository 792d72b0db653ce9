"""Files on the Hugging Face hub: at which commit they are, and what the hub says of their contents.

Its own client asks; ``medbench.storage.download`` fetches, which resumes and verifies. Neither a token nor telemetry is
sent.
"""

from __future__ import annotations

import http
import os

from medbench.errors import DataError
from medbench.storage.download import Download

_TIMEOUT_SECONDS = 60.0


def find_on_hub(
    repository: str, file: str, *, revision: str | None = None, endpoint: str | None = None
) -> tuple[Download, str]:
    """Ask the hub for the commit that a revision stands for, and for a file's address, size and SHA-256 there.

    Args:
        repository: ``owner/name`` of a model.
        file: its name in the repository.
        revision: a commit, a branch or a tag; None for the main branch.
        endpoint: address of the hub; None for the one that ``HF_ENDPOINT`` names, else huggingface.co.

    Returns:
        The file at that commit, and the commit in hex.

    Raises:
        DataError: the hub cannot be reached, or has no such repository, revision or file, or states no checksum.
    """
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"  # read when the client is imported
    from huggingface_hub import HfApi, constants, hf_hub_url
    from huggingface_hub.errors import HfHubHTTPError, HTTPError  # type: ignore[attr-defined]  # of its HTTP library

    constants.HF_HUB_DISABLE_TELEMETRY = True  # where another library has imported it before
    hub = (endpoint or os.environ.get("HF_ENDPOINT") or "https://huggingface.co").rstrip("/")
    what = f"{repository} at the revision {revision or 'main'!r}"
    api = HfApi(hub, token=False, library_name="medbench")
    try:
        found = api.model_info(repository, revision=revision or "main", timeout=_TIMEOUT_SECONDS, files_metadata=True)
    except HfHubHTTPError as error:
        code, reason = error.response.status_code, error.response.reason_phrase
        busy = code == http.HTTPStatus.TOO_MANY_REQUESTS or code >= http.HTTPStatus.INTERNAL_SERVER_ERROR
        mend = "run the same command again later" if busy else "there is none, or it is not public"
        raise DataError(f"the hub does not give {what} ({code} {reason}): {mend}") from error
    except (HTTPError, OSError) as error:
        raise DataError(
            f"{hub} cannot be reached ({error}): run the same command again; is HF_ENDPOINT right?"
        ) from error
    except (ValueError, TypeError, LookupError) as error:
        raise DataError(f"{hub} answers with something else than a repository: is HF_ENDPOINT right?") from error
    entry = next((one for one in found.siblings or () if one.rfilename == file), None)
    if entry is None or found.sha is None:
        raise DataError(f"{hub} has no {file} in {what}: correct --revision")
    if entry.lfs is None:  # the hub states it of large files only
        raise DataError(f"{hub} states no SHA-256 of {file} in {repository}: get the file by other means")
    address = hf_hub_url(repository, file, revision=found.sha, endpoint=hub)
    return Download(address, file, entry.lfs.size, sha256=entry.lfs.sha256), found.sha
