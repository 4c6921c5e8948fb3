"""Data that cannot be calibrated to."""

from radiocov.problems import ProjectError


class CalibrationError(ProjectError):
    """Measurements that support no calibration, each fault with what would be right."""
