"""The one error of this package."""


class TerrainError(ValueError):
    """An input about the ground that cannot be used; the message names the file or key and the remedy."""
