"""Files that were cut off while they were copied or recorded, and files without any sample."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av

from tests.torture.bad.bad import bad, faststart
from tests.torture.kinds import sample_mp4
from tests.torture.tool import encode, x264


@bad("no_moov", "no_moov.mp4", "unreadable", "truncated")
def _no_moov(out: Path) -> None:
    data = sample_mp4()
    out.write_bytes(data[: data.index(b"moov") - 100])


@bad("truncated", "truncated.mp4", "truncated")
def _truncated(out: Path) -> None:
    data = faststart(out)
    out.write_bytes(data[: len(data) * 6 // 10])


@bad("truncated_mkv", "truncated.mkv", "truncated")
def _truncated_mkv(out: Path) -> None:
    whole = out.with_name("whole.mkv")
    encode(whole, *x264(), count=100)
    data = whole.read_bytes()
    out.write_bytes(data[: len(data) * 6 // 10])


@bad("no_samples", "no_samples.mp4", "no_frames")
def _no_samples(out: Path) -> None:
    sample = out.with_name("sample.mp4")
    sample.write_bytes(sample_mp4())
    options = {"movflags": "empty_moov+frag_keyframe"}
    with av.open(str(sample)) as source, av.open(str(out), "w", options=options) as target:
        target.add_stream_from_template(source.streams.video[0])
        target.start_encoding()


def _shorter(out: Path, args: tuple[str, ...], share: float = 0.6, **options: Any) -> None:
    """Encode a whole file and keep only its beginning, up to within a packet."""
    whole = out.with_name(f"whole{out.suffix}")
    encode(whole, *args, count=100, **options)
    data = whole.read_bytes()
    out.write_bytes(data[: int(len(data) * share)])


H264 = tuple(x264())
FRAGMENTS = ("-movflags", "frag_keyframe+empty_moov+default_base_moof")
VP9 = ("-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-b:v", "500k")
MPEG2 = ("-c:v", "mpeg2video", "-q:v", "4", "-g", "12", "-bf", "2")
SINE = ("-f", "lavfi", "-i", "sine=duration=4:sample_rate=48000")
SOUND = ("-map", "0:v", "-map", "1:a", "-c:a")
for _suffix, _args, _inputs in (
    ("mov", (*H264, "-movflags", "+faststart"), ()),
    ("m4v", (*H264, "-f", "mp4", "-movflags", "+faststart"), ()),
    ("webm", VP9, ()),
    ("avi", ("-c:v", "mpeg4", "-q:v", "4", *SOUND, "mp3"), SINE),
    ("flv", (*H264, *SOUND, "aac"), SINE),
    ("ogv", ("-c:v", "libtheora", "-q:v", "8", *SOUND, "libvorbis"), SINE),
    ("mpg", (*MPEG2, *SOUND, "mp2"), SINE),
    ("wmv", ("-c:v", "wmv2", "-q:v", "4", *SOUND, "wmav2"), SINE),
    ("mxf", (*MPEG2, *SOUND, "pcm_s16le"), SINE),
    ("nut", (*H264,), ()),
    ("gif", (), ()),
    ("ivf", VP9, ()),
    ("h264", H264, ()),
    ("3gp", (*H264, "-movflags", "+faststart"), ()),
):

    def _cut(out: Path, args: tuple[str, ...] = _args, inputs: tuple[str, ...] = _inputs) -> None:
        _shorter(out, args, inputs=inputs)

    # Of these nothing tells but the picture that ends too early.
    words = ("truncated", "damaged", "unreadable")
    if _suffix in ("mpg", "wmv", "nut", "h264"):
        words = ("damaged", "truncated", "unreadable")
    bad(f"cut_{_suffix}", f"cut.{_suffix}", *words)(_cut)


@bad("cut_fragment", "fragment.mp4", "truncated", "damaged")
def _cut_fragment(out: Path) -> None:
    _shorter(out, (*H264, *FRAGMENTS))


@bad("cut_fragment_header", "fragment_header.mp4", "truncated", "damaged")
def _cut_fragment_header(out: Path) -> None:
    """Cut within the table of the last fragment."""
    _shorter(out, (*H264, *FRAGMENTS), 1.0)
    data = out.read_bytes()
    out.write_bytes(data[: data.rindex(b"moof") + 60])


@bad("cut_late_mkv", "late.mkv", "truncated", "damaged")
def _cut_late(out: Path) -> None:
    """Only the last tenth of a second and the index are gone."""
    _shorter(out, H264, 0.96)


@bad("cut_index_avi", "index.avi", "truncated", "damaged")
def _cut_in_sound(out: Path) -> None:
    _shorter(out, ("-c:v", "mjpeg", "-q:v", "4"), 0.5)


@bad("no_samples_mkv", "no_samples.mkv", "no_frames", "truncated", "unreadable")
def _no_samples_mkv(out: Path) -> None:
    _shorter(out, H264, 1.0)
    data = out.read_bytes()
    out.write_bytes(data[: data.index(b"\x1f\x43\xb6\x75")])  # up to the first cluster


@bad("no_samples_avi", "no_samples.avi", "no_frames", "truncated", "unreadable", "damaged")
def _no_samples_avi(out: Path) -> None:
    _shorter(out, ("-c:v", "mjpeg"), 1.0)
    data = out.read_bytes()
    out.write_bytes(data[: data.index(b"movi") + 4])


@bad("no_samples_ts", "no_samples.ts", "no_frames", "no_video", "unreadable", "damaged")
def _no_samples_ts(out: Path) -> None:
    _shorter(out, H264, 1.0)
    out.write_bytes(out.read_bytes()[: 3 * 188])  # the tables only
