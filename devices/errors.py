"""What is wrong with an input of a field team, in one line they can act on."""

from __future__ import annotations


class DevicesError(ValueError):
    """Bad input: a file, a description, a register, a port's settings. The text says what, where and the remedy."""
