"""radiocov: coverage of public-safety trunked radio networks, predicted, judged and shown."""

import hashlib as _hashlib
import os as _os
import shutil as _shutil
import sys as _sys
from pathlib import Path as _Path

__version__ = "0.1.0"
KEPT_CACHES = 3


def kernel_digest() -> str:
    """Hash of the content of all sources with kernels; equal kernels give equal losses."""
    home = _Path(__file__).parent
    digest = _hashlib.blake2b(digest_size=8)
    for source in sorted([*home.rglob("*.py"), *(home.parent / "terrain").glob("*.py")]):
        text = source.read_bytes()
        if b"njit" in text or b"kernel" in text or b"inlined" in text or b"vectorize" in text:
            digest.update(text)
    return digest.hexdigest()


def _use_kernel_cache() -> None:
    """Have numba keep compiled kernels in a folder named after the content of all sources with kernels.

    Its own cache looks at the file of the outer function alone: after an update it would go on using inner
    functions as they were, and give old results without a word.
    """
    if "NUMBA_CACHE_DIR" in _os.environ:
        return
    home = _Path(__file__).parent
    place = home / "__pycache__"
    if not _os.access(place if place.is_dir() else home, _os.W_OK):
        place = _Path(_os.environ.get("LOCALAPPDATA") or _os.environ.get("XDG_CACHE_HOME") or _Path.home() / ".cache")
        place /= "radiocov"
    folder = place / f"kernels-{kernel_digest()}"
    if not folder.is_dir():
        for old in sorted(place.glob("kernels-*"), key=_os.path.getmtime)[:-KEPT_CACHES]:
            _shutil.rmtree(old, ignore_errors=True)
    _os.environ["NUMBA_CACHE_DIR"] = str(folder)
    if "numba" in _sys.modules:
        _sys.modules["numba"].config.CACHE_DIR = str(folder)


_use_kernel_cache()
# MiB; GDAL would else keep a twentieth of the machine's memory in blocks that it has already written
_os.environ.setdefault("GDAL_CACHEMAX", "128")
