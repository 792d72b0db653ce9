"""What a reader's page asks for and sends: the study, slices, answers, signs of life."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from medbench.errors import DataError, MedbenchError, StorageError
from medbench.reader_study.dicom import read_slices
from medbench.reader_study.packet import Packet
from medbench.reader_study.server.links import Links
from medbench.reader_study.server.reading import Kept, Reading
from medbench.reader_study.study import Study, columns
from medbench.reader_study.tables import Rating, checked
from medbench.viewer.slices import AxialSlices, SliceCache

_LOG: Final = logging.getLogger("medbench.reader_study.server")
_BEARER: Final = "Bearer "

NO_LINK: Final = "this link is not valid: open the one that you were given"
NO_TRIAL: Final = "your study has no such case"
NO_SLICES: Final = "there are no such slices"
NOT_SHOWN: Final = "this case cannot be shown: its file is not what was created; tell the person who runs the study"
NOT_KEPT: Final = "the server cannot write to its disk; nothing that was saved is lost, and your page tries again"
NOT_READ: Final = "the table of your answers was changed by hand and cannot be read; tell the person who runs the study"


class Refusal(Exception):
    """A request that is not served: the status, and a sentence for the reader that names no path of this machine."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence


class Change(BaseModel):
    """The body of a change to one rating; see ``Reading.save``."""

    model_config = ConfigDict(extra="forbid", strict=True)

    answers: dict[str, str] = {}
    comment: str | None = None


class Api:
    """The handlers.

    Args:
        packet: an open packet.
        links: whose link is whose.
        readings: by reader; every reader of ``links`` has one.
    """

    def __init__(self, packet: Packet, links: Links, readings: dict[str, Reading]) -> None:
        self._packet = packet
        self._links = links
        self._readings = readings
        self._slices = SliceCache(self._read)

    async def study(self, request: Request) -> Response:
        """Return everything about the study that its reader may know, with what is answered already."""
        reading = self._reading(request)
        kept = await run_in_threadpool(_told, reading.kept)
        return JSONResponse(_document(self._packet.study, reading, kept))

    async def slices(self, request: Request) -> Response:
        """Return axial slices of a case, from one on, so many: int16 HU, little-endian, x fastest."""
        self._reading(request)
        case = request.path_params["case"]
        first, count = (_whole(request.path_params[name]) for name in ("first", "count"))
        if case not in self._packet.study.checksums:
            raise Refusal(404, NO_TRIAL)
        if not 1 <= count <= self._packet.study.shape[2] - first:
            raise Refusal(404, NO_SLICES)

        def slab() -> bytes:
            try:
                return self._slices.get(case).slab(first, count)
            except MedbenchError as error:
                _LOG.error("%s", error)
                raise Refusal(409, NOT_SHOWN) from error

        return Response(await run_in_threadpool(slab), media_type="application/octet-stream")

    async def open(self, request: Request) -> Response:
        """Note that a trial has come into view; return its rating, which another window may have changed."""
        reading, trial = self._trial(request)
        return JSONResponse(_rating(await run_in_threadpool(_told, lambda: reading.open(trial))))

    async def save(self, request: Request) -> Response:
        """Keep what has changed in a rating; a body without any change is a sign of life."""
        reading, trial = self._trial(request)
        change = await _change(request)
        try:
            checked(self._packet.study, Rating(trial, change.answers, change.comment or ""))
        except DataError as error:
            raise Refusal(422, str(error)) from error

        def save() -> Kept:
            return reading.save(trial, change.answers, change.comment)

        return JSONResponse(_rating(await run_in_threadpool(_told, save)))

    def _reading(self, request: Request) -> Reading:
        """Return the reading of whoever sent a request."""
        header = request.headers.get("authorization", "")
        reader = self._links.reader(header.removeprefix(_BEARER)) if header.startswith(_BEARER) else None
        if reader is None:
            raise Refusal(401, NO_LINK)
        return self._readings[reader]

    def _trial(self, request: Request) -> tuple[Reading, str]:
        reading, trial = self._reading(request), request.path_params["trial"]
        if trial not in reading:
            raise Refusal(404, NO_TRIAL)
        return reading, trial

    def _read(self, case: str) -> AxialSlices:
        self._packet.verify_case(case)
        path, study = self._packet.case_path(case), self._packet.study
        slices = AxialSlices.read(path) if study.format == "nifti" else AxialSlices(read_slices(path), study.spacing_mm)
        if slices.shape != study.shape:
            raise DataError(f"{path} has another shape than the study says: create the packet again")
        return slices


async def refused(request: Request, error: Exception) -> Response:
    """Answer a request that is not served."""
    assert isinstance(error, Refusal)
    return JSONResponse({"error": error.sentence}, error.status)


def _whole(text: str) -> int:
    """Return a number of an address; one that no volume has room for where it is none."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 7 else 10**7


async def _change(request: Request) -> Change:
    try:
        return Change.model_validate_json(await request.body())
    except ValidationError as error:
        raise Refusal(400, "the request is no change of a rating") from error


def _told(act: Callable[[], Any]) -> Any:
    """Run what touches the table of ratings; the full message goes to the terminal, a sentence to the reader."""
    try:
        return act()
    except StorageError as error:
        _LOG.error("%s", error)
        raise Refusal(507, NOT_KEPT) from error
    except MedbenchError as error:
        _LOG.error("%s", error)
        raise Refusal(409, NOT_READ) from error


def _document(study: Study, reading: Reading, kept: dict[str, Kept]) -> dict[str, Any]:
    return {
        "title": study.title,
        "design": study.design,
        "reader": reading.reader,
        "study": study.commitment[:16],
        "shape": study.shape,
        "spacing": study.spacing_mm,
        "windows": {one.name: {"centre": one.level_hu, "width": one.width_hu} for one in study.windows},
        "criteria": [criterion.model_dump(mode="json") for criterion in study.criteria],
        "comments": "comment" in columns(study),
        "trials": [
            {"id": trial.id, "cases": trial.cases, "training": trial.training, **_rating(kept[trial.id])}
            for trial in reading.trials
        ],
    }


def _rating(kept: Kept) -> dict[str, Any]:
    return {"answers": dict(kept.rating.answers), "comment": kept.rating.comment, "version": kept.version}
