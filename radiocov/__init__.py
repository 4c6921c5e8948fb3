"""radiocov: coverage prediction, compliance and planning for public-safety trunked radio networks."""

__version__ = "0.1.0"
