"""Uploads: announce a file, send it in chunks, look at its receipt."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Path, Query, Request, Response
from fastapi.responses import FileResponse
from pydantic import BaseModel, ConfigDict, StringConstraints
from pydantic import Field as About
from starlette.concurrency import run_in_threadpool

from devices import formats
from devices.reject_files import SUFFIX
from radiocov.web import auth, measured, uploads
from radiocov.web.access import Field, Staff, service_of
from radiocov.web.limits import TooLarge
from radiocov.web.refusal import ANSWERS, Refusal

router = APIRouter(prefix="/api/v1/uploads", tags=["uploads"], responses=ANSWERS)

Id = Annotated[str, Path(pattern="^[0-9a-f]{32}$", description="Of an upload")]
Word = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_+:/.\-]*$", max_length=64)]


class NewUpload(BaseModel):
    """A file that is to come, and how it is to be read; what is left out is the token's."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    size: Annotated[int, About(ge=1, le=1 << 50, description="Bytes")]
    sha256: Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]
    zone: Word = About("", description="Of times that name none: Asia/Shanghai, UTC, +08:00")
    datum: Literal["", "wgs84", "cgcs2000", "gcj02", "bd09"] = About("", description="Of the positions")
    device: Annotated[str, StringConstraints(pattern=r"^[^\s\x00-\x1f]*$", max_length=32)] = About(
        "", description="Id of the handset, for rows that name none"
    )
    date: Annotated[str, StringConstraints(pattern=r"^(\d{4}-\d{2}-\d{2})?$")] = About(
        "", description="On which times without a date begin"
    )
    format: Word = About("", description="A built-in log format; recognised where it is left out")


class Upload(BaseModel):
    """offset: bytes that the server has for good; state: open, queued, done, refused or failed; message: why it was
    refused; receipt: of the import, once it is done."""

    id: str
    team: str
    name: str
    size: int
    sha256: str
    declared: dict[str, str]
    offset: int
    state: str
    message: str
    created: str
    created_us: int
    ended: str | None
    receipt: dict[str, Any] | None


@router.post("", status_code=201)
def announce(request: Request, response: Response, person: Field, new: NewUpload) -> Upload:
    """Announce a file. The same file again, read in the same way, gives the earlier upload with status 200."""
    service = service_of(request)
    declared = {
        "zone": new.zone or person.zone, "datum": new.datum or person.datum, "device": new.device, "date": new.date,
        "format": new.format,
    }  # fmt: skip
    auth.check_zone(declared["zone"])
    if new.format and new.format not in formats.names():
        raise Refusal(400, "no_format", f"there is no log format of this name; known: {', '.join(formats.names())}")
    found, is_new = uploads.create(service.db, service.settings, person, new.name, new.size, new.sha256, declared)
    response.headers["location"] = f"/api/v1/uploads/{found['id']}"
    response.headers["upload-offset"] = str(found["offset"])
    if not is_new:
        response.status_code = 200
    return Upload(**found)


@router.get("")
def list_uploads(
    request: Request, person: Field, limit: Annotated[int, Query(ge=1, le=500)] = 100,
    before_us: Annotated[int | None, Query(ge=0, lt=1 << 62)] = None,
) -> list[Upload]:  # fmt: skip
    """Uploads, the newest first: a team's own, or all for engineers. before_us: `created_us` of the last."""
    return [Upload(**row) for row in uploads.listing(service_of(request).db, person, limit, before_us)]


@router.get("/{upload_id}")
def show_upload(request: Request, person: Field, upload_id: Id) -> Upload:
    """One upload, with its receipt once it is imported."""
    return Upload(**uploads.shown_upload(uploads.find(service_of(request).db, person, upload_id)))


@router.head("/{upload_id}")
def offset_of(request: Request, person: Field, upload_id: Id) -> Response:
    """How many bytes are there, in Upload-Offset: where to go on after a break."""
    row = uploads.find(service_of(request).db, person, upload_id)
    return Response(headers={"upload-offset": str(row.offset), "upload-length": str(row.size)})


