"""Which container an output takes, and what each container can hold."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

from framewright.errors import OutputRefused, SourceRefused
from framewright.types import TickRuns

__all__ = [
    "CONTAINERS",
    "MOST_STEP_TICKS",
    "ContainerRule",
    "check_steps",
    "container_for",
    "output_suffix",
]

_MP4_AUDIO = frozenset(
    [
        "aac",
        "mp3",
        "mp3float",
        "mp2",
        "mp2float",
        "ac3",
        "eac3",
        "opus",
        "libopus",
        "vorbis",
        "flac",
        "alac",
        "dts",
        "dca",
        "pcm_s16le",
        "pcm_s16be",
        "pcm_s24le",
        "pcm_s24be",
        "pcm_s32le",
        "pcm_s32be",
        "pcm_f32le",
        "pcm_f32be",
        "pcm_f64le",
        "pcm_f64be",
    ]
)
_MOV_AUDIO = (_MP4_AUDIO | {"pcm_mulaw", "pcm_alaw", "pcm_u8", "pcm_s8"}) - {
    "opus",
    "libopus",
    "vorbis",
    "flac",
}
_MKV_AUDIO = (_MP4_AUDIO | {"truehd", "mlp", "wavpack", "tta", "pcm_u8"}) - {
    "pcm_s16be",
    "pcm_s24be",
    "pcm_s32be",
    "pcm_f32be",
    "pcm_f64be",
}
_WEBM_AUDIO = frozenset({"opus", "libopus", "vorbis"})
_TEXT_SUBTITLES = frozenset({"subrip", "srt", "ass", "ssa", "webvtt"})
_MKV_SUBTITLES = _TEXT_SUBTITLES | {
    "dvdsub",
    "dvd_subtitle",
    "dvbsub",
    "dvb_subtitle",
    "pgssub",
    "hdmv_pgs_subtitle",
}


MOST_STEP_TICKS = (1 << 31) - 1
"""From one frame to the next, and for the last one, in MP4 and MOV."""


@dataclass(frozen=True, slots=True)
class ContainerRule:
    """What an output container holds, by FFmpeg's codec names."""

    suffix: str
    muxer: str
    video_codec: str
    audio: frozenset[str]
    subtitles: frozenset[str]
    text_subtitle: str
    """Codec to which text subtitles are converted; empty where none is possible."""
    attachments: bool = False
    tick: Fraction | None = None
    """Coarsest time base forced on every stream; None where each keeps its own."""
    options: dict[str, str] = field(default_factory=dict)


CONTAINERS: dict[str, ContainerRule] = {
    rule.suffix: rule
    for rule in (
        ContainerRule(".mp4", "mp4", "libx264", _MP4_AUDIO, frozenset({"mov_text"}), "mov_text"),
        ContainerRule(".m4v", "mp4", "libx264", _MP4_AUDIO, frozenset({"mov_text"}), "mov_text"),
        ContainerRule(".mov", "mov", "libx264", _MOV_AUDIO, frozenset({"mov_text"}), "mov_text"),
        ContainerRule(
            ".mkv", "matroska", "libx264", _MKV_AUDIO, _MKV_SUBTITLES, "subrip", attachments=True,
            tick=Fraction(1, 1000),
        ),
        ContainerRule(
            ".webm", "webm", "libvpx-vp9", _WEBM_AUDIO, frozenset({"webvtt"}), "webvtt",
            tick=Fraction(1, 1000),
        ),
    )
}  # fmt: skip

_BY_DEMUXER = {
    "matroska,webm": ".mkv",
    "asf": ".mkv",
    "ogg": ".mkv",
    "nut": ".mkv",
    "mxf": ".mov",
    "dv": ".mov",
}


def check_steps(name: str, pts: TickRuns, time_base: Fraction, suffix: str) -> None:
    """Refuse frames that lie further apart than the output's container can say.

    Raises:
        SourceRefused: MP4 and MOV count the ticks from frame to frame in 31 bits.
    """
    longest = max((step for step, _ in pts.runs), default=0)
    if container_for(suffix).tick is None and longest > MOST_STEP_TICKS:
        raise SourceRefused(
            "unsupported",
            f"{name!r}: two frames lie {float(longest * time_base):.0f} s apart, and {suffix} "
            f"holds at most {float(MOST_STEP_TICKS * time_base):.0f} s between two in ticks of "
            f"{time_base} s; name an output that ends in .mkv.",
        )


def output_suffix(demuxer: str, source_suffix: str) -> str:
    """Return the suffix of the container that follows a source: itself where it can be written."""
    suffix = source_suffix.lower()
    if demuxer.startswith("mov,"):
        return suffix if suffix in (".mov", ".m4v") else ".mp4"
    if demuxer == "matroska,webm" and suffix == ".webm":
        return ".webm"
    return _BY_DEMUXER.get(demuxer, ".mp4")


def container_for(suffix: str) -> ContainerRule:
    """Return the rule of a container by the suffix of an output file.

    Raises:
        OutputRefused: no such container can be written.
    """
    rule = CONTAINERS.get(suffix.lower())
    if rule is None:
        raise OutputRefused(
            f"cannot write a file with the suffix {suffix or '(none)'!r}; "
            f"use one of {', '.join(CONTAINERS)}."
        )
    return rule
