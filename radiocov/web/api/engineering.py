"""For engineers: tokens, runs, the register of handsets, the sites."""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path as FilePath
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body, Header, Path, Request, Response
from pydantic import BaseModel, ConfigDict, StringConstraints
from pydantic import Field as About

from devices import fleet
from devices.store import iso, now_us
from radiocov.files import write_bytes
from radiocov.network import parse_sites
from radiocov.problems import ProjectError, errors_of
from radiocov.web import auth, jobs
from radiocov.web.access import Staff, service_of
from radiocov.web.api.uploads import Word
from radiocov.web.qr import qr_svg
from radiocov.web.refusal import ANSWERS, Refusal

router = APIRouter(prefix="/api/v1", tags=["engineering"], responses=ANSWERS)
Number = Annotated[int, Path(ge=0, lt=1 << 31)]
Text = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]*$", max_length=200)]
CSV_BODY: dict[str, Any] = {
    "requestBody": {"required": True, "content": {"text/csv": {"schema": {"type": "string", "format": "binary"}}}}
}


class NewToken(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]+$", max_length=80)]
    role: Literal["admin", "engineer", "manager", "field", "monitor"]
    days: Annotated[float, About(gt=0, le=auth.LONGEST_DAYS, allow_inf_nan=False)] = 30.0
    zone: Word = About("", description="Of the team's logs whose times name none")
    datum: Literal["", "wgs84", "cgcs2000", "gcj02", "bd09"] = About("", description="Of the team's positions")


class MadeToken(BaseModel):
    """The only time that a token is shown. qr_svg: a picture of `address` to scan with a phone."""

    id: int
    token: str
    address: str
    qr_svg: str


@router.post("/tokens", status_code=201)
def make_token(request: Request, person: Staff, new: NewToken) -> MadeToken:
    """Make a token for a team or a person. Engineers make those of teams and managers."""
    service = service_of(request)
    if not auth.may_grant(person, new.role):
        raise Refusal(403, "not_for_you", f"a token for the role {new.role} is made by an administrator")
    number, secret = auth.create_token(service.db, new.name, new.role, new.days, person.name, zone=new.zone,
                                       datum=new.datum)  # fmt: skip
    address = f"{service.settings.public_url or str(request.base_url).rstrip('/')}/login#token={secret}"
    return MadeToken(id=number, token=secret, address=address, qr_svg=qr_svg(address))


@router.get("/tokens")
def list_tokens(request: Request, person: Staff) -> list[dict[str, Any]]:
    """Tokens with their state; the secrets are not kept anywhere."""
    return auth.listing(service_of(request).db)


@router.delete("/tokens/{number}", status_code=204)
def revoke_token(request: Request, person: Staff, number: Number) -> None:
    """End a token and every session by it, at once."""
    service = service_of(request)
    auth.revoke(service.db, number, person, person.name)
    service.people.forget()


class NewRun(BaseModel):
    kind: Annotated[str, StringConstraints(max_length=40)] = About(description="One of those that GET names")


@router.get("/runs")
def list_runs(request: Request, person: Staff) -> dict[str, Any]:
    """Kinds of runs that can be started, and those there are, the newest first."""
    return {"kinds": jobs.kinds(), "runs": service_of(request).jobs.listing()}


@router.post("/runs", status_code=201)
def start_run(request: Request, person: Staff, new: NewRun) -> dict[str, Any]:
    """Start a run; runs go one after the other."""
    return service_of(request).jobs.add(person, new.kind)


@router.get("/runs/{number}")
def show_run(request: Request, person: Staff, number: Number) -> dict[str, Any]:
    """One run: how far it is, and what it said."""
    return service_of(request).jobs.show(number)


@router.post("/runs/{number}/cancel")
def cancel_run(request: Request, person: Staff, number: Number) -> dict[str, Any]:
    """Stop a run; what it finished is kept."""
    return service_of(request).jobs.cancel(person, number)


