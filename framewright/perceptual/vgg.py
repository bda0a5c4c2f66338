"""torchvision's VGG-19: downloaded once, checked, cut to the slice, and only that kept."""

from __future__ import annotations

import re
import tempfile
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

from framewright.errors import ScorerOptionError
from framewright.files import PARTIAL_PREFIX, file_sha256
from framewright.perceptual.cache import EncoderCache
from framewright.perceptual.slices import VggEncoder, read_slice

__all__ = ["fetch_vgg19", "load_vgg19"]

_NAME = "vgg19"
_HASH_IN_NAME = re.compile(r"-([0-9a-f]{8,64})\.")
_MAX_BYTES = 1 << 30
_PIECE = 1 << 20
_TIMEOUT = 30.0
"""Seconds without a byte."""


def load_vgg19(folder: Path, url: str = "") -> VggEncoder:
    """Return torchvision's VGG-19 as an encoder; see ``fetch_vgg19``."""
    return VggEncoder(fetch_vgg19(folder, url).read_bytes())


def fetch_vgg19(folder: Path, url: str = "") -> Path:
    """Make sure that the slice of torchvision's VGG-19 is in a cache folder.

    The first call downloads the whole network, 548 MB, unless its file lies in the folder already,
    and keeps 2.2 MB of it. Later calls read nothing but the slice. For the driver: workers
    get the slice as an asset. Two processes at once do the same work and leave the same file.

    Args:
        folder: of an ``EncoderCache``.
        url: where the file is; by default where torchvision has it. Its name ends with the
            beginning of its sha256, as ``vgg19-<hash>.pth``.

    Returns:
        The slice, a safetensors file.

    Raises:
        ScorerOptionError: it cannot be downloaded, or is not the file that it should be.
    """
    cache = EncoderCache(folder)
    if (kept := cache.named(_NAME)) is not None:
        return kept
    if not url:
        from torchvision.models import VGG19_Weights

        url = VGG19_Weights.IMAGENET1K_V1.url
    name = Path(urlsplit(url).path).name
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=PARTIAL_PREFIX, dir=folder) as scratch:
        path = folder / name
        if not path.exists():
            path = Path(scratch) / name
            _download(url, path, folder)
        kept = cache.keep(_checked_slice(path))
    cache.name(_NAME, kept)
    return kept


def _checked_slice(path: Path) -> bytes:
    beginning = _HASH_IN_NAME.search(path.name)
    if beginning is None:
        raise ValueError(f"{path.name!r} does not end with the beginning of its sha256")
    found = file_sha256(path)
    if not found.startswith(beginning[1]):
        raise ScorerOptionError(
            f"{path.name} has sha256 {found[:12]}, which does not begin with {beginning[1]}: it is "
            "damaged or another file. Delete it where you put it by hand, and try again."
        )
    try:
        return read_slice(path)
    except ValueError as error:
        raise ScorerOptionError(f"{path.name} is not torchvision's VGG-19: {error}.") from error


def _download(url: str, path: Path, folder: Path) -> None:
    """Write what an address gives to a file."""
    try:
        with (
            urllib.request.urlopen(url, timeout=_TIMEOUT) as answer,  # noqa: S310  a fixed address
            path.open("wb") as stream,
        ):
            size = 0
            while piece := answer.read(_PIECE):
                size += len(piece)
                if size > _MAX_BYTES:
                    raise OSError(f"more than {_MAX_BYTES} bytes")
                stream.write(piece)
    except (OSError, urllib.error.URLError) as error:
        raise ScorerOptionError(
            f"VGG-19 cannot be downloaded from {url} ({error}). Where this machine may not, get "
            f"the file elsewhere and put it into {folder} as {path.name}; or use the option "
            "encoder=small, which needs no download."
        ) from error
