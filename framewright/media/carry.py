"""Decide what becomes of the streams beside the scored one: copied, converted, or dropped."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from av.video.format import VideoFormat

from framewright.media.containers import CONTAINERS, ContainerRule, container_for
from framewright.results import StreamOutcome
from framewright.types import EncoderSpec, OtherStream, VideoInfo

__all__ = [
    "Carry",
    "Spoilt",
    "carry_streams",
    "loses_aspect",
    "lost_properties",
    "preferred_suffix",
]

_ATTACHED_PIC = 0x400
_LOSSLESS = ("pcm_", "adpcm", "flac", "alac", "truehd", "mlp", "wavpack", "tta", "s302m", "ape")
_TEXT = frozenset({"mov_text", "subrip", "srt", "ass", "ssa", "webvtt", "text"})
_REENCODED_BITRATE = "192k"
_LAYOUTS = {
    "libopus": "7.1|6.1|5.1|5.0|quad|3.0|stereo|mono",
    "aac": "7.1|5.1|5.0|4.0|3.0|stereo|mono",
}
"""What each encoder takes: 5.1(side), as AC-3 has it, is refused by libopus."""
_CHROMA_LOCATIONS = {
    "libvpx-vp9": ("", "left"),
    "libsvtav1": ("", "left", "topleft"),
}
"""What those encoders can state that cannot state all; VP9 takes ``left`` for granted."""


@dataclass(frozen=True, slots=True)
class Carry:
    """What becomes of one stream of the source."""

    stream: OtherStream
    action: Literal["copy", "convert", "drop"]
    codec: str = ""
    """Encoder to convert with."""
    options: tuple[tuple[str, str], ...] = ()
    detail: str = ""

    @property
    def attached(self) -> bool:
        """Whether it is cover art that is carried over."""
        is_picture = self.stream.kind == "video" and self.stream.disposition & _ATTACHED_PIC
        return self.action == "copy" and bool(is_picture)

    @property
    def outcome(self) -> StreamOutcome | None:
        """How the report tells it; None for a plain copy."""
        if self.action == "copy":
            return None
        action: Literal["converted", "dropped"] = (
            "converted" if self.action == "convert" else "dropped"
        )
        return StreamOutcome(
            stream=self.stream.index, kind=self.stream.kind, action=action, detail=self.detail
        )


@dataclass(frozen=True, slots=True)
class Spoilt:
    """Why a stream cannot be copied although its codec could."""

    why: str
    may_convert: bool


def carry_streams(
    video: VideoInfo, suffix: str, spoilt: Mapping[int, Spoilt] | None = None
) -> list[Carry]:
    """Decide for every stream beside the scored one, in the order of the source.

    Args:
        video: what the probe said.
        suffix: container of the output.
        spoilt: streams that must not be copied, by index.
    """
    rule = container_for(suffix)
    spoilt = spoilt or {}
    return [
        _salvaged(stream, rule, spoilt[stream.index])
        if stream.index in spoilt
        else _decide(stream, rule)
        for stream in video.others
    ]


def _salvaged(stream: OtherStream, rule: ContainerRule, spoilt: Spoilt) -> Carry:
    why = f"{stream.codec or stream.kind} is damaged and cannot be copied ({spoilt.why})"
    codecs = _encoders(stream, rule) if stream.kind == "audio" and spoilt.may_convert else []
    if not codecs:
        return Carry(stream, "drop", detail=why)
    return _converted(stream, codecs[0], f"{why}: converted to {codecs[0]}")


def preferred_suffix(video: VideoInfo) -> str:
    """Return the source's own kind of container, or Matroska where only that holds its streams."""
    own = video.container_suffix
    if own == ".webm" and loses_aspect(video, own):
        return ".mkv"
    if own in (".mkv", ".webm"):
        return own
    refused = [c.stream for c in carry_streams(video, own) if _is_loss(c)]
    saved = [s for s in refused if _decide(s, CONTAINERS[".mkv"]).action == "copy"]
    return ".mkv" if saved else own


def loses_aspect(video: VideoInfo, suffix: str) -> bool:
    """Whether an output has square pixels although the source's are not.

    VP9 and AV1 leave the pixels' shape to the container, and PyAV does not hand it to WebM's muxer.
    """
    return suffix == ".webm" and video.sample_aspect_ratio not in (0, 1)


