"""Every kind of good clip, through split, score and stitch, frame by frame."""

from __future__ import annotations

from pathlib import Path

import pytest

from framewright.media.probe import probe
from framewright.outputs import resolve_output
from framewright.plan import split, upload
from framewright.score import score_unit
from framewright.scorers import create
from framewright.settings import Settings
from framewright.stitch import Stitched, stitch
from framewright.storage import open_store
from tests.torture.expect import Color, Observed, observe
from tests.torture.make import KINDS, Clip, make

STREAM_CLOCK = {"mpegts"}
"""Sources whose clock starts anywhere: all their streams are moved to 0 together."""

TOLD_APART_BY_MP4 = {None: "und"}
"""MP4 has no way to say that a language is not known but `und`."""

AS_MP4_NAMES_IT = {"mp2": "mp3float"}
"""MP4 has one number for MPEG-1 audio of layers 2 and 3; decoders read the layer from the sound."""

CHANGED_PIXEL_FORMAT = {"gif": "yuv444p", "prores_4444": "yuv444p10le"}
"""Pixel formats that the encoder has no counterpart of."""


def score(
    source: Path, folder: Path, unit_frames: int, settings: Settings
) -> tuple[Path, Stitched]:
    store = open_store(str(folder / "store"))
    rate = probe(source, settings).frame_rate
    parts = split(
        source,
        scorer=create("identity", {}).identity,
        scratch=folder / "scratch",
        store=store,
        unit_seconds=float(unit_frames / rate),
    )
    manifest = upload(parts, store)
    for unit in manifest.units:
        score_unit(store, manifest.job_key, unit.index)
    output = resolve_output(f"{folder}/out/", source, parts.suffix, manifest.scorer)
    return output, stitch(store, manifest, source, output)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("unit_frames", [1, 10, 60])
def test_kind_is_exact(
    kind: str, unit_frames: int, clip_folder: Path, tmp_path: Path, settings: Settings
) -> None:
    clip = make(kind, clip_folder)
    output, stitched = score(clip.path, tmp_path, unit_frames, settings)
    result = observe(output)
    assert list(result.codes) == clip.codes
    assert_times(clip, result)
    assert_sound(clip.seen, result)
    assert_description(clip, result)
    assert stitched.frames == clip.count


def assert_times(clip: Clip, result: Observed) -> None:
    if clip.seen.relative_times is None:  # an elementary stream has no times of its own
        assert result.relative_times == clip.times
        return
    assert result.relative_times == clip.seen.relative_times
    if clip.seen.container not in STREAM_CLOCK:
        assert result.times == clip.seen.times
    assert result.offsets == clip.seen.offsets


def assert_sound(source: Observed, result: Observed) -> None:
    assert [track.sha256 for track in result.audio] == [track.sha256 for track in source.audio]
    assert codecs(result) == codecs(source)


def codecs(seen: Observed) -> list[str]:
    return [AS_MP4_NAMES_IT.get(track.codec, track.codec) for track in seen.audio]


def assert_description(clip: Clip, result: Observed) -> None:
    source = clip.seen
    assert result.rotation == source.rotation
    assert result.sar == source.sar
    assert result.interlaced == source.interlaced
    assert (result.mastering, result.light_level) == (source.mastering, source.light_level)
    assert result.chapters == source.chapters
    assert result.metadata == source.metadata
    assert result.covers == source.covers
    assert result.attachments == source.attachments
    assert [t.lines for t in result.subtitles] == [t.lines for t in source.subtitles]
    assert result.pix_fmt == CHANGED_PIXEL_FORMAT.get(clip.kind.name, source.pix_fmt)
    assert result.color == (Color(1, 2, 2, 1) if clip.kind.name == "gif" else source.color)
    assert languages(result) == languages(source) or languages(result) == [
        TOLD_APART_BY_MP4.get(language, language) for language in languages(source)
    ]
    if source.container not in STREAM_CLOCK | {"avi", "h264", "gif"}:
        assert dispositions(result) == dispositions(source)


def languages(seen: Observed) -> list[str | None]:
    tracks = [*seen.audio, *seen.subtitles]
    return [seen.language, *(track.language for track in tracks)]


def dispositions(seen: Observed) -> list[int]:
    return [seen.disposition, *(t.disposition for t in [*seen.audio, *seen.subtitles])]