class Handset(BaseModel):
    """Fields of the register; what is left out stays as it is."""

    model_config = ConfigDict(extra="forbid")

    maker: Text = ""
    model: Text = ""
    firmware: Text = ""
    serial_number: Text = ""
    terminal_type: Text = ""
    unit: Text = ""
    antenna: Text = ""
    carry: Text = ""
    calibration_offset_db: Annotated[float | None, About(allow_inf_nan=False)] = None
    state: Text = ""
    note: Text = ""

    def given(self) -> dict[str, Any]:
        return {name: value for name, value in self.model_dump().items() if value not in ("", None)}


class NewHandset(Handset):
    device_id: Annotated[str, StringConstraints(pattern=r"^[^\x00-\x20\x7f]+$", max_length=32)]


DeviceId = Annotated[str, Path(pattern=r"^[^\x00-\x20\x7f]+$", max_length=32)]
Duplicates = Literal["refuse", "ignore", "override"]


@router.get("/fleet")
def list_handsets(request: Request, person: Staff) -> list[dict[str, Any]]:
    """The register of handsets."""
    return fleet.listing(service_of(request).store)


@router.post("/fleet", status_code=201)
def add_handset(request: Request, person: Staff, new: NewHandset) -> dict[str, int]:
    """Register a handset."""
    service = service_of(request)
    counts = fleet.add(service.store, new.given(), "refuse", person.name)
    service.note(person, "register handset", new.device_id)
    return counts


@router.patch("/fleet/{device_id}")
def change_handset(request: Request, person: Staff, device_id: DeviceId, changes: Handset) -> dict[str, list[str]]:
    """Change a handset; the register keeps who, when, from and to."""
    service = service_of(request)
    values = changes.given()
    changed = fleet.change(service.store, device_id, values, str(values.pop("note", "")), person.name)
    service.note(person, "change handset", f"{device_id}: {', '.join(changed)}")
    return {"changed": changed}


@router.post("/fleet/register", openapi_extra=CSV_BODY)
def import_register(request: Request, person: Staff, body: Annotated[bytes, Body(media_type="text/csv")],
                    duplicates: Duplicates = "refuse") -> dict[str, int]:  # fmt: skip
    """A register in CSV, whole or not at all."""
    service = service_of(request)
    with tempfile.TemporaryDirectory() as folder:
        path = FilePath(folder) / "register.csv"
        path.write_bytes(body)
        counts = fleet.import_csv(service.store, path, duplicates, person.name)
    service.note(person, "import register", ", ".join(f"{n} {what}" for what, n in counts.items()))
    return counts


@router.get("/sites", response_class=Response)
def sites(request: Request, person: Staff) -> Response:
    """The sites as CSV; the answer's ETag is what a change must name in If-Match."""
    data = service_of(request).project.sites_file.read_bytes()
    return Response(data, media_type="text/csv; charset=utf-8", headers={"etag": _tag(data)})


@router.put("/sites", openapi_extra=CSV_BODY)
def put_sites(request: Request, person: Staff, body: Annotated[bytes, Body(media_type="text/csv")],
              if_match: Annotated[str, Header(max_length=80)]) -> dict[str, Any]:  # fmt: skip
    """Put other sites in place of those there are, where none of the rows has an error; the old file is kept."""
    service = service_of(request)
    project = service.project
    with service.sites_turn:
        old = project.sites_file.read_bytes()
        if if_match != _tag(old):
            raise Refusal(412, "changed", "the sites have been changed since you read them: read them again")
        found, problems = parse_sites(body, project.sites_file.name, project.antennas_folder,
                                      frequency_mhz=project.model.frequency_mhz)  # fmt: skip
        if errors := errors_of(problems):
            raise ProjectError(errors)
        kept = service.settings.folder / "sites" / f"{iso(now_us()).replace(':', '')}.csv"
        write_bytes(kept, old)
        write_bytes(project.sites_file, body)
    service.note(person, "change sites", f"{len(found)} sites; those before: {kept.name}")
    return {"sites": len(found), "warnings": [str(p) for p in problems], "etag": _tag(body)}


def _tag(data: bytes) -> str:
    return f'"{hashlib.sha256(data).hexdigest()[:32]}"'
