"""Signing in and out."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from radiocov.web import auth
from radiocov.web.access import Anybody, address_of, check_same_site, not_signed_in, service_of
from radiocov.web.refusal import ANSWERS

router = APIRouter(prefix="/api/v1/session", tags=["session"], responses=ANSWERS)


class SignIn(BaseModel):
    token: str = Field(min_length=1, max_length=200, description="A token, or the secret of a one-time link")


class Session(BaseModel):
    name: str = Field(description="Of the person or team")
    role: str
    csrf: str = Field(description="For X-CSRF-Token on every change; empty for programs with a token")
    zone: str = Field(description="Of a team's logs whose times name none")
    datum: str = Field(description="Of a team's positions")


@router.post("", status_code=201)
def sign_in(request: Request, response: Response, wanted: SignIn) -> Session:
    """Sign a browser in: the answer sets a cookie that no script can read."""
    service = service_of(request)
    check_same_site(request)
    service.sign_ins.take(address_of(request))
    found = auth.sign_in(service.db, wanted.token.strip(), service.settings.limits)
    if found is None:
        raise not_signed_in("the token or link is unknown, used, expired or revoked")
    person, secret, lasts_s = found
    response.set_cookie(service.cookie, secret, max_age=lasts_s, path="/", secure=service.settings.is_https,
                        httponly=True, samesite="strict")  # fmt: skip
    return _shown(person)


@router.get("")
def who_am_i(person: Anybody) -> Session:
    """Who is signed in."""
    return _shown(person)


@router.delete("", status_code=204)
def sign_out(request: Request, response: Response, person: Anybody) -> None:
    """End the session of this browser."""
    service = service_of(request)
    if secret := request.cookies.get(service.cookie):
        auth.sign_out(service.db, secret)
        service.people.forget()
    response.delete_cookie(service.cookie, path="/", secure=service.settings.is_https, httponly=True,
                           samesite="strict")  # fmt: skip


def _shown(person: auth.Person) -> Session:
    return Session(name=person.name, role=person.role, csrf=person.csrf, zone=person.zone, datum=person.datum)
