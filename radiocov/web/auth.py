"""Who asks: tokens, one-time links and sessions. Secrets are 256 random bits and kept as their SHA-256 alone."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import time
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from devices.errors import DevicesError
from devices.store import iso, now_us
from radiocov.web.audit import write_down
from radiocov.web.refusal import Refusal
from radiocov.web.schema import ROLES, Database, sessions, tokens
from radiocov.web.settings import DAY_US, SECOND_US, Limits

PREFIX = "rc_"
LONGEST_DAYS = 400
HELD_S, MOST_HELD = 1.0, 10_000
USED_EVERY_US = 60 * SECOND_US  # how often the time of last use is written
NAME = re.compile(r"[^\x00-\x1f\x7f\ud800-\udfff]{1,80}")


@dataclass(frozen=True)
class Person:
    """Who signed in. name: of the person or the team, by which their uploads go; csrf: "" where a program asks with
    a token; zone, datum: of a team's logs that state none."""

    name: str
    role: str
    token: int
    csrf: str = ""
    zone: str = ""
    datum: str = ""


def digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


def create_token(db: Database, name: str, role: str, days: float, by: str, *, once: bool = False, zone: str = "",
                 datum: str = "") -> tuple[int, str]:  # fmt: skip
    """(number, the token), which is shown once and not kept. Raises DevicesError for what can't be."""
    name = name.strip()
    if role not in ROLES:
        raise DevicesError(f"role {role!r}; known: {', '.join(ROLES)}")
    if not NAME.fullmatch(name):
        raise DevicesError("a token needs the name of its person or team, at most 80 characters")
    if not 0 < days <= LONGEST_DAYS:
        raise DevicesError(f"{days:g} days: a token is good for at most {LONGEST_DAYS}")
    check_zone(zone)
    secret, now = PREFIX + secrets.token_urlsafe(32), now_us()
    with db.write() as connection:
        made = connection.execute(sa.insert(tokens).values(
            hash=digest(secret), name=name, role=role, once=once, zone=zone, datum=datum, created_us=now,
            created_by=by, expires_us=now + int(days * DAY_US)))  # fmt: skip
        number = made.inserted_primary_key[0]
        what = "one-time link" if once else "token"
        write_down(connection, by, "", f"create {what}", f"{number}: {role} {name}, {days:g} days")
    return number, secret


def check_zone(zone: str) -> None:
    """Raises DevicesError for a zone that logs could not be read in."""
    if zone:
        import numpy as np

        from devices.formats.times import local_to_utc

        local_to_utc(np.zeros(1, np.int64), zone)


def one_time_link(db: Database, limits: Limits, public_url: str, by: str, name: str = "administrator") -> str:
    """An address that signs an administrator in, once. The secret is behind #, which no browser sends."""
    _, secret = create_token(db, name, "admin", limits.link_s / 86_400, by, once=True)
    return f"{public_url}/login#once={secret}"


def has_admin(db: Database) -> bool:
    """Whether anybody can act as an administrator: a token, or a session by a link."""
    now = now_us()
    live = (tokens.c.role == "admin") & tokens.c.revoked_us.is_(None)
    with db.read() as connection:
        token = connection.execute(
            sa.select(tokens.c.id).where(live, tokens.c.once.is_(False), tokens.c.expires_us > now).limit(1)
        ).scalar()
        if token is not None:
            return True
        return connection.execute(
            sa.select(sessions.c.token).join(tokens, tokens.c.id == sessions.c.token)
            .where(live, sessions.c.expires_us > now).limit(1)
        ).scalar() is not None  # fmt: skip


def revoke(db: Database, number: int, person: Person | None, by: str) -> None:
    """End a token and its sessions. An engineer ends what an engineer may make."""
    with db.write() as connection:
        row = connection.execute(sa.select(tokens).where(tokens.c.id == number)).first()
        if row is None or (person is not None and not may_grant(person, row.role)):
            raise Refusal(404, "no_token", f"there is no token {number} that you may revoke")
        connection.execute(
            sa.update(tokens).where(tokens.c.id == number, tokens.c.revoked_us.is_(None)).values(revoked_us=now_us())
        )
        connection.execute(sa.delete(sessions).where(sessions.c.token == number))
        write_down(connection, by, person.role if person else "", "revoke token", f"{number}: {row.role} {row.name}")


def may_grant(person: Person, role: str) -> bool:
    """An administrator makes every token, an engineer those of teams and managers."""
    return person.role == "admin" or (person.role == "engineer" and role in ("field", "manager"))


