"""Outputs in another container than the source: what fits is copied, the rest is told."""

from __future__ import annotations

import struct
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import av
import pytest

from framewright.errors import EngineBug
from framewright.media import carry, convert
from framewright.media.carry import preferred_suffix
from framewright.media.probe import probe
from framewright.plan import split, upload
from framewright.score import score_unit
from framewright.scorers import create
from framewright.settings import Settings
from framewright.stitch import Stitched, stitch
from framewright.storage import open_store
from tests.torture.expect import Observed, observe
from tests.torture.make import Clip, make
from tests.torture.tool import ffmpeg

MS = Fraction(1, 1000)

CASES = {
    # kind, suffix: codecs of the sound, of the subtitles, what the report says
    ("tracks_mkv", ".mp4"): (["aac", "ac3"], ["mov_text"], ["converted", "dropped"]),
    ("tracks_mkv", ".mov"): (["aac", "ac3"], ["mov_text"], ["converted", "dropped", "changed"]),
    ("tracks_mkv", ".webm"): (
        ["opus", "opus"],
        ["webvtt"],
        ["converted", "converted", "converted", "dropped", "changed", "changed"],
    ),
    ("tracks_mp4", ".mkv"): (["aac", "ac3"], ["srt"], ["converted", "changed", "changed"]),
    ("pcm_mov", ".mkv"): (["pcm_s16le"], [], ["changed"]),
    ("pcm_mov", ".webm"): (["opus"], [], ["converted", "changed"]),
    ("flac_mkv", ".mov"): (["alac"], [], ["converted"]),
    ("opus_mkv", ".mov"): (["aac"], [], ["converted"]),
    ("opus_mkv", ".mp4"): (["opus"], [], []),
    ("vp9_webm", ".mp4"): (["opus"], [], []),
    ("ntsc", ".mkv"): (["aac"], [], ["changed", "changed"]),
    ("hdr10", ".webm"): ([], [], []),
    ("interlaced_h264", ".webm"): ([], [], ["changed"]),
    ("sar", ".webm"): ([], [], ["changed"]),
    ("two_videos", ".webm"): (["opus"], [], ["dropped", "converted", "changed"]),
    ("cover", ".mkv"): (["aac"], [], ["changed"]),
    ("cover_mkv", ".mp4"): ([], [], []),
    ("start_10h", ".mkv"): (["aac"], [], ["changed"]),
    ("rotated90", ".mkv"): (["aac"], [], ["changed"]),
    ("audio_late", ".webm"): (["opus"], [], ["converted", "changed"]),
}


def converted(clip: Clip, suffix: str, folder: Path) -> tuple[Observed, Stitched]:
    store = open_store(str(folder / "store"))
    parts = split(
        clip.path,
        scorer=create("identity", {}).identity,
        scratch=folder / "scratch",
        store=store,
        unit_seconds=1.0,
        suffix=suffix,
    )
    manifest = upload(parts, store)
    for unit in manifest.units:
        score_unit(store, manifest.job_key, unit.index)
    output = folder / f"out{suffix}"
    stitched = stitch(store, manifest, clip.path, output)
    return observe(output), stitched


@pytest.mark.parametrize(("kind", "suffix"), CASES, ids="".join)
def test_what_fits_is_kept_and_the_rest_is_told(
    kind: str, suffix: str, clip_folder: Path, tmp_path: Path, settings: Settings
) -> None:
    clip = make(kind, clip_folder)
    source = clip.seen
    result, stitched = converted(clip, suffix, tmp_path)
    sound, subtitles, told = CASES[kind, suffix]
    assert list(result.codes) == clip.codes
    assert [track.codec for track in result.audio] == sound
    assert [track.codec for track in result.subtitles] == subtitles
    assert [outcome.action for outcome in stitched.streams] == told
    assert largest_error(result.times, source.times) <= MS / 2
    for track, original in zip(result.audio, source.audio, strict=True):
        assert (track.language or "und") in names(original.language)
        if track.codec == original.codec:
            assert track.sha256 == original.sha256
            assert largest_error(track.times, original.times) <= MS
    for lines, originals in zip(result.subtitles, source.subtitles, strict=True):
        assert [line.start for line in lines.lines] == [line.start for line in originals.lines]
    assert result.chapters == source.chapters
    assert result.rotation == source.rotation


def names(language: str | None) -> set[str]:
    """The codes of a language: QuickTime knows some by another one."""
    return {language or "und"} | ({"ger"} if language == "deu" else set())


def largest_error(
    times: tuple[Fraction | None, ...] | list[Fraction | None],
    planned: tuple[Fraction | None, ...] | list[Fraction | None],
) -> Fraction:
    return max(
        abs(a - b) for a, b in zip(times, planned, strict=True) if a is not None and b is not None
    )


def test_hdr_metadata_reaches_webm(clip_folder: Path, tmp_path: Path, settings: Settings) -> None:
    clip = make("hdr10", clip_folder)
    converted(clip, ".webm", tmp_path)
    found = probe(tmp_path / "out.webm", settings)
    assert found.codec == "libdav1d"
    assert found.hdr is not None
    assert found.hdr == probe(clip.path, settings).hdr


