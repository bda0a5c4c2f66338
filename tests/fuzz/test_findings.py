"""What fuzzing has found in the engine, each once, made again on purpose."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pytest

from framewright.errors import ManifestError, SourceRefused
from framewright.media.carry import carry_streams
from framewright.media.decode import MissingFrames, decode_frames, shown_frames
from framewright.score import score_unit
from framewright.stitch import Stitched, stitch
from framewright.types import Manifest, OtherStream
from tests.fuzz.judge import CONCEALED
from tests.fuzz.targets import TARGETS, corpus
from tests.fuzz.tree import Format, Part, ebml, mp4, written
from tests.support import plan_job
from tests.torture.expect import observe
from tests.torture.kinds import sample_mp4
from tests.torture.make import make
from tests.torture.tool import encode, ffmpeg, x264

_TS = 188


def finished(source: Path, folder: Path, suffix: str) -> tuple[Manifest, Stitched]:
    store, manifest = plan_job(source, folder, suffix=suffix)
    for unit in manifest.units:
        score_unit(store, manifest.job_key, unit.index)
    return manifest, stitch(store, manifest, source, folder / f"output{suffix}")


def rebuilt(data: bytes, form: Format, change: Callable[[Part], object]) -> bytes:
    whole = form.read(data)
    assert whole is not None
    change(whole)
    return written(whole, form)


def as_file(folder: Path, name: str, *options: str) -> bytes:
    """The sample in another container."""
    source, out = folder / "sample.mp4", folder / name
    source.write_bytes(sample_mp4())
    ffmpeg("-i", source, "-map", "0", "-c", "copy", *options, out)
    return out.read_bytes()


def test_video_of_no_known_codec(tmp_path: Path) -> None:
    path = tmp_path / "case.mp4"
    path.write_bytes(sample_mp4().replace(b"avc1", b"zzzz"))
    with pytest.raises(SourceRefused, match="no decoder is known") as caught:
        plan_job(path, tmp_path)
    assert caught.value.reason == "unsupported"


def test_streams_that_begin_within_a_file(tmp_path: Path) -> None:
    """PyAV's demuxer ends with IndexError then, or reads beyond its memory."""
    alone, whole = tmp_path / "alone.ts", tmp_path / "case.ts"
    encode(alone, *x264(), count=200, size=(320, 240))
    both = as_file(tmp_path, "both.ts", "-output_ts_offset", "8")
    whole.write_bytes(alone.read_bytes() + both[-len(both) // 2 // _TS * _TS :])
    _, manifest = plan_job(alone, tmp_path / "one")
    assert manifest.frames == 200
    try:
        plan_job(whole, tmp_path / "two")
    except SourceRefused as error:
        assert error.reason in ("unsupported", "damaged")


def test_frames_further_apart_than_mp4_can_say(tmp_path: Path) -> None:
    path = tmp_path / "case.ts"
    hours_later = "setpts='N+gte(N,20)*900000'"
    encode(path, *x264(), "-vf", hours_later, "-enc_time_base", "1/25", "-f", "mpegts", count=40)
    with pytest.raises(SourceRefused, match=r"36000 s apart, and \.mp4 .* ends in \.mkv") as caught:
        plan_job(path, tmp_path)
    assert caught.value.reason == "unsupported"
    _, manifest = plan_job(path, tmp_path, suffix=".mkv")
    assert manifest.frames == 40


def _spoil_sound(data: bytes, pid: int = 257) -> bytes:
    """Overwrite what is in a transport stream's packets of sound; their headers stay."""
    packets = [data[at : at + _TS] for at in range(0, len(data), _TS)]
    for number, packet in enumerate(packets):
        if int.from_bytes(packet[1:3], "big") & 0x1FFF == pid and not packet[1] & 0x40:
            packets[number] = packet[:20] + b"\x55" * (len(packet) - 20)
    return b"".join(packets)


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
def test_sound_that_no_container_takes_is_not_the_end(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / "case.ts"
    path.write_bytes(_spoil_sound(as_file(tmp_path, "good.ts")))
    _, result = finished(path, tmp_path, suffix)
    assert observe(Path(result.output)).codes == list(range(40))
    named = [outcome for outcome in result.streams if outcome.kind == "audio"]
    if suffix != ".mkv":  # which takes any bytes
        assert named[0].action in ("converted", "dropped")
        words = ("aac is damaged and cannot be copied", "aac could not be converted")
        assert named[0].detail.startswith(words)


def test_a_stream_that_holds_nothing_is_left_out_by_name(tmp_path: Path) -> None:
    def silence(whole: Part) -> None:
        for part in whole.walk():
            part.parts = [p for p in part.parts if p.kind != b"\xa3" or p.content[:1] != b"\x82"]

    path = tmp_path / "case.mkv"
    path.write_bytes(rebuilt(as_file(tmp_path, "good.mkv"), ebml, silence))
    _, result = finished(path, tmp_path, ".mp4")
    [outcome] = result.streams
    assert (outcome.stream, outcome.kind, outcome.action) == (1, "audio", "dropped")
    assert "holds nothing" in outcome.detail
    assert observe(Path(result.output)).codes == list(range(40))


def test_a_time_scale_that_no_other_divides(clip_folder: Path, tmp_path: Path) -> None:
    """The first picture's time was rounded to a 1440000th of a second, and refused for it."""

    def strange(whole: Part) -> None:
        [box] = [part for part in whole.walk() if part.kind == b"mdhd"][:1]
        box.content = box.content[:12] + (879_911_354).to_bytes(4, "big") + box.content[16:]

    path = tmp_path / "case.mp4"
    path.write_bytes(rebuilt(make("fragmented", clip_folder).path.read_bytes(), mp4, strange))
    manifest, result = finished(path, tmp_path, ".mp4")
    assert manifest.video.time_base.denominator == 879_911_354
    assert result.frames == manifest.frames


def test_a_last_frame_that_claims_to_last_for_weeks(tmp_path: Path) -> None:
    def lie(whole: Part) -> None:
        [table] = [part for part in whole.walk() if part.kind == b"stts"][:1]
        step = int.from_bytes(table.content[12:16], "big")
        rows = ((39, step), (1, 0x9FFFFFFF))
        table.content = bytes(4) + len(rows).to_bytes(4, "big")
        table.content += b"".join(n.to_bytes(4, "big") for row in rows for n in row)

    path = tmp_path / "case.mp4"
    path.write_bytes(rebuilt(sample_mp4(), mp4, lie))
    manifest, result = finished(path, tmp_path, ".mov")
    assert manifest.last_duration_ticks < 1 << 31
    assert result.frames == 40


def test_lost_packets_of_a_transport_stream_are_told(clip_folder: Path, tmp_path: Path) -> None:
    """The demuxer notices by their counter; the decoder decodes what is left, without a word."""
    data = make("open_gop_ts", clip_folder).path.read_bytes()
    packets = [data[at : at + _TS] for at in range(0, len(data), _TS)]
    video = [n for n, p in enumerate(packets) if int.from_bytes(p[1:3], "big") & 0x1FFF == 256]
    path = tmp_path / "case.ts"
    path.write_bytes(b"".join(p for n, p in enumerate(packets) if n != video[150]))
    _, manifest = plan_job(path, tmp_path)
    assert [text for text in manifest.video.warnings if CONCEALED in text]


def _without_block(data: bytes, number: int) -> bytes:
    """Leave out one packet of Matroska's first track."""

    def drop(whole: Part) -> None:
        blocks = [
            (holder, part)
            for holder in whole.walk()
            for part in holder.parts
            if part.kind == b"\xa3" and part.content[:1] == b"\x81"
        ]
        holder, block = blocks[number]
        holder.parts = [part for part in holder.parts if part is not block]

    return rebuilt(data, ebml, drop)


def test_errors_that_the_decoder_conceals_are_told(tmp_path: Path) -> None:
    good = as_file(tmp_path, "good.mkv")
    told = []
    for number in range(26, 34):
        path = tmp_path / f"case{number}.mkv"
        path.write_bytes(_without_block(good, number))
        try:
            _, manifest = plan_job(path, tmp_path / str(number))
        except SourceRefused as error:
            assert error.reason == "damaged"
            continue
        told += [text for text in manifest.video.warnings if CONCEALED in text]
    assert told
    assert "1 of 2 stretches, first near frame" in told[0]
    _, manifest = plan_job(tmp_path / "good.mkv", tmp_path / "good")
    assert not manifest.video.warnings


def test_pictures_that_come_out_of_order_do_not_end_a_held_run() -> None:
    source = lambda: io.BytesIO(corpus("decode")[0])  # noqa: E731
    every = [frame.pts for frame in shown_frames([source])]
    some = [tick for tick in every[::2] if tick is not None]
    found = [frame.pts for frame in decode_frames([source], some, tolerant=True)]
    assert found == some
    later = [tick for tick in every[1:] if tick is not None]
    missing = [later[0] + 1, later[-1]]
    with pytest.raises(MissingFrames):
        list(decode_frames([source], missing, tolerant=True))


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("width", b'"width":32', b'"width":4294967296'),
        ("tag", b'"codec_tag":"', b'"codec_tag":"much too long '),
        ("format", b'"pixel_format":"', b'"pixel_format":"no'),
        ("codec", b'"codec":"h264"', b'"codec":"h2\\u0000"'),
        ("bits", b'"bits_per_coded_sample":', b'"bits_per_coded_sample":99999999999'),
    ],
)
def test_a_header_of_a_bundle_that_no_decoder_takes(name: str, old: bytes, new: bytes) -> None:
    data = corpus("decode")[0]
    assert old in data
    length = int.from_bytes(data[8:12], "little") + len(new) - len(old)
    lying = data[:8] + length.to_bytes(4, "little") + data[12:].replace(old, new, 1)
    with pytest.raises(ManifestError):
        list(shown_frames([lambda: io.BytesIO(lying)]))
    TARGETS["decode"](lying)


def test_vp9_beside_the_scored_stream_does_not_go_into_mov(tmp_path: Path) -> None:
    _, manifest = plan_job(as_path(tmp_path), tmp_path)
    beside = OtherStream(index=1, kind="video", codec="vp9")
    video = manifest.video.model_copy(update={"others": (beside,)})
    assert [carry.action for carry in carry_streams(video, ".mov")] == ["drop"]
    assert [carry.action for carry in carry_streams(video, ".mp4")] == ["copy"]


def as_path(folder: Path) -> Path:
    path = folder / "sample.mp4"
    path.write_bytes(sample_mp4())
    return path
