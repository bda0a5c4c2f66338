"""Outputs in another container than the source: what fits is copied, the rest is told."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from framewright.plan import split, upload
from framewright.score import score_unit
from framewright.scorers import create
from framewright.settings import Settings
from framewright.stitch import Stitched, stitch
from framewright.storage import open_store
from tests.clips.expect import Observed, observe
from tests.clips.make import Clip, make

MS = Fraction(1, 1000)

CASES = {
    # kind, suffix: codecs of the sound, of the subtitles, what the report says
    ("tracks_mkv", ".mp4"): (["aac", "ac3"], ["mov_text"], ["converted", "dropped"]),
    ("tracks_mkv", ".mov"): (["aac", "ac3"], ["mov_text"], ["converted", "dropped"]),
    ("tracks_mkv", ".webm"): (
        ["opus", "opus"],
        ["webvtt"],
        ["converted", "converted", "converted", "dropped"],
    ),
    ("tracks_mp4", ".mkv"): (["aac", "ac3"], ["srt"], ["converted"]),
    ("pcm_mov", ".mkv"): (["pcm_s16le"], [], []),
    ("pcm_mov", ".webm"): (["opus"], [], ["converted"]),
    ("flac_mkv", ".mov"): (["alac"], [], ["converted"]),
    ("opus_mkv", ".mov"): (["aac"], [], ["converted"]),
    ("opus_mkv", ".mp4"): (["opus"], [], []),
    ("vp9_webm", ".mp4"): (["opus"], [], []),
    ("ntsc", ".mkv"): (["aac"], [], ["changed"]),
    ("hdr10", ".webm"): ([], [], []),
    ("sar", ".webm"): ([], [], ["changed"]),
    ("two_videos", ".webm"): (["opus"], [], ["dropped", "converted"]),
    ("cover", ".mkv"): (["aac"], [], []),
    ("cover_mkv", ".mp4"): ([], [], []),
    ("start_10h", ".mkv"): (["aac"], [], []),
    ("rotated90", ".mkv"): (["aac"], [], []),
    ("audio_late", ".webm"): (["opus"], [], ["converted"]),
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
