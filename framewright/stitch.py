"""Stitch scored units into the finished video: verified, then published whole."""

from __future__ import annotations

import hashlib
import logging
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from framewright.errors import EngineBug, InputError, OutputRefused, VerificationError
from framewright.media.containers import container_for
from framewright.media.mux import Muxed, mux
from framewright.media.verify import verify_output
from framewright.score import scored_unit
from framewright.settings import Settings, get_settings
from framewright.storage import Store
from framewright.types import (
    Manifest,
    Progress,
    ProgressCallback,
    Record,
    ScoredUnit,
    StreamOutcome,
)

__all__ = ["Stitched", "stitch"]

logger = logging.getLogger(__name__)


class Stitched(Record):
    """A finished video."""

    output: str
    sha256: str
    size_bytes: int
    width: int
    height: int
    frames: int
    duration_seconds: float
    streams: tuple[StreamOutcome, ...]
    warnings: tuple[str, ...]
    seconds: float


def stitch(
    store: Store,
    manifest: Manifest,
    source: Path,
    output: Path,
    *,
    settings: Settings | None = None,
    progress: ProgressCallback | None = None,
) -> Stitched:
    """Join a job's scored units and the source's other streams, check the file, and publish it.

    ``output`` appears whole and verified, or not at all; a file that was there before stays until
    then.

    Raises:
        EngineBug: units are missing, or the file does not read back as planned.
        InputError: ``source`` is not the file that was split.
        OutputRefused: the folder of ``output`` cannot be written to.
    """
    started = time.perf_counter()
    settings = settings or get_settings()
    units = _scored_units(store, manifest)
    video = manifest.video
    _check_source(source, manifest)

    def report(frames: int) -> None:
        if progress:
            progress(Progress("stitch", frames, manifest.frames))

    with (
        _unpublished(output) as partial,
        tempfile.TemporaryDirectory(
            prefix="framewright-", dir=settings.scratch_folder or None
        ) as folder,
    ):
        muxed = mux(
            source,
            manifest,
            _Clips(store, manifest, units, Path(folder)),
            max(unit.reorder_frames for unit in units),
            partial,
            output.suffix.lower(),
            Path(folder),
            settings,
            report,
        )
        rounding = _verify(partial, manifest, muxed, output.suffix)
        digest, size_bytes = _sha256(partial), partial.stat().st_size
    seconds = time.perf_counter() - started
    logger.info("%s: %d frames, verified, in %.1f s", output.name, manifest.frames, seconds)
    last = manifest.pts.unpack()[-1] + manifest.last_duration_ticks - manifest.pts.first
    return Stitched(
        output=str(output),
        sha256=digest,
        size_bytes=size_bytes,
        width=muxed.width,
        height=muxed.height,
        frames=manifest.frames,
        duration_seconds=float(last * video.time_base),
        streams=tuple(muxed.outcomes + rounding),
        warnings=video.warnings,
        seconds=seconds,
    )


def _check_source(source: Path, manifest: Manifest) -> None:
    size_bytes = source.stat().st_size
    if size_bytes != manifest.source.size_bytes:
        raise InputError(
            f"{source.name!r} is not the file that was split: it has {size_bytes} bytes, then it "
            f"had {manifest.source.size_bytes}. Leave the source alone until the run is done."
        )


def _scored_units(store: Store, manifest: Manifest) -> list[ScoredUnit]:
    found = [scored_unit(store, manifest, unit.index) for unit in manifest.units]
    missing = [str(index) for index, unit in enumerate(found) if unit is None]
    if missing:
        raise EngineBug(f"units {', '.join(missing[:20])} are not scored yet; score them first.")
    return [unit for unit in found if unit is not None]


class _Clips:
    """Fetches units' clips one at a time, so that the disk holds one, and checks their hash."""

    def __init__(
        self, store: Store, manifest: Manifest, units: list[ScoredUnit], folder: Path
    ) -> None:
        self._store = store
        self._manifest = manifest
        self._units = units
        self._folder = folder
        self._held = -1

    def __call__(self, index: int) -> Path:
        path = self._folder / "clip.mp4"
        if index != self._held:
            key = self._manifest.unit_video_key(index)
            self._store.download(key, path)
            if _sha256(path) != self._units[index].video_sha256:
                raise VerificationError(
                    f"the clip of unit {index} is not the one that was scored: delete {key} from "
                    f"{self._store.url!r} and run again, it is scored anew."
                )
            self._held = index
        return path


def _verify(path: Path, manifest: Manifest, muxed: Muxed, suffix: str) -> list[StreamOutcome]:
    tick = container_for(suffix).tick
    planned = [ticks * manifest.video.time_base for ticks in muxed.pts]
    error = verify_output(path, planned, muxed.audio_sha256, tick)
    if not error:
        return []
    return [
        StreamOutcome(
            stream=manifest.video.stream_index,
            kind="video",
            action="changed",
            detail=f"times rounded by up to {float(error) * 1000:.3f} ms: {suffix} counts in ms",
        )
    ]


@contextmanager
def _unpublished(output: Path) -> Iterator[Path]:
    """Give a path beside ``output`` that becomes it on success and vanishes on failure."""
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=".framewright-", dir=output.parent)
    except OSError as error:
        raise OutputRefused(
            f"cannot write to the folder {str(output.parent)!r}: {error.strerror}; "
            "name another output or change its permissions."
        ) from error
    os.close(descriptor)
    partial = Path(name)
    try:
        yield partial
        os.chmod(partial, 0o666 & ~_umask())
        with partial.open("rb") as stream:
            os.fsync(stream.fileno())
        partial.replace(output)
    finally:
        partial.unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
