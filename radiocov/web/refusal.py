"""What a person asked and can't have: a status of HTTP, a code that stays the same, a sentence to act on."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel


class Refusal(Exception):
    """Becomes the answer {"error": code, "message": text, ...more}."""

    def __init__(self, status: int, code: str, message: str, headers: dict[str, str] | None = None,
                 **more: Any) -> None:  # fmt: skip
        super().__init__(message)
        self.status, self.code, self.headers, self.more = status, code, headers, more

    def body(self) -> dict[str, Any]:
        return {"error": self.code, "message": str(self), **self.more}


class RefusalBody(BaseModel):
    """An error: a code that programs may rely on, and words for people."""

    error: str
    message: str


#: for the OpenAPI document
ANSWERS: dict[int | str, dict[str, Any]] = {
    status: {"model": RefusalBody, "description": text}
    for status, text in (
        (400, "Something given cannot be."), (401, "Not signed in, or the token is expired or revoked."),
        (403, "Signed in, but not for this."), (404, "Not there, or not yours."),
        (409, "Not in this state."), (413, "Too large."), (415, "Not of a kind that is taken."),
        (422, "Not of the form that this document describes."), (429, "Too many requests; see Retry-After."),
        (503, "Busy or failing; try later."), (507, "No room on the server's disk."),
    )
}  # fmt: skip
