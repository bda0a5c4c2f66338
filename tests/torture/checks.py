"""Compare a result with its source, property by property: kept, changed and named, or lost.

A difference is allowed only where the engine's report names it: an outcome of that stream, or a
warning, with a word that says what happened. Everything else is a silent error.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
import numpy.typing as npt
from av.video.format import VideoFormat

from tests.torture.make import Clip
from tests.torture.observed import AudioTrack, Color, Observed, SubtitleTrack

__all__ = ["Difference", "Note", "differences", "verdict"]

STREAM_CLOCK = ("mpegts", "mpeg")
"""Sources whose clock starts anywhere."""
SAME_CODEC = {"mp2": "mp3float", "mp2float": "mp3float", "libopus": "opus"}
"""MP4 has one number for MPEG-1 audio of layers 2 and 3; decoders read the layer from the sound."""
BIBLIOGRAPHIC = {
    **{"deu": "ger", "ell": "gre", "isl": "ice", "mkd": "mac", "nld": "dut", "sqi": "alb"},
    **{"swe": "sve", "zho": "chi"},
}
"""The other codes of the same languages, which QuickTime knows them by."""
DEFAULT = 1
ONSET_SECONDS = 0.012
"""A lossy codec smears the beginning of a sound by less than that."""
LEAST_DB = 34.0
"""Of the first frame in RGB, source against result, in means of 8 by 8 pixels."""


@dataclass(frozen=True)
class Note:
    """One line of the engine's report; ``stream`` is None for a warning."""

    stream: int | None
    text: str


@dataclass(frozen=True)
class Difference:
    """A property of the source that the result does not have."""

    what: str
    detail: str
    words: str = ""
    """Pattern that names it in the report; empty where nothing can excuse it."""
    stream: int | None = None
    """The stream that the line must be about; None for any."""

    def note(self, notes: Sequence[Note]) -> Note | None:
        """The line of the report that names this difference, or None."""
        for note in notes:
            about = self.stream is None or note.stream in (None, self.stream)
            if self.words and about and re.search(self.words, note.text, re.I):
                return note
        return None


def verdict(
    clip: Clip, result: Observed, notes: Sequence[Note], count: int
) -> tuple[list[str], list[str]]:
    """What is changed and named, and what is lost in silence."""
    named, silent = [], []
    for difference in differences(clip, result, notes):
        if (note := difference.note(notes)) is not None:
            named.append(f"{difference.what}: {note.text}")
        else:
            silent.append(f"{difference.what}: {difference.detail}")
    if count != clip.count:
        silent.append(f"reported frames: {count}, not {clip.count}")
    return list(dict.fromkeys(named)), silent


def differences(clip: Clip, result: Observed, notes: Sequence[Note]) -> Iterator[Difference]:
    """Yield all that is not as in the source."""
    source = clip.seen
    yield from _frames(clip, result)
    yield from _times(clip, result)
    yield from _picture(source, result)
    yield from _video_tags(source, result)
    yield from _tracks(source, result, notes)
    yield from _extras(source, result)
    yield from _description(source, result)


def _frames(clip: Clip, result: Observed) -> Iterator[Difference]:
    if result.codes != clip.codes:
        yield Difference("frames", f"codes {_short(result.codes)}, not {_short(clip.codes)}")
    sizes = {(f.width, f.height) for f in result.frames}
    if sizes != {clip.kind.size}:
        yield Difference("size", f"{sizes}, not {clip.kind.size}")
    if any(frame.corrupt for frame in result.frames):
        yield Difference("frames", "some are marked as corrupt")


def _times(clip: Clip, result: Observed) -> Iterator[Difference]:
    source = clip.seen
    wanted = clip.times
    if result.relative_times != wanted:
        yield Difference(
            "times",
            f"{_short(result.relative_times)}, not {_short(wanted)}",
            "rounded|time stamps are missing",
        )
    if clip.kind.misread or not clip.kind.has_times:
        return
    moved = {
        None if a is None or b is None else b - a
        for a, b in zip(source.times, result.times, strict=False)
    }
    if moved - {Fraction(0)}:
        yield Difference("start", f"moved by {_short(moved)}", "moved together|rounded")


