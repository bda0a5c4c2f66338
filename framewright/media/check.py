"""Decode every frame once before anything is scored, as a worker will, to find damage now.

A frame counts as damaged where the decoder does not give it, marks it as corrupt, or refuses its
packet; so do, in decoding order, all frames up to the next keyframe, which build upon it, and the
leading pictures behind that keyframe. Damage that decodes to some picture without the decoder
noticing (arithmetic coding without a checksum, as in most HEVC and VP9) looks like content.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from pathlib import Path

from av.video.frame import VideoFrame

from framewright.errors import SourceRefused
from framewright.media.bundle import BundleReader, PacketRecord
from framewright.media.decode import (
    BundleSource,
    MissingFrames,
    bundle_file,
    decode_frames,
    shown_frames,
)
from framewright.media.messages import lost_messages
from framewright.media.times import longest_increasing
from framewright.types import FrameRange, Record

__all__ = ["BundleCheck", "check_bundle"]

MAX_PREROLL = 4
"""Bundles before a bundle that its frames may need; intra refresh, which needs most, needs one."""


class BundleCheck(Record):
    """What decoding a bundle has shown."""

    preroll: int = 0
    """Earlier bundles with which decoding must begin."""
    damaged: tuple[FrameRange, ...] = ()
    """Frames, counted from the first of the video, that are not as they were encoded."""
    doubtful: int | None = None
    """First frame in which the decoder conceals an error; whether that is seen is not known."""
    lost: tuple[str, ...] = ()
    """What frames carry beside their pictures and an output will not, a sentence each."""
    interlaced: int | None = None
    """First frame that is flagged as interlaced."""


def check_bundle(
    paths: Sequence[Path],
    wanted: Sequence[int],
    *,
    start_frame: int,
    counted: bool,
    picture: tuple[int, int, str],
    tolerant: bool,
    on_frame: Callable[[], None],
) -> BundleCheck:
    """Decode all frames that a bundle owns.

    Args:
        paths: the bundle's file, last, and at most ``MAX_PREROLL`` of those before it.
        wanted: time stamps of its frames in order, or their numbers where they are counted.
        start_frame: number of its first frame.
        counted: frames are found by counting.
        picture: width and height in pixels, and pixel format, that every frame must have.
        tolerant: return what is damaged, instead of refusing it.
        on_frame: called for each frame decoded.

    Raises:
        SourceRefused: damage that is not tolerated, or a picture of another size or format,
            with the frame's number beside the message.
    """
    sources = [bundle_file(path) for path in paths]
    look = _Look(picture, start_frame, on_frame)
    damage: SourceRefused | None = None
    doubtful: int | None = None
    for preroll, strict in [(0, True), *((count, False) for count in range(len(sources)))]:
        look.frame = start_frame
        first = len(sources) - 1 - preroll
        try:
            frames = decode_frames(
                sources[first:], wanted, counted=counted, strict=strict, on_skipped=on_frame
            )
            for frame in frames:
                look(frame)
            return look.checked(preroll, doubtful=doubtful)
        except MissingFrames:
            damage = _refusal(look.frame)
        except SourceRefused as error:
            if error.reason != "damaged":
                raise
            damage = _refusal(look.frame, "the decoder reports an error in it")
            if not strict:
                break
            doubtful = look.frame
    if damage is None:
        raise AssertionError
    if not tolerant:
        raise damage
    nearest = sources[-2:]
    places = _damaged(nearest, wanted, counted, on_frame)
    concealed = [] if counted else _concealed(nearest, wanted, places, on_frame)
    return look.checked(
        len(nearest) - 1,
        doubtful=start_frame + concealed[0] if concealed else None,
        damaged=ranges(start_frame + place for place in sorted(places)),
    )


class _Look:
    """Looks at each frame that is decoded."""

    def __init__(
        self, picture: tuple[int, int, str], start_frame: int, on_frame: Callable[[], None]
    ) -> None:
        self.frame = start_frame
        """Number of the next frame."""
        self._picture = picture
        self._on_frame = on_frame
        self._lost: dict[str, None] = {}
        self._interlaced: int | None = None

    def __call__(self, frame: VideoFrame) -> None:
        _check_picture(frame, self._picture, self.frame)
        if len(frame.side_data):
            self._lost.update(dict.fromkeys(lost_messages(frame)))
        if frame.interlaced_frame and self._interlaced is None:
            self._interlaced = self.frame
        self.frame += 1
        self._on_frame()

    def checked(
        self, preroll: int, *, doubtful: int | None, damaged: Iterable[FrameRange] = ()
    ) -> BundleCheck:
        return BundleCheck(
            preroll=preroll,
            damaged=tuple(damaged),
            doubtful=doubtful,
            lost=tuple(self._lost),
            interlaced=self._interlaced,
        )


def ranges(numbers: Iterable[int]) -> list[FrameRange]:
    """Return increasing numbers as half-open ranges."""
    runs = groupby(enumerate(numbers), key=lambda pair: pair[1] - pair[0])
    spans = ([number for _, number in run] for _, run in runs)
    return [(span[0], span[-1] + 1) for span in spans]


def _refusal(frame: int, why: str = "it cannot be decoded") -> SourceRefused:
    return SourceRefused("damaged", f"is damaged: {why}", frame)


def _check_picture(frame: VideoFrame, picture: tuple[int, int, str], number: int) -> None:
    width, height, pixel_format = picture
    if (frame.width, frame.height) != (width, height):
        raise SourceRefused(
            "unsupported",
            f"has another size than those before, {frame.width}x{frame.height} instead of "
            f"{width}x{height}",
            number,
        )
    # The letter j only says that the range is full.
    if frame.format.name.replace("yuvj", "yuv") != pixel_format.replace("yuvj", "yuv"):
        raise SourceRefused(
            "unsupported",
            f"has another pixel format than those before, {frame.format.name} instead of "
            f"{pixel_format}",
            number,
        )


def _damaged(
    sources: Sequence[BundleSource],
    wanted: Sequence[int],
    counted: bool,
    on_frame: Callable[[], None],
) -> set[int]:
    """Places in ``wanted`` of the frames that are damaged, or build upon damage."""
    refused: set[int] = set()
    good: list[int] = []
    keys: set[int] = set()

    def refuse(packet: PacketRecord) -> None:
        if packet.pts is not None:
            refused.add(packet.pts)

    # Not strictly: a decoder that refuses a frame misses it from then on, far beyond the damage.
    frames = shown_frames(sources[-1:] if counted else sources, refuse)
    for number, frame in enumerate(frames):
        on_frame()
        tick = number if counted else frame.pts
        if tick is not None and not frame.is_corrupt:
            good.append(tick)
            if frame.key_frame:
                keys.add(tick)
    places = {tick: place for place, tick in enumerate(wanted)}
    good = [tick for tick in good if tick in places]
    ordered = {good[place] for place in longest_increasing(good)}
    bad = {tick for tick in places if tick not in ordered or (tick in refused and not counted)}
    spoilt = (
        _spoilt_shown(wanted, bad, keys) if counted else _spoilt_stored(sources[-1], bad | refused)
    )
    return {places[tick] for tick in spoilt if tick in places}


def _concealed(
    sources: Sequence[BundleSource],
    wanted: Sequence[int],
    damaged: set[int],
    on_frame: Callable[[], None],
) -> list[int]:
    """Places in ``wanted`` of frames with errors that the decoder conceals, beside the damaged."""
    refused: list[int | None] = []
    for _ in shown_frames(sources, lambda packet: refused.append(packet.pts), strict=True):
        on_frame()
    places = {tick: place for place, tick in enumerate(wanted)}
    found = {places[tick] for tick in refused if tick in places}
    return sorted(found - damaged)


def _spoilt_shown(wanted: Sequence[int], bad: set[int], keys: set[int]) -> set[int]:
    """Add to bad frames those shown after them, up to the next keyframe."""
    spoilt, broken = set(), False
    for tick in wanted:
        broken = tick in bad or (broken and tick not in keys)
        if broken:
            spoilt.add(tick)
    return spoilt


def _spoilt_stored(source: BundleSource, bad: set[int]) -> set[int]:
    """Add to bad frames those stored after them, up to the next keyframe and what leads to it."""
    spoilt = set(bad)
    broken = False
    leading_before: int | None = None
    with source() as stream:
        for packet in BundleReader(stream, "bundle"):
            if packet.pts is None or packet.discard:
                continue
            if packet.key and packet.pts not in bad:
                leading_before = packet.pts if broken else None
                broken = False
            elif packet.pts in bad:
                broken = True
            leads = leading_before is not None and packet.pts < leading_before
            if broken or leads:
                spoilt.add(packet.pts)
    return spoilt
