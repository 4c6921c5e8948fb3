"""Who may ask what: every route names the roles that it is for."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.concurrency import run_in_threadpool

from radiocov.web import auth
from radiocov.web.auth import Person
from radiocov.web.refusal import Refusal

BEARER = HTTPBearer(auto_error=False, scheme_name="token", description="A token that an engineer made.")
SAFE = ("GET", "HEAD", "OPTIONS")


def service_of(request: Request) -> Any:
    return request.app.state.service


class Allow:
    """A dependency of a route: the person who asks, where that is one of these roles.

    Programs send `Authorization: Bearer`; browsers a cookie, and then every change needs the session's X-CSRF-Token.
    """

    def __init__(self, *roles: str) -> None:
        self.roles = frozenset(roles)

    async def __call__(
        self, request: Request, bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(BEARER)]
    ) -> Person:
        person = await self._person(request, bearer)
        request.scope["radiocov.role"] = person.role
        service_of(request).rates.take(person.token)
        if person.role not in self.roles:
            raise Refusal(403, "not_for_you", f"this is not for the role {person.role}")
        return person

    async def _person(self, request: Request, bearer: HTTPAuthorizationCredentials | None) -> Person:
        service = service_of(request)
        if bearer is not None:
            person = await _found(service.people, bearer.credentials, True)
            if person is None:
                service.sign_ins.take(address_of(request))
                raise not_signed_in("the token is unknown, expired or revoked")
            return person
        cookie = request.cookies.get(service.cookie)
        person = await _found(service.people, cookie, False) if cookie else None
        if person is None:
            raise not_signed_in("sign in first")
        if request.method not in SAFE:
            check_same_site(request)
            if not auth.same_secret(request.headers.get("x-csrf-token", ""), person.csrf):
                raise Refusal(403, "csrf", "the page is out of date: load it again")
        return person


async def _found(people: auth.People, secret: str, is_token: bool) -> Person | None:
    return people.known(secret, is_token) or await run_in_threadpool(people.find, secret, is_token)


def not_signed_in(text: str) -> Refusal:
    return Refusal(401, "not_signed_in", text, {"www-authenticate": "Bearer"})


def check_same_site(request: Request) -> None:
    """Refuse what another site made a browser send."""
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise Refusal(403, "other_site", "this came from another site")


def address_of(request: Request) -> str:
    """Of who asks, as the reverse proxy on this machine says where there is one."""
    return request.client.host if request.client else ""


STAFF = Allow("engineer", "admin")
FIELD = Allow("field", "engineer", "admin")
VIEW = Allow("manager", "engineer", "admin")
TILES = Allow("field", "manager", "engineer", "admin")
ADMIN = Allow("admin")
MONITOR = Allow("monitor", "engineer", "admin")
ANYBODY = Allow("field", "manager", "engineer", "admin", "monitor")

Staff = Annotated[Person, Depends(STAFF)]
Field = Annotated[Person, Depends(FIELD)]
Viewer = Annotated[Person, Depends(VIEW)]
TileReader = Annotated[Person, Depends(TILES)]
Monitor = Annotated[Person, Depends(MONITOR)]
Anybody = Annotated[Person, Depends(ANYBODY)]
