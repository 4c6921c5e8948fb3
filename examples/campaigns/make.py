"""Turn a measurement campaign into a project and a canonical log, to calibrate on it with `radiocov calibrate`.

    python examples/campaigns/make.py powder FOLDER --terrain DEM -o my-campaign
    radiocov calibrate my-campaign my-campaign/logs.csv

FOLDER holds the files as they were published (`SETS` says of which campaign); DEM is a file or folder of heights.
What a campaign does not publish is assumed here and written down in the note of its project.toml. Another campaign
needs a reader of its own that yields `Link`s, and nothing else.
"""

from __future__ import annotations

import argparse
import bisect
import csv
import datetime as dt
import math
import re
import statistics
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

STAYS_DEG, STAYS_SHARE = 0.001, 0.95  # a receiver stays where so many of its positions are within some 100 m
PLACE_DEG = 0.0005  # one that moves counts as one site while it is within some 50 m
FEWEST_OF_PLACE = 30
MARGIN_KM = 2.0
# noise of 250 kHz at a noise figure of 6 dB, and the 7.5 dB below it at which LoRa still decodes at SF7
LORA_DBM = -174.0 + 10.0 * math.log10(250e3) + 6.0 - 7.5
POWER_DBM = 40.0  # where only a path loss is known, the level is that of this power between isotropic antennas


@dataclass(frozen=True)
class Link:
    """One observation. lat, lon: of the handset; site_lat, site_lon: of the fixed end; carry: which terminal, a key
    of `Campaign.terminals`; below: level_dbm is a limit that the level lies below."""

    time: dt.datetime
    device: str
    lat: float
    lon: float
    site: str
    site_lat: float
    site_lon: float
    level_dbm: float
    carry: str = "hip"
    tx_power_dbm: float | None = None
    below: bool = False


@dataclass
class Campaign:
    """What a campaign is. heights_m: of the fixed ends' antennas, by a pattern of their names, the first that fits;
    terminals: height of the handset by way of carrying; talk_in: the handset sends."""

    name: str
    frequency_mhz: float
    links: list[Link]
    heights_m: dict[str, float]
    terminals: dict[str, float] = field(default_factory=lambda: {"hip": 1.5})
    talk_in: bool = True
    power_dbm: float = POWER_DBM
    settings: dict[str, object] = field(default_factory=dict)
    assumed: str = ""
    left_out: Counter = field(default_factory=Counter)


