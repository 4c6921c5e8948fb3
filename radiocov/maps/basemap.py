"""The basemap that a file may offer: an address of XYZ tiles, and whether everything lies beside them."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from radiocov.problems import Problem, ProjectError

#: hosts whose tiles are in GCJ-02 or BD-09: all of ours, in WGS 84, lies 100 to 700 m off on them; as in view.js
SHIFTED = re.compile(
    r"(amap|autonavi|gaode|qq|tencent|baidu|bdimg|google\.cn|gtimg|sogou|huawei|geoq)\b", re.IGNORECASE
)


def basemap(address: str, credit: str) -> dict[str, str]:
    """For `build_page`. Raises ProjectError for what is no address of tiles by z, x and y, and without a credit: who
    made a map wants to be named on it."""
    parts = urlsplit(address)
    fits = parts.scheme in ("http", "https") and parts.hostname and not re.search(r"[\s'\";,<>]", address)
    if not fits or any(address.count(f"{{{name}}}") != 1 for name in "zxy"):
        example = "write e.g. https://tile.openstreetmap.org/{z}/{x}/{y}.png"
        raise ProjectError(Problem("--basemap", "", f"{address!r} is no address of tiles by z, x and y", example))
    if not credit.strip():
        said = 'write e.g. --basemap-credit "© OpenStreetMap contributors"'
        raise ProjectError(Problem("--basemap", "", "it needs the credit that its maker asks for", said))
    return {"address": address, "credit": credit.strip()}


def is_shifted(address: str) -> bool:
    return bool(SHIFTED.search(urlsplit(address).netloc))


def origin(address: str) -> str:
    """What a content policy names: scheme, host and port."""
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}"