def lost_properties(video: VideoInfo, encoder: EncoderSpec, suffix: str) -> list[str]:
    """Say what an output cannot tell about its pictures although the source does."""
    lost = _lost_samples(video, encoder)
    if loses_aspect(video, suffix):
        lost.append(f"pixels of shape {video.sample_aspect_ratio} are shown square")
    if video.field_order != "progressive" and encoder.codec != "libx264":
        lost.append(
            f"interlaced, {video.field_order} field first: marked as progressive, because "
            f"{encoder.codec} has no mark for it"
        )
    if video.hdr and encoder.codec == "libvpx-vp9":
        lost.append("static HDR metadata: dropped, because libvpx-vp9 does not write it")
    if (place := video.chroma_location) not in _CHROMA_LOCATIONS.get(encoder.codec, (place,)):
        lost.append(f"chroma location {place}: not stated, because {encoder.codec} cannot")
    return lost


def _lost_samples(video: VideoInfo, encoder: EncoderSpec) -> list[str]:
    """Say what the encoder's pixel format does not hold of the source's."""
    old = VideoFormat(video.pixel_format, 64, 64)
    new = VideoFormat(encoder.pixel_format, 64, 64)
    if video.color.matrix_used == "RGB":
        return [f"RGB pictures ({old.name}) are written as {new.name}, rounded to its steps"]
    if len(old.components) > 2 and (
        new.components[1].width < old.components[1].width
        or new.components[1].height < old.components[1].height
    ):
        return [f"chroma of {old.name} is written at the resolution of {new.name}"]
    return []


def _is_loss(carry: Carry) -> bool:
    return carry.action != "copy" and carry.stream.kind in ("audio", "subtitle")


def _decide(stream: OtherStream, rule: ContainerRule) -> Carry:
    decide = {
        "audio": _audio,
        "subtitle": _subtitle,
        "video": _video,
        "attachment": _attachment,
    }.get(stream.kind)
    if decide is None:
        return Carry(stream, "drop", detail=f"{stream.kind} stream: only media is carried over")
    return decide(stream, rule)


def _audio(stream: OtherStream, rule: ContainerRule) -> Carry:
    if stream.codec in rule.audio:
        return Carry(stream, "copy")
    if not stream.codec:
        return Carry(stream, "drop", detail="audio of an unknown codec")
    for codec in _encoders(stream, rule):
        detail = f"{stream.codec} does not fit into {rule.suffix}: converted to {codec}"
        return _converted(stream, codec, detail)
    return Carry(stream, "drop", detail=f"{stream.codec} does not fit into {rule.suffix}")


def _encoders(stream: OtherStream, rule: ContainerRule) -> list[str]:
    """Encoders whose sound a container holds, the best for a stream first."""
    lossless = ["flac", "alac"] if stream.codec.startswith(_LOSSLESS) else []
    return [codec for codec in [*lossless, "aac", "libopus"] if codec in rule.audio]


def _converted(stream: OtherStream, codec: str, detail: str) -> Carry:
    options = () if codec in ("flac", "alac") else _lossy_options(codec)
    return Carry(stream, "convert", codec, options, detail)


def _lossy_options(codec: str) -> tuple[tuple[str, str], ...]:
    layouts = f"aformat=channel_layouts={_LAYOUTS[codec]}"
    return (("b:a", _REENCODED_BITRATE), ("af", layouts))


def _subtitle(stream: OtherStream, rule: ContainerRule) -> Carry:
    if stream.codec in rule.subtitles:
        return Carry(stream, "copy")
    if stream.codec in _TEXT and rule.text_subtitle:
        detail = (
            f"{stream.codec} does not fit into {rule.suffix}: converted to {rule.text_subtitle}"
        )
        return Carry(stream, "convert", rule.text_subtitle, (), detail)
    return Carry(
        stream,
        "drop",
        detail=f"{stream.codec or 'unknown'} subtitles do not fit into {rule.suffix}",
    )


def _video(stream: OtherStream, rule: ContainerRule) -> Carry:
    if stream.disposition & _ATTACHED_PIC:
        if rule.suffix == ".webm" or stream.codec not in ("mjpeg", "png", "bmp"):
            return Carry(stream, "drop", detail=f"cover art does not fit into {rule.suffix}")
        return Carry(stream, "copy")
    fits = {"h264", "hevc", "mpeg4", "av1", "libdav1d", "vp9", "mpeg2video"}
    if rule.suffix == ".webm":
        fits = {"vp8", "vp9", "libdav1d", "av1"}
    if rule.suffix == ".mov":
        fits -= {"vp9", "libdav1d", "av1"}  # FFmpeg writes these into MP4 only
    if stream.codec in fits:
        return Carry(stream, "copy", detail="a further video stream, not scored")
    return Carry(stream, "drop", detail=f"{stream.codec} video does not fit into {rule.suffix}")


def _attachment(stream: OtherStream, rule: ContainerRule) -> Carry:
    if rule.attachments:
        return Carry(stream, "copy")
    return Carry(stream, "drop", detail=f"{rule.suffix} holds no attachments")