@router.patch("/{upload_id}", openapi_extra={
    "requestBody": {"required": True, "content": {"application/offset+octet-stream": {
        "schema": {"type": "string", "format": "binary"}}}}})  # fmt: skip
async def append(
    request: Request, response: Response, person: Field, upload_id: Id,
    upload_offset: Annotated[int, Header(ge=0, lt=1 << 62, description="Where the chunk belongs")],
    upload_checksum: Annotated[str, Header(max_length=100, description='"sha256 " and the base64 of the chunk\'s')],
) -> Upload:  # fmt: skip
    """Send the next chunk. Once this is answered, the chunk is on the server's disk for good.

    409 says with `offset` where to go on. With the last byte the whole is checked, and waits for its import.
    """
    service = service_of(request)
    if request.headers.get("content-type", "") != "application/offset+octet-stream":
        raise Refusal(415, "bad_kind", "a chunk is sent as application/offset+octet-stream")
    data = await _body(request, service.settings.limits.chunk_bytes, service.settings.limits.body_s)
    async with service.turn:
        row = await run_in_threadpool(uploads.append, service.db, service.settings, person, upload_id, upload_offset,
                                      data, upload_checksum)  # fmt: skip
    service.metrics.received.inc(len(data))
    if row.state == "queued":
        service.wake_importer()
    response.headers["upload-offset"] = str(row.offset)
    return Upload(**uploads.shown_upload(row))


async def _body(request: Request, most: int, seconds: float) -> bytes:
    data = bytearray()
    try:
        async with asyncio.timeout(seconds):
            async for part in request.stream():
                data += part
                if len(data) > most:
                    raise TooLarge
    except TimeoutError:
        raise Refusal(408, "too_slow", "the chunk came too slowly: send smaller ones") from None
    return bytes(data)


@router.delete("/{upload_id}", status_code=204)
def remove(request: Request, person: Field, upload_id: Id) -> None:
    """Remove an upload that is not whole or was refused. What was imported stays."""
    service = service_of(request)
    uploads.remove(service.db, service.settings, person, upload_id)


@router.post("/{upload_id}/retry")
def retry(request: Request, person: Staff, upload_id: Id) -> Upload:
    """Read once more what was refused or given up."""
    service = service_of(request)
    uploads.find(service.db, person, upload_id)
    row = uploads.retry(service.db, person, upload_id)
    service.wake_importer()
    return Upload(**uploads.shown_upload(row))


class Points(BaseModel):
    """points: [latitude, longitude, level in dBm or null]; every: of many rows every n-th is given."""

    points: list[tuple[float, float, float | None]]
    rows: int
    every: int


@router.get("/{upload_id}/points")
def points(request: Request, person: Field, upload_id: Id) -> Points:
    """The measured points of an imported upload: a team sees its own, an engineer all; engineers' looks are noted."""
    service = service_of(request)
    row = uploads.find(service.db, person, upload_id)
    if row.state != "done" or row.batch is None:
        raise Refusal(409, "not_done", f"this upload is {row.state}; points are there once it is imported")
    if row.team != person.name:
        service.note(person, "look at points", f"upload {upload_id} of {row.team}")
    return Points(**measured.points_of(service.store, row.batch))


@router.get("/{upload_id}/rejects", response_class=FileResponse)
def reject_list(request: Request, person: Field, upload_id: Id) -> Response:
    """The rejected rows with the reason, as CSV in which nothing is a formula."""
    service = service_of(request)
    row = uploads.find(service.db, person, upload_id)
    path = uploads.path_of(service.settings, row)
    path = path.with_name(path.name + SUFFIX)
    if not path.is_file():
        raise Refusal(404, "no_rejects", "no row of this upload was rejected")
    return FileResponse(path, media_type="text/csv; charset=utf-8", filename=row.stored + SUFFIX)
