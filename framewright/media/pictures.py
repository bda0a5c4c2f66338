"""The pictures of a stretch of frames, as a scorer is to see them: decoded, held, deinterlaced."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from av.video.frame import VideoFrame

from framewright.errors import SourceRefused
from framewright.media.decode import BundleSource, decode_frames
from framewright.media.fields import deinterlaced
from framewright.media.treatment import deinterlaces
from framewright.types import Manifest

__all__ = ["needed_frames", "shown_pictures"]


def needed_frames(manifest: Manifest, start: int, stop: int) -> list[int]:
    """Which frames must be decoded to show the frames ``[start, stop)``; of increasing number.

    Deinterlacing takes a neighbour on either side, of those that are not damaged.
    """
    shown = sorted(set(manifest.pictures(start, stop)))
    if not deinterlaces(manifest.video, manifest.treatment):
        return shown
    return [*_beside(manifest, shown[0], -1), *shown, *_beside(manifest, shown[-1], 1)]


def _beside(manifest: Manifest, frame: int, step: int) -> list[int]:
    """The next frame in a direction that is shown, if there is one."""
    frame += step
    while any(first <= frame < end for first, end in manifest.held):
        frame += step
    return [frame] if 0 <= frame < manifest.frames else []


def shown_pictures(
    manifest: Manifest, bundles: Sequence[BundleSource], start: int, stop: int
) -> Iterator[VideoFrame]:
    """Yield a picture for each of the frames ``[start, stop)``.

    Raises:
        MissingFrames: a frame was not there when its turn came.
        SourceRefused: the source is damaged, or changes its size.
    """
    needed = needed_frames(manifest, start, stop)
    times_shown = Counter(manifest.pictures(start, stop))
    frames = _decoded(manifest, bundles, needed)
    if deinterlaces(manifest.video, manifest.treatment):
        frames = deinterlaced(frames)
    for number, frame in zip(needed, frames, strict=True):
        for _ in range(times_shown[number]):
            yield frame


def _decoded(
    manifest: Manifest, bundles: Sequence[BundleSource], numbers: Sequence[int]
) -> Iterator[VideoFrame]:
    video, first = manifest.video, numbers[0]
    keys = manifest.frame_keys(first, numbers[-1] + 1)
    wanted = [keys[number - first] for number in numbers]
    tolerant = manifest.treatment.on_damage == "hold"
    for frame in decode_frames(bundles, wanted, counted=manifest.counted, tolerant=tolerant):
        if (frame.width, frame.height) != (video.width, video.height):
            raise SourceRefused(
                "unsupported",
                f"the picture size changes from {video.width}x{video.height} to "
                f"{frame.width}x{frame.height}; re-export the video with one size.",
            )
        yield frame
