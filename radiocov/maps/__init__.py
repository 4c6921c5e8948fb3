"""The manager's map: one HTML file that explains a network's coverage without a network connection."""

from radiocov.maps.data import (
    MapArea,
    MapBoundary,
    MapData,
    MapGap,
    MapMeasured,
    MapRoad,
    MapService,
    MapState,
    bilingual,
    compliance_rows,
)
from radiocov.maps.page import build_page

__all__ = [
    "MapArea",
    "MapBoundary",
    "MapData",
    "MapGap",
    "MapMeasured",
    "MapRoad",
    "MapService",
    "MapState",
    "bilingual",
    "build_page",
    "compliance_rows",
]
