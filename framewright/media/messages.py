"""What a picture stream says beside its pictures, and what of that an output does not say again.

Captions, time codes and dynamic metadata travel inside the compressed pictures, so encoding them
anew loses them. All of it is named here, so that nothing is lost without a word.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import cast

import av.logging
from av.buffer import Buffer
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

__all__ = [
    "StreamFacts",
    "begun_streams",
    "first_time_code",
    "lost_facts",
    "lost_messages",
    "side_data",
    "stream_facts",
]

_LOST = {
    "A53_CC": "closed captions (CEA-608/708, in ATSC A/53 user data): not kept; to have them, "
    "extract them into a subtitle file first.",
    "AFD": "Active Format Description (SMPTE ST 2016-1): not kept.",
    "STEREO3D": "stereoscopic 3D (frame packing): the pictures are kept, the mark that they hold "
    "two views is not.",
    "SPHERICAL": "spherical video (360 degrees): the pictures are kept, their projection is not "
    "stated.",
    "ICC_PROFILE": "ICC profile: not kept; the colour tags (ITU-T H.273) are.",
    "S12M_TIMECODE": "time codes inside the picture stream (SMPTE ST 12-1): not kept.",
    "DYNAMIC_HDR_PLUS": "HDR10+ dynamic metadata (SMPTE ST 2094-40): not kept.",
    "DYNAMIC_HDR_VIVID": "HDR Vivid dynamic metadata (CUVA 005.1): not kept.",
    "DOVI_RPU_BUFFER": "Dolby Vision metadata (RPU): not kept, the base layer is scored.",
    "DOVI_METADATA": "Dolby Vision metadata (RPU): not kept, the base layer is scored.",
    "AMBIENT_VIEWING_ENVIRONMENT": "ambient viewing environment (ITU-T H.265 SEI): not kept.",
    "REGIONS_OF_INTEREST": "regions of interest: not kept.",
    "FILM_GRAIN_PARAMS": "film grain characteristics: not kept, the decoder adds the grain to the "
    "pictures that are scored.",
}
"""By FFmpeg's name for it, as a sentence of the report."""
_ALPHA = "alpha channel, in a layer of its own (alpha_mode): not kept, the output is opaque."
_GOP_TIME_CODE = "time codes of groups of pictures (ISO/IEC 13818-2): not kept, the first is {}."
_USER_DATA = "unregistered user data (SEI, UUID {}): not kept."
_ENCODERS_OWN = {
    bytes.fromhex("dc45e9bde6d948b7962cd820d923eeef"),  # x264, its options
    bytes.fromhex("2ca2de09b51747dbbb55a4fe7fc2fc4e"),  # x265, its options
}
_UUID_BYTES = 16


@dataclass(frozen=True, slots=True)
class StreamFacts:
    """What FFmpeg knows of a stream that PyAV has no attribute for."""

    chroma_location: str = ""
    """``left``, ``center``, ``topleft``, ``top``, ``bottomleft`` or ``bottom``; empty where the
    source does not say."""
    dolby_vision_profile: int | None = None
    dolby_vision_compatible: bool = True
    """Whether the base layer alone can be shown, as HDR10, HLG or SDR."""


def stream_facts(container: InputContainer, stream: VideoStream) -> StreamFacts:
    """Read them from the description that FFmpeg gives of an open file, which decodes nothing."""
    with _told_all():
        text = str(container.dumps_format())  # type: ignore[attr-defined]
    blocks = re.split(r"^  Stream #0:", text, flags=re.MULTILINE)[1:]
    block = next((b for b in blocks if re.match(rf"{stream.index}\b", b)), "")
    first_line = block.partition("\n")[0]
    place = re.search(r"[(, ](left|center|topleft|top|bottomleft|bottom)\)", first_line)
    dolby = re.search(
        r"^      DOVI configuration record: .*profile: (\d+),.*compatibility id: (\d+)",
        block,
        flags=re.MULTILINE,
    )
    return StreamFacts(
        chroma_location=place[1] if place else "",
        dolby_vision_profile=int(dolby[1]) if dolby else None,
        dolby_vision_compatible=dolby is None or dolby[2] != "0",
    )


def begun_streams(container: InputContainer) -> int:
    """Count the streams that were met while reading and are not among the container's own.

    A transport stream may begin further ones at any time; PyAV does not know of them.
    """
    with _told_all():
        text = str(container.dumps_format())  # type: ignore[attr-defined]
    met = set(re.findall(r"^ +Stream #0:(\d+)", text, flags=re.MULTILINE))
    return max(0, len(met) - len(container.streams))


@contextmanager
def _told_all() -> Iterator[None]:
    """Let FFmpeg describe with all it knows; PyAV hears nothing of it otherwise."""
    before = av.logging.get_level()
    av.logging.set_libav_level(av.logging.VERBOSE)
    av.logging.set_level(av.logging.INFO)
    try:
        yield
    finally:
        av.logging.set_level(before)
        av.logging.set_libav_level(av.logging.INFO)


def lost_facts(stream: VideoStream, facts: StreamFacts) -> list[str]:
    """Name, a sentence each, what the container says of a stream and the output will not."""
    lost = []
    if stream.metadata.get("alpha_mode") == "1":
        lost.append(_ALPHA)
    if facts.dolby_vision_profile is not None:
        lost.append(_LOST["DOVI_METADATA"])
    return lost


def lost_messages(frame: VideoFrame) -> list[str]:
    """Name, a sentence each, what a frame carries and the output will not."""
    lost = [_LOST[name] for name in _LOST if side_data(frame, name) is not None]
    return lost + _user_data(frame)


def side_data(frame: VideoFrame, name: str) -> bytes | None:
    """Return a frame's side data by FFmpeg's name for it, or None where it has none."""
    try:
        data = frame.side_data.get(name)
    except ValueError:  # side data of a kind that PyAV has no name for yet
        return None
    return None if data is None else bytes(cast(Buffer, data))


def first_time_code(frame: VideoFrame) -> list[str]:
    """Name the time code of a first MPEG-2 group of pictures; each has one, most begin at zero."""
    data = side_data(frame, "GOP_TIMECODE")
    if data is None:
        return []
    code = int.from_bytes(data[:4], "little")
    hours, minutes = code >> 19 & 0x1F, code >> 13 & 0x3F
    seconds, pictures = code >> 6 & 0x3F, code & 0x3F
    if not (hours or minutes or seconds or pictures):
        return []
    return [_GOP_TIME_CODE.format(f"{hours:02}:{minutes:02}:{seconds:02}:{pictures:02}")]


def _user_data(frame: VideoFrame) -> list[str]:
    data = side_data(frame, "SEI_UNREGISTERED")
    if data is None or data[:_UUID_BYTES] in _ENCODERS_OWN:
        return []
    return [_USER_DATA.format(data[:_UUID_BYTES].hex())]