def test_fields_that_webm_cannot_mark_are_told(clip_folder: Path, tmp_path: Path) -> None:
    _, stitched = converted(make("interlaced_h264", clip_folder), ".webm", tmp_path)
    [outcome] = stitched.streams
    assert outcome.detail.startswith("interlaced, top field first: marked as progressive")


class TestSurround:
    """AC-3 has its surround channels at the sides, where libopus knows them at the back."""

    @pytest.fixture
    def clip(self, cfr25: Clip, tmp_path: Path) -> Clip:
        path = tmp_path / "surround.mkv"
        sine = "sine=frequency=440:duration=3,aformat=channel_layouts=5.1(side)"
        sound = ("-f", "lavfi", "-i", sine, "-map", "0:v", "-map", "1:a")
        ffmpeg("-i", cfr25.path, *sound, "-c:v", "copy", "-c:a", "ac3", path)
        assert observe(path).audio[0].codec == "ac3"
        return replace(cfr25, path=path)

    @pytest.mark.parametrize(("suffix", "codec"), [(".webm", "opus"), (".mp4", "ac3")])
    def test_it_is_kept(self, suffix: str, codec: str, clip: Clip, tmp_path: Path) -> None:
        result, stitched = converted(clip, suffix, tmp_path)
        assert [track.codec for track in result.audio] == [codec]
        told = [(s.action, s.detail.split(" by")[0]) for s in stitched.streams]
        assert ("changed", "times rounded") in told or codec != "opus"
        assert [action for action, _ in told].count("converted") == (codec == "opus")
        with av.open(str(tmp_path / f"out{suffix}")) as container:
            assert container.streams.audio[0].codec_context.layout.nb_channels == 6

    def test_what_cannot_be_converted_is_dropped_and_told(
        self, clip: Clip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The pictures are scored by then: a sound is no reason to lose them."""
        monkeypatch.setitem(carry._LAYOUTS, "libopus", "5.1(side)")
        result, stitched = converted(clip, ".webm", tmp_path)
        assert list(result.codes) == clip.codes
        assert result.audio == ()
        [outcome] = stitched.streams
        assert (outcome.kind, outcome.action) == ("audio", "dropped")
        assert "ac3 could not be converted to libopus" in outcome.detail


def test_a_full_disk_is_no_reason_to_drop_the_sound(
    cfr25: Clip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(carry._LAYOUTS, "libopus", "nonsense")
    monkeypatch.setattr(convert.shutil, "disk_usage", lambda _: SimpleNamespace(free=4096))
    with pytest.raises(EngineBug, match=r"ffmpeg failed: .*If that is a full disk"):
        converted(cfr25, ".webm", tmp_path)
    assert not (tmp_path / "out.webm").exists()


def test_dvb_subtitles_go_to_matroska_as_they_are(
    cfr25: Clip, tmp_path: Path, settings: Settings
) -> None:
    (tmp_path / "titles.sup").write_bytes(bitmap_subtitles())
    source = tmp_path / "dvb.ts"
    streams = ("-map", "0:v", "-map", "1:s", "-c:v", "copy", "-c:s", "dvbsub")
    ffmpeg("-i", cfr25.path, "-i", tmp_path / "titles.sup", *streams, source)
    assert preferred_suffix(probe(source, settings)) == ".mkv"
    clip = replace(cfr25, path=source)
    _, stitched = converted(clip, ".mkv", tmp_path)
    assert [outcome.kind for outcome in stitched.streams] == ["video"], "moved to start at 0"
    assert subtitle_packets(tmp_path / "out.mkv") == subtitle_packets(source)


def subtitle_packets(path: Path) -> list[bytes]:
    with av.open(str(path)) as container:
        [stream] = container.streams.subtitles
        assert stream.codec_context.name == "dvbsub"
        return [bytes(packet) for packet in container.demux(stream) if packet.size]


def bitmap_subtitles() -> bytes:
    """A PGS file: a box of 16x8 pixels is shown at 0.5 s and taken away at 1 s."""

    def segment(kind: int, ticks: int, data: bytes = b"") -> bytes:
        return b"PG" + struct.pack(">IIBH", ticks, 0, kind, len(data)) + data

    def screen(ticks: int, number: int, boxes: int) -> bytes:
        place = struct.pack(">HBBHH", 0, 0, 0, 8, 60) * boxes
        head = struct.pack(">HHBHBBBB", 128, 96, 0x10, number, 0x80, 0, 0, boxes)
        return segment(0x16, ticks, head + place)

    def window(ticks: int) -> bytes:
        return segment(0x17, ticks, struct.pack(">BBHHHH", 1, 0, 8, 60, 16, 8))

    lines = b"\x00\x90\x01\x00\x00" * 8
    box = struct.pack(">HBBBHHH", 0, 0, 0xC0, 0, len(lines) + 4, 16, 8) + lines
    palette = bytes([0, 0, 1, 235, 128, 128, 255])
    shown = screen(45000, 0, 1) + window(45000) + segment(0x14, 45000, palette)
    shown += segment(0x15, 45000, box) + segment(0x80, 45000)
    return shown + screen(90000, 1, 0) + window(90000) + segment(0x80, 90000)