def listing(db: Database) -> list[dict[str, Any]]:
    """Tokens, the newest first, with their state in a word; none of it leads back to the secret."""
    now = now_us()
    with db.read() as connection:
        rows = connection.execute(sa.select(tokens).order_by(tokens.c.id.desc())).mappings().all()
    return [
        {"id": r["id"], "name": r["name"], "role": r["role"], "once": bool(r["once"]), "zone": r["zone"],
         "datum": r["datum"], "created": iso(r["created_us"]), "created_by": r["created_by"],
         "expires": iso(r["expires_us"]), "used": None if r["used_us"] is None else iso(r["used_us"]),
         "state": _state(r, now)}
        for r in rows
    ]  # fmt: skip


def _state(row: Any, now: int) -> str:
    if row["revoked_us"] is not None:
        return "revoked"
    if row["once"] and row["used_us"] is not None:
        return "used"
    return "expired" if row["expires_us"] <= now else "live"


class People:
    """Who was found by a secret, for HELD_S: a map asks for thirty tiles at once."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._held: dict[tuple[bool, str], tuple[float, Person]] = {}  # another one after each `forget`

    def known(self, secret: str, is_token: bool) -> Person | None:
        """Without the database; None where it has to be asked."""
        found = self._held.get((is_token, digest(secret)))
        return found[1] if found is not None and time.monotonic() < found[0] else None

    def find(self, secret: str, is_token: bool) -> Person | None:
        """Whose a token or a session is; None for one that is expired, revoked or unknown."""
        until, key, held = time.monotonic() + HELD_S, digest(secret), self._held
        person = (person_of_token if is_token else person_of_session)(self._db, key)
        if person is not None:
            if len(held) > MOST_HELD:
                held.clear()
            held[is_token, key] = until, person
        return person

    def forget(self) -> None:
        """At once, where a token or a session has been ended."""
        self._held = {}


def person_of_token(db: Database, key: str) -> Person | None:
    """By the digest of its token; None for a link, and for one that is expired, revoked or unknown."""
    now = now_us()
    with db.read() as connection:
        row = connection.execute(sa.select(tokens).where(tokens.c.hash == key)).first()
    if row is None or row.once or row.revoked_us is not None or row.expires_us <= now:
        return None
    _used(db, row, now)
    return Person(row.name, row.role, row.id, zone=row.zone, datum=row.datum)


def _used(db: Database, row: Any, now: int) -> None:
    if row.used_us is None or now - row.used_us > USED_EVERY_US:
        with db.write() as connection:
            connection.execute(sa.update(tokens).where(tokens.c.id == row.id).values(used_us=now))


def sign_in(db: Database, secret: str, limits: Limits) -> tuple[Person, str, int] | None:
    """(who, secret of the session, seconds that it lasts) for a token or a link, which is used up by it."""
    now = now_us()
    with db.write() as connection:
        row = connection.execute(sa.select(tokens).where(tokens.c.hash == digest(secret))).first()
        if row is None or row.revoked_us is not None or row.expires_us <= now:
            return None
        if row.once:
            fresh = sa.update(tokens).where(tokens.c.id == row.id, tokens.c.used_us.is_(None)).values(used_us=now)
            if connection.execute(fresh).rowcount != 1:
                return None
        lasts = limits.field_session_s if row.role == "field" else limits.staff_session_s
        end = now + lasts * SECOND_US
        if not row.once:
            end = min(end, row.expires_us)
        session, csrf = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
        connection.execute(sa.delete(sessions).where(sessions.c.expires_us <= now))
        connection.execute(sa.insert(sessions).values(
            hash=digest(session), token=row.id, csrf=csrf, created_us=now, expires_us=end))  # fmt: skip
        write_down(connection, row.name, row.role, "sign in", "by one-time link" if row.once else "by token")
    return Person(row.name, row.role, row.id, csrf, row.zone, row.datum), session, (end - now) // SECOND_US


def person_of_session(db: Database, key: str) -> Person | None:
    now = now_us()
    with db.read() as connection:
        row = connection.execute(
            sa.select(tokens, sessions.c.csrf).join(sessions, sessions.c.token == tokens.c.id)
            .where(sessions.c.hash == key, sessions.c.expires_us > now, tokens.c.revoked_us.is_(None))
        ).first()  # fmt: skip
    return None if row is None else Person(row.name, row.role, row.id, row.csrf, row.zone, row.datum)


def sign_out(db: Database, secret: str) -> None:
    with db.write() as connection:
        connection.execute(sa.delete(sessions).where(sessions.c.hash == digest(secret)))


def same_secret(given: str, wanted: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "replace"), wanted.encode())