def _picture(source: Observed, result: Observed) -> Iterator[Difference]:
    old, new = VideoFormat(source.pix_fmt, 64, 64), VideoFormat(result.pix_fmt, 64, 64)
    if any(c.is_alpha for c in old.components) and not any(c.is_alpha for c in new.components):
        yield Difference("alpha", source.pix_fmt, "alpha")
    depth = [max(c.bits for c in f.components) for f in (old, new)]
    if depth[1] < depth[0]:
        yield Difference("depth", f"{depth[0]} to {depth[1]} bits", "bits")
    is_rgb = old.is_rgb or source.pix_fmt == "pal8"
    if is_rgb and not new.is_rgb:
        yield Difference("rgb", f"{source.pix_fmt} to {result.pix_fmt}", "RGB")
    chroma = [(f.components[1].width, f.components[1].height) for f in (old, new)
              if len(f.components) > 2]  # fmt: skip
    if len(chroma) == 2 and not is_rgb and any(b < a for a, b in zip(*chroma, strict=True)):
        yield Difference("chroma", f"{source.pix_fmt} to {result.pix_fmt}", "chroma")
    if source.rgb is not None and result.rgb is not None and source.rgb.shape == result.rgb.shape:
        error = np.mean((_cells(source.rgb) - _cells(result.rgb)) ** 2)
        decibels = 10 * np.log10(255**2 / max(float(error), 1e-9))
        if decibels < LEAST_DB and min(source.rgb.shape[:2]) > 32:
            yield Difference("picture", f"first frame at {decibels:.1f} dB", "tone-map|deinterlac")


