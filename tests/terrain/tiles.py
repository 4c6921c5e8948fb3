"""Small rasters that look like what people have: SRTM, GLO-30, DTED tiles of a field whose heights are known."""

import numpy as np
import rasterio
from affine import Affine


def plane(lon, lat):
    """A plane, which bilinear reading gives back exactly, with heights fit for ground at every place."""
    return 3000.0 + 25.0 * lat + 10.0 * lon


def steep(lat_0, lon_0):
    """A plane of some 3 % around a place."""
    return lambda lon, lat: 3000.0 + 3000.0 * (lat - lat_0) + 1500.0 * (lon - lon_0)


def rough(lon, lat):
    """Hills of some kilometres."""
    return 600.0 + 200.0 * np.sin(lon * 90.0) * np.cos(lat * 110.0)


def write(path, values, transform, crs="EPSG:4326", nodata=None, unit=None, tags=None, **options):
    values = np.asarray(values)
    with rasterio.open(
        path, "w", driver=options.pop("driver", "GTiff"), count=1, height=values.shape[0], width=values.shape[1],
        dtype=values.dtype, crs=crs, transform=transform, nodata=nodata, **options,
    ) as dataset:  # fmt: skip
        dataset.write(values, 1)
        dataset.update_tags(**(tags or {}))
        if unit:
            dataset.set_band_unit(1, unit)
    return path


def degree_tile(path, field, lat, lon, rows, cols, *, registered="cell", dtype=np.float32, **options):
    """One degree from a south-west corner.

    registered: "cell" (edges on the degree), "node" (SRTM: centres on it, both edges included), "glo30" (centres on
    it, the southern and eastern edge left out).
    """
    step_x, step_y = 1 / cols, 1 / rows
    shift = 0.5 if registered == "cell" else 0.0
    if registered == "node":
        rows, cols = rows + 1, cols + 1
    lats = lat + 1 - (np.arange(rows) + shift) * step_y
    lons = lon + (np.arange(cols) + shift) * step_x
    values = field(lons[None, :], lats[:, None]) * np.ones((rows, cols))
    if np.issubdtype(dtype, np.integer):
        values = np.rint(values)
    transform = Affine(step_x, 0, lons[0] - step_x / 2, 0, -step_y, lats[0] + step_y / 2)
    return write(path, values.astype(dtype), transform, **options)


def expected(field, grid):
    rows, cols = np.indices(grid.shape)
    lon, lat = grid.to_lonlat(*grid.centre_xy(rows.astype(float), cols.astype(float)))
    return field(lon, lat)