def day_of(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


def rows_of(path: Path) -> Iterator[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        yield from csv.DictReader(file)


def undated(links: Iterable[Link], date: str) -> list[Link]:
    """Links of a campaign without times, at each new place some time later, as a walk from one to the next takes."""
    links, places = list(links), {}
    for k in links:
        places.setdefault((k.lat, k.lon), len(places))
    step = dt.timedelta(hours=10.0) / max(len(places), 1)
    return [replace(k, time=day_of(date) + places[k.lat, k.lon] * step) for k in links]


# ------------------------------------------------------------------------------------------------- the campaigns
def powder(folder: Path) -> Campaign:
    """Handset at 462.7 MHz heard by receivers of the POWDER testbed, Salt Lake City."""
    links, left_out = [], Counter()
    for path in sorted(folder.glob("links*.csv")):
        for row in rows_of(path):
            lat, lon, site_lat, site_lon = (float(row[k]) for k in ("tx_lat", "tx_lon", "rx_lat", "rx_lon"))
            if not site_lat or not lat:
                left_out["position 0, 0"] += 1
                continue
            # relative levels keep their differences; 30 dB lower they are within what a log may hold
            links.append(Link(day_of(row["timestamp"]), "handset", lat, lon, row["receiver"], site_lat, site_lon,
                              float(row["rss_rel_db"]) - 30.0))  # fmt: skip
    heights = {"bus": 3.0, "cnode": 10.0, ".*nuc": 5.0, "": 20.0}
    return Campaign("POWDER, Salt Lake City", 462.7, links, heights, power_dbm=30.0, left_out=left_out,
                    settings={"levels": "relative"},
                    assumed="antenna heights 20 m on roofs (cbrssdr, cellsdr), 10 m (cnode), 5 m (nuc), 3 m (buses); "
                            "times taken as UTC; levels are relative, 30 dB lower than published")  # fmt: skip


def bekaa(folder: Path) -> Campaign:
    """LoRa path loss in the Bekaa valley, 868 MHz."""
    carries = {"0.2": "dash", "1.5": "hip", "3.0": "roof"}
    links = [
        Link(day_of("2019-01-01"), f"node-{row['ht']}", float(row["tlatitude"]), float(row["tlongitude"]), "gateway",
             float(row["latitude"]), float(row["longitude"]), POWER_DBM - float(row["pathloss"]), carries[row["ht"]])
        for row in rows_of(folder / "pathloss.csv")
    ]  # fmt: skip
    return Campaign("Bekaa valley, Lebanon", 868.0, undated(links, "2019-01-01"), {"": 12.0},
                    {"dash": 0.5, "hip": 1.5, "roof": 3.0}, settings={"overload_dbm": 0.0},
                    assumed="no times: all one day; nodes at 0.2 m taken as 0.5 m")  # fmt: skip


def ota(folder: Path) -> Campaign:
    """Base station to a car in Ota, Nigeria, 1800 MHz."""
    links = [
        Link(day_of("2019-01-01"), "car", float(row["latitude"]), float(row["longitude"]), "base",
             float(row["tlatitude"]), float(row["tlongitude"]), POWER_DBM - float(row["pathloss"]))
        for row in rows_of(folder / "pathloss.csv")
    ]  # fmt: skip
    return Campaign("Ota, Nigeria", 1800.0, undated(links, "2019-01-01"), {"": 30.0}, talk_in=False,
                    settings={"levels": "relative"},
                    assumed="radiated power and pattern unknown: an omni, levels relative; no times: all one day")


def perth(folder: Path) -> Campaign:
    """LoRa runs on the campus of the University of Western Australia, 916 MHz; lost packets are silences."""
    fixed = {row["site"]: (float(row["lat"]), float(row["lon"])) for row in rows_of(folder / "receivers.csv")}
    links, left_out = [], Counter()
    for path in sorted(folder.glob("*-Receiver.csv")):
        day, month, site, _, power = path.stem.split("-")[:5]
        date, tx_power = f"2022-{month}-{day}", float(power.removesuffix("dBm"))
        run = path.stem.removesuffix("-Receiver")[:32]  # runs overlap in time: each had a sender of its own
        heard: dict[int, dt.datetime] = {}
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            cells = line.split(",")
            try:
                number, lat, lon, level = int(cells[1]), float(cells[2]), float(cells[3]), float(cells[9])
                own = float(cells[12]), float(cells[13])
                time = day_of(f"{date} {cells[0].strip()}")
            except (ValueError, IndexError):
                left_out["broken line"] += 1
                continue
            heard[number] = time
            place = fixed.get(site, own)
            if not lat or not place[0] or abs(lat - place[0]) + abs(lon - place[1]) > 0.1:
                left_out["false position"] += 1
                continue
            links.append(Link(time, run, lat, lon, site, *place, level, "hip", tx_power))
        known = sorted(heard)
        sender = path.with_name(path.name.replace("-Receiver", "-Sender"))
        for line in sender.read_text(encoding="utf-8").splitlines() if sender.is_file() else ():
            cells = line.split(",")
            try:
                number, lat, lon = int(cells[0]), float(cells[1]), float(cells[2])
            except (ValueError, IndexError):
                continue
            place = fixed[site]
            if number not in heard and known and lat and abs(lat - place[0]) + abs(lon - place[1]) <= 0.1:
                after = known[min(bisect.bisect(known, number), len(known) - 1)]
                links.append(Link(heard[after], run, lat, lon, site, *place, round(LORA_DBM, 1), "hip", tx_power,
                                  True))  # fmt: skip
    return Campaign("UWA, Perth", 916.04, links, {"": 2.0}, power_dbm=20.0, left_out=left_out,
                    settings={"levels": "relative"},
                    assumed="antenna gains unknown: levels relative; receivers at 2 m, senders at 1.5 m")


def grenoble(folder: Path) -> Campaign:
    """Two emitters on a cliff over Grenoble, one median a link, 868 MHz."""
    links = [
        Link(day_of("2023-07-01"), row["device"], 45.23513, 5.7617, row["gateway"][:8], float(row["gw_lat_geohash6"]),
             float(row["gw_lon_geohash6"]), float(row["rssi_median"]))
        for row in rows_of(folder / "links_per_gateway.csv")
    ]  # fmt: skip
    return Campaign("Saint Eynard, Grenoble", 868.0, links, {"": 10.0},
                    settings={"levels": "relative"},
                    assumed="radiated power unknown: levels relative; gateways at 10 m")  # fmt: skip


SETS = {"powder": powder, "bekaa": bekaa, "ota": ota, "perth": perth, "grenoble": grenoble}
FOLDERS = {"powder": "powder_slc_462mhz", "bekaa": "lebanon_bekaa_868mhz", "ota": "nigeria_ota_1800mhz",
           "perth": "uwa_perth_916mhz", "grenoble": "grenoble_saint_eynard_868mhz"}  # fmt: skip


# ---------------------------------------------------------------------------------------------------- the project
PROJECT = """\
[project]
name = "{name}"
note = "Assumed: {assumed}"

[grid]
resolution_m = {resolution}
extent = [{west:.5f}, {south:.5f}, {east:.5f}, {north:.5f}]

[terrain]
elevation = ["{terrain}"]
surface = false
voids = "sea"

[model]
radius_km = {radius:.1f}
frequency_mhz = {frequency}

{terminals}
[[services]]
id = "handset"
terminal = "{first}"
direction = "{direction}"

[policy]
file = "policy.toml"

[calibration]
near_m = 20
{settings}
"""
TERMINAL = """\
[[terminals]]
id = "{id}"
height_m = {height}
power_dbm = {power}
carry_loss_db = 0
"""
POLICY = """\
id = "campaign"
name = "A campaign, not judged"
[[periods]]
id = "now"
end = 2030-12-31
[[targets]]
class = "urban"
measure = "area"
service = "handset"
share = { now = 0.5 }
"""


def write(campaign: Campaign, terrain: Path, folder: Path, resolution_m: float) -> Path:
    """Write project.toml, policy.toml, sites.csv and logs.csv; the path of the log."""
    links = list(fixed(campaign))
    if not links:
        raise SystemExit(f"{campaign.name}: there is no link to write")
    folder.mkdir(parents=True, exist_ok=True)
    lats = [v for link in links for v in (link.lat, link.site_lat)]
    lons = [v for link in links for v in (link.lon, link.site_lon)]
    margin = MARGIN_KM / 111.0
    wide = margin / math.cos(math.radians(max(map(abs, lats))))
    farthest = max(distance_km(link) for link in links)
    given = {key: f'"{value}"' if isinstance(value, str) else value for key, value in campaign.settings.items()}
    given["carried"] = "{ " + ", ".join(f'{carry} = "{carry}"' for carry in campaign.terminals) + " }"
    text = PROJECT.format(
        name=campaign.name, assumed=campaign.assumed, resolution=resolution_m, terrain=terrain.resolve().as_posix(),
        west=min(lons) - wide, east=max(lons) + wide, south=min(lats) - margin, north=max(lats) + margin,
        radius=max(1.0, math.ceil(farthest + 0.5)), frequency=campaign.frequency_mhz,
        terminals="\n".join(TERMINAL.format(id=carry, height=height, power=campaign.power_dbm)
                            for carry, height in campaign.terminals.items()),
        first=next(iter(campaign.terminals)), direction="talk-in" if campaign.talk_in else "talk-out",
        settings="\n".join(f"{key} = {value}" for key, value in given.items()),
    )  # fmt: skip
    (folder / "project.toml").write_text(text, encoding="utf-8")
    (folder / "policy.toml").write_text(POLICY, encoding="utf-8")
    sites = {link.site: link for link in links}
    with (folder / "sites.csv").open("w", encoding="utf-8", newline="") as file:
        out = csv.writer(file)
        out.writerow(["id", "longitude", "latitude", "antenna_height_m", "power_dbm", "losses_db", "gain_dbi"])
        for name, link in sorted(sites.items()):
            height = next(h for pattern, h in campaign.heights_m.items() if re.match(pattern, name))
            out.writerow([name, link.site_lon, link.site_lat, height, campaign.power_dbm, 0, 0])
    log = folder / "logs.csv"
    with log.open("w", encoding="utf-8", newline="") as file:
        out = csv.writer(file)
        out.writerow(["time_utc", "device_id", "lat", "lon", "datum_in", "direction", "site_id", "carry",
                      "rssi_dbm", "rssi_censor", "tx_power_dbm"])  # fmt: skip
        for link in links:
            out.writerow([link.time.isoformat(), link.device, f"{link.lat:.7f}", f"{link.lon:.7f}", "wgs84",
                          "talk_in" if campaign.talk_in else "talk_out", link.site, link.carry,
                          f"{link.level_dbm:.2f}", "below" if link.below else "none",
                          "" if link.tx_power_dbm is None else link.tx_power_dbm])  # fmt: skip
    return log


def fixed(campaign: Campaign) -> Iterable[Link]:
    """Links whose far end stays: a receiver that moves becomes a site for each place where it was for long enough."""
    by_site: dict[str, list[Link]] = {}
    for link in campaign.links:
        by_site.setdefault(link.site, []).append(link)
    for name, links in by_site.items():
        lat, lon = (statistics.median(v) for v in ([k.site_lat for k in links], [k.site_lon for k in links]))
        near = [k for k in links if abs(k.site_lat - lat) + abs(k.site_lon - lon) <= STAYS_DEG]
        if len(near) >= STAYS_SHARE * len(links):
            campaign.left_out["false position of a receiver"] += len(links) - len(near)
            yield from (replace(k, site_lat=lat, site_lon=lon) for k in near)
            continue
        places: dict[tuple[int, int], list[Link]] = {}
        for k in links:
            places.setdefault((round(k.site_lat / PLACE_DEG), round(k.site_lon / PLACE_DEG)), []).append(k)
        stops = [there for _, there in sorted(places.items()) if len(there) >= FEWEST_OF_PLACE]
        campaign.left_out["moving receiver, too short at a place"] += len(links) - sum(map(len, stops))
        for number, there in enumerate(stops, start=1):
            lat, lon = (statistics.mean(v) for v in ([k.site_lat for k in there], [k.site_lon for k in there]))
            yield from (replace(k, site=f"{name}@{number}", site_lat=lat, site_lon=lon) for k in there)


def distance_km(link: Link) -> float:
    north = (link.lat - link.site_lat) * 111.2
    return math.hypot(north, (link.lon - link.site_lon) * 111.2 * math.cos(math.radians(link.lat)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("set", choices=SETS, help="which campaign the folder holds")
    parser.add_argument("folder", type=Path, help="its files as published")
    parser.add_argument("--terrain", type=Path, required=True, help="a file or folder of heights")
    parser.add_argument("--resolution", type=float, default=50.0, help="of the grid, m (default 50)")
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder of the project to write")
    given = parser.parse_args()
    campaign = SETS[given.set](given.folder)
    log = write(campaign, given.terrain, given.output, given.resolution)
    for why, n in (+campaign.left_out).items():
        print(f"left out: {n:,} links ({why})", file=sys.stderr)
    print(log)


if __name__ == "__main__":
    main()