def _cells(rgb: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    """Means of squares of 8 pixels, in which coding leaves no trace but a wrong colour does."""
    height, width = (length // 8 * 8 for length in rgb.shape[:2])
    cells = rgb[:height, :width].reshape(height // 8, 8, width // 8, 8, 3)
    means: npt.NDArray[np.float64] = cells.mean((1, 3), dtype=np.float64)
    return means


def _video_tags(source: Observed, result: Observed) -> Iterator[Difference]:
    for what, words in (
        ("matrix", "rotat|turn|mirror"),
        ("rotation", "rotat"),
        ("sar", "shape|square"),
        ("interlaced", "interlaced"),
        ("mastering", "HDR"),
        ("light_level", "HDR"),
    ):
        old, new = getattr(source, what), getattr(result, what)
        if old != new:
            yield Difference(what, f"{old!r} to {new!r}", words, source.video_index)
    old_color, new_color = _said_out_loud(source), result.color
    is_rgb = VideoFormat(source.pix_fmt, 64, 64).is_rgb or source.pix_fmt == "pal8"
    if not is_rgb and old_color != new_color:
        yield Difference("color", f"{old_color} to {new_color}", "colou?r|tone-map|range")
    yield from _labels("video", source, result, source.video_index, source)


def _said_out_loud(source: Observed) -> Color:
    """The source's colour tags, the range as what is meant where nothing is said.

    Grey is of full range and YUV of limited range by FFmpeg's convention, and H.264 has no way to
    state a matrix without a range.
    """
    color = source.color
    if color.range:
        return color
    if source.pix_fmt.startswith(("gray", "ya")):
        return replace(color, range=2)
    return replace(color, range=1 if (color.primaries, color.trc, color.space) != (2, 2, 2) else 0)


def _labels(
    name: str, old: object, new: object, index: int, source: Observed
) -> Iterator[Difference]:
    """Language, title and disposition of one stream."""
    languages = [getattr(track, "language", None) or "und" for track in (old, new)]
    if languages[0] != languages[1] and BIBLIOGRAPHIC.get(languages[0]) != languages[1]:
        yield Difference(f"{name} language", " to ".join(languages), "language", index)
    titles = [getattr(track, "title", None) or "" for track in (old, new)]
    if titles[0] != titles[1]:
        yield Difference(f"{name} title", " to ".join(titles), "title", index)
    flags = [int(getattr(track, "disposition", 0)) for track in (old, new)]
    if not _has_default(source, name):  # then a muxer marks the first of each kind
        flags = [flag & ~DEFAULT for flag in flags]
    if flags[0] != flags[1]:
        yield Difference(
            f"{name} disposition", f"{flags[0]:#x} to {flags[1]:#x}", "disposition|marked", index
        )


def _has_default(source: Observed, name: str) -> bool:
    """Whether any stream of the kind that ``name`` begins with is marked as the default."""
    tracks = {
        "video": [source.disposition, *(t.disposition for t in source.others if t.kind == "video")],
        "audio": [track.disposition for track in source.audio],
        "subtitles": [track.disposition for track in source.subtitles],
    }
    return any(flags & DEFAULT for flags in tracks[name.split()[0]])


def _tracks(source: Observed, result: Observed, notes: Sequence[Note]) -> Iterator[Difference]:
    for name, olds, news in (
        ("audio", source.audio, result.audio),
        ("subtitles", source.subtitles, result.subtitles),
    ):
        left = list(news)
        for old in olds:
            index = old.index
            dropped = Difference(f"{name} {index}", "gone", "does not fit|do not fit|dropped|could "
                                 "not|holds no|unknown|carried", index)  # fmt: skip
            said = [n for n in notes if n.stream == index]
            if any(n.text.startswith("dropped") for n in said) or not left:
                yield dropped
                continue
            new = left.pop(0)
            converted = any(n.text.startswith("converted") for n in said)
            if isinstance(old, AudioTrack) and isinstance(new, AudioTrack):
                yield from _sound(old, new, converted, source, result)
            elif isinstance(old, SubtitleTrack) and isinstance(new, SubtitleTrack):
                yield from _lines(old, new, converted, source, result)
            yield from _labels(f"{name} {index}", old, new, index, source)
        if left:
            yield Difference(name, f"{len(left)} too many")


def _sound(
    old: AudioTrack, new: AudioTrack, converted: bool, source: Observed, result: Observed
) -> Iterator[Difference]:
    name = f"audio {old.index}"
    if converted:
        yield Difference(name, "converted", "converted to", old.index)
        apart = (old.onset or 0.0) - (new.onset or 0.0)
        if abs(apart) > ONSET_SECONDS:
            yield Difference(f"{name} offset", f"heard {apart:+.4f} s earlier")
        return
    is_pcm = old.codec.startswith(("pcm", "s302m", "dv"))  # its packets may be of any length
    if old.sha256 != new.sha256 or (old.packets != new.packets and not is_pcm):
        yield Difference(f"{name} payload", f"{old.packets} packets to {new.packets}")
    codecs = [SAME_CODEC.get(track.codec, track.codec) for track in (old, new)]
    if codecs[0] != codecs[1]:
        yield Difference(f"{name} codec", " to ".join(codecs))
    if (old.rate, old.channels) != (new.rate, new.channels):
        yield Difference(
            f"{name} format", f"{old.rate}/{old.channels} to {new.rate}/{new.channels}"
        )
    olds = [_since(time, source, old.first) for time in old.times]
    news = [_since(time, result, new.first) for time in new.times]
    if is_pcm:
        olds, news = olds[:1], news[:1]
    off = max((abs(a - b) for a, b in zip(olds, news, strict=False)), default=Fraction(0))
    if off > Fraction(1, 2 * old.rate):  # MP4 counts sound in its samples
        yield Difference(
            f"{name} times", f"off by up to {float(off):.6f} s",
            "rounded|time stamps are missing",
        )  # fmt: skip


def _since(time: Fraction | None, seen: Observed, first: Fraction | None) -> Fraction:
    """Seconds after the first picture, or after the first packet where pictures have no time."""
    zero = seen.frames[0].time
    if zero is None:
        zero = first or Fraction(0)
    return (time if time is not None else zero) - zero


def _plain(text: str) -> str:
    return re.sub(r"<[^>]*>|\{[^}]*\}|\\[Nh]|\s", "", text)


def _lines(
    old: SubtitleTrack, new: SubtitleTrack, converted: bool, source: Observed, result: Observed
) -> Iterator[Difference]:
    name = f"subtitles {old.index}"
    if converted:
        yield Difference(name, "converted", "converted to", old.index)
    elif old.sha256 != new.sha256:
        yield Difference(f"{name} payload", f"{len(old.lines)} lines to {len(new.lines)}")
    if [_plain(one.text) for one in old.lines] != [_plain(one.text) for one in new.lines]:
        yield Difference(f"{name} text", f"{_short(old.lines)} to {_short(new.lines)}")
    off = Fraction(0)
    for a, b in zip(old.lines, new.lines, strict=False):
        off = max(off, abs(_since(a.start, source, None) - _since(b.start, result, None)))
        off = max(off, abs((a.duration or 0) - (b.duration or 0)))
    if off > (Fraction(1, 1000) if converted else 0):
        yield Difference(f"{name} times", f"off by up to {float(off):.6f} s", "rounded", None)


def _extras(source: Observed, result: Observed) -> Iterator[Difference]:
    """Covers, attachments, further videos, data."""
    if len(source.covers) > len(result.covers) or not set(source.covers) >= set(result.covers):
        detail = f"{len(source.covers)} to {len(result.covers)}"
        yield Difference("cover", detail, "cover art")
    if source.attachments != result.attachments:
        yield Difference(
            "attachments", f"{len(source.attachments)} to {len(result.attachments)}", "attachments"
        )
    there = [(track.kind, track.sha256) for track in result.others]
    for track in source.others:
        key = (track.kind, track.sha256)
        if key in there:
            there.remove(key)
        elif not (track.kind == "data" and source.chapters == result.chapters != ()):
            name = f"{track.kind} {track.index}"
            yield Difference(name, f"{track.codec} is gone", "stream|video|timecode", track.index)
    if there and any(kind == "video" for kind, _ in there):
        yield Difference("video", "too many further streams")


def _description(source: Observed, result: Observed) -> Iterator[Difference]:
    if source.chapters != result.chapters:
        detail = f"{_short(source.chapters)} to {_short(result.chapters)}"
        yield Difference("chapters", detail, "chapter")
    for key, value in source.metadata.items():
        new = result.metadata.get(key)
        if new != value:
            yield Difference(
                f"tag {key}", f"{_short(value)} to {_short(new)}", rf"tag.*\b{re.escape(key)}\b"
            )


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) < 200 else f"{text[:130]}…{text[-60:]}"
