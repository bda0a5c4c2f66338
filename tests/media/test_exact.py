"""Good clips through split, score and stitch, frame by frame: a quarter of `make torture`."""

from __future__ import annotations

from pathlib import Path

import pytest

from framewright.settings import Settings
from tests.torture.checks import Note, verdict
from tests.torture.expect import observe
from tests.torture.judge import disagreements, look
from tests.torture.make import HARD, QUICK_KINDS, make
from tests.torture.path import UNIT_FRAMES, score
from tests.torture.run import notes_of

JOBS = [(kind, UNIT_FRAMES[place % 3]) for place, kind in enumerate(QUICK_KINDS)]
JOBS += [(kind, unit) for kind in HARD for unit in UNIT_FRAMES if (kind, unit) not in JOBS]


@pytest.mark.parametrize(("kind", "unit_frames"), JOBS)
def test_kind_is_exact(
    kind: str, unit_frames: int, clip_folder: Path, tmp_path: Path, settings: Settings
) -> None:
    clip = make(kind, clip_folder)
    output, stitched = score(clip.path, tmp_path, unit_frames, settings)
    result = observe(output, long=clip.kind.long)
    _, silent = verdict(clip, result, notes_of(stitched), stitched.frames)
    assert silent == []
    if kind in HARD:
        opinion = look(output, result.video_index, long=clip.kind.long)
        assert disagreements(result, opinion) == []


class TestTheJudgement:
    """A judge that cannot find anything would be of no use."""

    def test_a_result_of_another_clip(self, clip_folder: Path) -> None:
        clip, other = make("cfr25", clip_folder), make("audio_late", clip_folder)
        _, silent = verdict(clip, other.seen, [], 75)
        assert any("audio" in line for line in silent)

    def test_what_the_report_names_is_no_silent_error(self, clip_folder: Path) -> None:
        clip, other = make("tracks_mkv", clip_folder), make("tracks_mp4", clip_folder)
        _, silent = verdict(clip, other.seen, [], 75)
        assert any(line.startswith("attachments") for line in silent)
        index = len(clip.seen.audio) + 2
        named, silent = verdict(
            clip, other.seen, [Note(index, "dropped: .mp4 holds no attachments")], 75
        )
        assert any(line.startswith("attachments") for line in named)
        assert not any(line.startswith("attachments") for line in silent)

    def test_frames_are_never_excused(self, clip_folder: Path) -> None:
        clip, other = make("cfr25", clip_folder), make("ntsc", clip_folder)
        notes = [Note(None, "frames codes times rounded moved together dropped converted")]
        _, silent = verdict(clip, other.seen, notes, 74)
        assert any(line.startswith("reported frames") for line in silent)

    def test_two_judges_that_disagree(self, clip_folder: Path) -> None:
        one, other = make("cfr25", clip_folder), make("vfr_drop", clip_folder)
        found = disagreements(one.seen, look(other.path, 0))
        assert any("judges disagree on codes: PyAV" in line for line in found)
