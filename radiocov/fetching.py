"""`radiocov terrain fetch`: the public data sets for a project's extent, and the project told where they are."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

from radiocov.files import write_text
from radiocov.inputs import Inputs, project_grid
from radiocov.project import Project
from radiocov.toml_lines import key_lines
from terrain.download import FetchError
from terrain.fetch import Fetched, fetch, plan
from terrain.files import cache_folder, is_there
from terrain.mirror import Mirror
from terrain.products import GLO30, PRODUCTS, WORLDCOVER, Product, TileName, tiles_of
from terrain.rasters import Progress, no_progress

FOLDER = "terrain"  # of a project; each product has its own in it


def wanted_tiles(inputs: Inputs, only: str | None = None) -> dict[Product, list[TileName]]:
    """The tiles that meet a project's grid, by product. ProjectError where there is no grid."""
    extent = project_grid(inputs).lonlat_bounds()
    products = PRODUCTS.values() if only is None else [PRODUCTS[only]]
    return {product: list(tiles_of(product, extent)) for product in products}


def plan_tiles(inputs: Inputs, only: str | None = None) -> dict[Product, dict[str, str]]:
    """What fetching would do with each tile; nobody is asked."""
    cache = cache_folder()
    return {
        product: plan(tiles, _folder(inputs.project, product), cache)
        for product, tiles in wanted_tiles(inputs, only).items()
    }


def fetch_tiles(
    inputs: Inputs, place: str | None = None, only: str | None = None, *, missing_is_sea: bool = False,
    progress: Progress = no_progress, **patience: Any,
) -> list[Fetched]:  # fmt: skip
    """Bring the tiles of a project into it; place: a mirror. FetchError, an OSError, says how far it came."""
    mirror = Mirror(place).checked()
    results = []
    for product, tiles in wanted_tiles(inputs, only).items():
        folder = _folder(inputs.project, product)
        try:
            results.append(
                fetch(product, tiles, folder, mirror, cache_folder(), progress, missing_is_sea=missing_is_sea,
                      **patience)
            )  # fmt: skip
        except FetchError as error:
            there = sum(state != "to fetch" for state in plan(tiles, folder, cache_folder()).values())
            raise FetchError(
                f"{error}; {there} of {len(tiles)} tiles of {product.label} are there and stay: run it again to go "
                "on, or give a mirror with --from FOLDER or --from ADDRESS"
            ) from error
    return results


def _folder(project: Project, product: Product) -> Path:
    return project.resolve(f"{FOLDER}/{product.id}")


def advice(project: Project, products: list[Product]) -> str:
    """The lines of project.toml that use what was fetched; "" where the project names it already."""
    named = {path.resolve() for path in [*project.elevation_files, *project.landcover_files]}
    lines = []
    if WORLDCOVER in products and _folder(project, WORLDCOVER).resolve() not in named:
        lines += ["[terrain]", f'landcover = "{FOLDER}/{WORLDCOVER.id}"', 'legend = "esa-worldcover"']
    if GLO30 in products and _folder(project, GLO30).resolve() not in named:
        lines += ["[[terrain.sources]]", f'files = "{FOLDER}/{GLO30.id}"', f'label = "{GLO30.label}"',
                  "surface = true   # trees and buildings are in the heights: no clutter on top"]  # fmt: skip
    return "\n".join(lines)


def adopt(project: Project, products: list[Product]) -> list[str]:
    """Let a project file that still names the example's rasters, which are not there, name the fetched folders.

    Only where nothing else in the file changes by it; returns what was changed, in words.
    """
    text = project.path.read_bytes().decode("utf-8")  # with its own line ends
    changes = []
    terrain = project.terrain
    if GLO30 in products and terrain.sources is None and terrain.surface:
        changes.append((GLO30, "elevation", '["terrain/elevation.tif"]', f'["{FOLDER}/{GLO30.id}"]'))
    if WORLDCOVER in products and terrain.legend == "esa-worldcover":
        changes.append((WORLDCOVER, "landcover", '"terrain/landcover.tif"', f'"{FOLDER}/{WORLDCOVER.id}"'))
    done = []
    credits = []
    for product, key, old, new in changes:
        changed = None if is_there(project.resolve(old.strip('[]"'))) else _replaced(text, key, old, new)
        if changed is not None:
            text = changed
            credits.append(product.licence[0])
            done.append(f"{project.path.name}: terrain.{key} = {new} (was {old}, which is not there)")
    credit = json.dumps("; ".join(credits), ensure_ascii=False)
    credited = _replaced(text, "source", '""', credit) if credits else None
    if credited is not None:
        text = credited
        done.append(f"{project.path.name}: terrain.source names them, as their licences ask for")
    if done:
        write_text(project.path, text)
    return done


def _replaced(text: str, key: str, old: str, new: str) -> str | None:
    """The file with one value of [terrain] replaced; None unless the parsed file changes by just that."""
    lines = text.split("\n")
    number = key_lines(_plain(text)).get(("terrain", key))
    if number is None:
        return None
    line, count = re.subn(rf"^(\s*{key}\s*=\s*){re.escape(old)}", lambda m: m[1] + new, lines[number - 1])
    if count != 1:
        return None
    lines[number - 1] = line
    result = "\n".join(lines)
    before, after = tomllib.loads(_plain(text)), tomllib.loads(_plain(result))
    before["terrain"][key] = tomllib.loads(f"value = {new}")["value"]
    return result if before == after else None


def _plain(text: str) -> str:
    return text.removeprefix("\ufeff").replace("\r\n", "\n")
