"""QR codes, to carry a token to a phone."""

from __future__ import annotations

import io
import sys

import segno


def qr_svg(address: str) -> str:
    """A picture that a page can hold."""
    out = io.BytesIO()
    segno.make(address, error="m").save(out, kind="svg", scale=4, border=3, xmldecl=False, svgclass=None,
                                        lineclass=None, light="#fff")  # fmt: skip
    return out.getvalue().decode()


def print_qr(address: str) -> None:
    """On a terminal."""
    segno.make(address, error="l").terminal(out=sys.stdout, compact=True)
