"""Where tiles come from: the public buckets, a mirror of them, a folder."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from terrain.download import NotThere, Receipt, Told, download, read_text
from terrain.errors import TerrainError
from terrain.files import sha256_of, whole
from terrain.products import Product, TileName

T = TypeVar("T")


@dataclass(frozen=True)
class Mirror:
    """The public buckets (no place), a folder searched to the bottom, or an address.

    Under an address the buckets lie by name (ADDRESS/copernicus-dem-30m/...), or it is itself one bucket, or tiles
    lie flat under it.
    """

    place: str | None = None

    def folder(self) -> Path | None:
        return None if self.place is None or "://" in self.place else Path(self.place)

    def checked(self) -> Mirror:
        """Itself. TerrainError for a place that is neither a folder nor an address."""
        folder = self.folder()
        if folder is not None and not folder.is_dir():
            raise TerrainError(f"{folder}: there is no such folder; give a folder or an address such as https://…")
        if folder is None and self.place is not None and not self.place.startswith(("http://", "https://")):
            raise TerrainError(f"{self.place}: give a folder or an address that begins with http:// or https://")
        return self


class Origin:
    """The tiles of one product in a mirror. kept: the product's folder in the cache; patience: as of `download`."""

    def __init__(self, product: Product, mirror: Mirror, kept: Path, patience: dict[str, Any]) -> None:
        self._product, self._folder, self._kept, self._patience = product, mirror.folder(), kept, patience
        if mirror.place is None:
            self._layouts = [product.url + "/{key}"]
        else:
            base = mirror.place.rstrip("/")
            self._layouts = [f"{base}/{product.bucket}/{{key}}", f"{base}/{{key}}", f"{base}/{{file}}"]
        self._names: set[str] | None = None
        self._asked = False

    def bring(self, tile: TileName, path: Path, told: Told) -> tuple[str, Receipt]:
        """A tile into a file, and the name it has there. NotThere where there is none; else as `download`."""
        if self._folder is not None:
            found = next(iter(sorted(self._folder.rglob(tile.file))), None)
            if found is None:
                raise NotThere(tile.file)
            shutil.copyfile(found, path)
            receipt = Receipt(path.stat().st_size, "", sha256_of(path))
            told(receipt.size, receipt.size)
            return str(found), receipt
        names = self.names()
        if names is not None and tile.stem not in names:
            raise NotThere(tile.stem)
        return self._first(tile.key, tile.file, lambda url: (url, download(url, path, told, **self._patience)))

    def names(self) -> set[str] | None:
        """The tiles that exist, asked for once; None where there is no list."""
        if not self._asked:
            text = self._list()
            self._names = set(text.split()) if text else None
            self._asked = True
        return self._names

    def _list(self) -> str | None:
        name = self._product.tile_list
        if name is None:
            return None
        kept = self._kept / name
        if self._folder is not None:
            found = [*sorted(self._folder.rglob(name)), kept]
            return next((path.read_text(encoding="utf-8") for path in found if path.is_file()), None)
        try:
            text = self._first(name, name, lambda url: read_text(url, **self._patience))
        except NotThere:
            return kept.read_text(encoding="utf-8") if kept.is_file() else None
        with whole(kept) as partial:
            partial.write_text(text, encoding="utf-8")
        return text

    def _first(self, key: str, file: str, get: Callable[[str], T]) -> T:
        """What the first layout gives that has the file; the others are not asked again."""
        for layout in list(self._layouts):
            try:
                result = get(layout.format(key=key, file=file))
            except NotThere:
                continue
            if key != file:  # a list lies alike in two layouts
                self._layouts = [layout]
            return result
        raise NotThere(file)
