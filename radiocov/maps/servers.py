"""Hues of the best-server map: sites whose areas touch never look alike."""

from __future__ import annotations

import numpy as np

# Eight hues that stay apart under the common colour-vision deficiencies, then lighter and darker versions for
# sites with so many neighbours that eight do not suffice.
HUES = ("#4e79b7", "#ee7d5a", "#3a9a5b", "#d9bf3d", "#7cc9e8", "#a8437f", "#a58a68", "#6b5ca5")
LIGHT = ("#a9bfe0", "#f8bda9", "#9cd0ad", "#efe09a", "#c4e7f6", "#d69bbd", "#d3c3ae", "#b5add6")
DARK = ("#2a4673", "#a8492a", "#1e5a34", "#8e7a1d", "#3a87a6", "#66224b", "#65523a", "#3d3268")
SERVER_COLOURS = HUES + LIGHT + DARK
HUE_CODES = len(SERVER_COLOURS)


def contacts(servers: np.ndarray) -> dict[tuple[int, int], int]:
    """Number of touching pixel pairs (8 neighbours) of each pair of servers, (low, high), 0 left out."""
    size = int(servers.max(initial=0)) + 1
    counts = np.zeros(0, np.int64)
    keys = []
    for one, other in (
        (servers[:, :-1], servers[:, 1:]),
        (servers[:-1], servers[1:]),
        (servers[:-1, :-1], servers[1:, 1:]),
        (servers[:-1, 1:], servers[1:, :-1]),
    ):
        touching = (one != other) & (one != 0) & (other != 0)
        low = np.minimum(one[touching], other[touching]).astype(np.int64)
        keys.append(low * size + np.maximum(one[touching], other[touching]))
    unique, counts = np.unique(np.concatenate(keys), return_counts=True)
    return {(int(k) // size, int(k) % size): int(n) for k, n in zip(unique, counts, strict=True)}


def server_hues(rasters: list[np.ndarray], names: list[dict[int, str]]) -> dict[str, int]:
    """Hue index by site id, the same in every state.

    rasters: best-server indices of each state; names: site id by index of each state. Greedy colouring in the
    order of saturation (DSATUR, Brelaz 1979); a site with no free hue takes the one that touches it least.
    """
    graph: dict[str, dict[str, int]] = {site: {} for table in names for site in table.values()}
    for servers, table in zip(rasters, names, strict=True):
        for (one, other), count in contacts(servers).items():
            if one in table and other in table:
                a, b = table[one], table[other]
                graph[a][b] = graph[a].get(b, 0) + count
                graph[b][a] = graph[b].get(a, 0) + count
    hues: dict[str, int] = {}
    seen: dict[str, dict[int, int]] = {site: {} for site in graph}  # hue around a site -> contact length
    waiting = set(graph)
    while waiting:
        site = max(waiting, key=lambda s: (len(seen[s]), len(graph[s]), s))
        waiting.remove(site)
        used = seen[site]
        taken = list(hues.values())
        # among the free plain hues the least common one, so that the map does not turn into two colours
        free = [h for h in range(len(HUES)) if h not in used]
        if free:
            hues[site] = min(free, key=lambda h: (taken.count(h), h))
        else:  # a tone of the hue that touches least, as far as tones are left
            alike = [sum(n for h, n in used.items() if h % len(HUES) == k) for k in range(len(HUES))]
            spare = [h for h in range(HUE_CODES) if h not in used] or range(HUE_CODES)
            hues[site] = min(spare, key=lambda h: (used.get(h, 0), alike[h % len(HUES)], h))
        for neighbour, count in graph[site].items():
            seen[neighbour][hues[site]] = seen[neighbour].get(hues[site], 0) + count
    return hues
