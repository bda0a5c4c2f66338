"""Stitching: verified and whole, or not at all."""

from __future__ import annotations

import hashlib
import itertools
import os
import time
from pathlib import Path

import pytest

from framewright.errors import (
    FrameCountError,
    InputError,
    OutputRefused,
    TransientError,
    VerificationError,
)
from framewright.media.encode import UnitEncoder
from framewright.score import score_unit
from framewright.stitch import stitch
from framewright.storage import Store
from framewright.types import Manifest, Progress
from tests.support import Double, clip_key, frame_bytes, plan_job, register
from tests.torture.expect import observe
from tests.torture.make import Clip, make

Job = tuple[Store, Manifest]


@pytest.fixture
def job(cfr25: Clip, tmp_path: Path) -> Job:
    store, manifest = plan_job(cfr25.path, tmp_path)
    for unit in manifest.units:
        score_unit(store, manifest.job_key, unit.index)
    return store, manifest


def replace_clip(job: Job, index: int, data: bytes, **changes: object) -> None:
    """Put another clip in a unit's place, with a record that vouches for it."""
    store, manifest = job
    record = score_unit(store, manifest.job_key, index)
    digest = hashlib.sha256(data).hexdigest()
    update = {"size_bytes": len(data), "result_sha256": digest, "reused": False, **changes}
    store.put(manifest.unit_result_key(index, digest), data)
    record = record.model_copy(update=update)
    store.put(manifest.unit_record_key(index), record.model_dump_json().encode())


def test_the_result_is_described_as_it_is(job: Job, cfr25: Clip, tmp_path: Path) -> None:
    told: list[Progress] = []
    out = tmp_path / "new" / "folder" / "out.mp4"
    stitched = stitch(*job, cfr25.path, out, progress=told.append)
    data = out.read_bytes()
    assert stitched.output == str(out)
    assert stitched.sha256 == hashlib.sha256(data).hexdigest()
    assert stitched.size_bytes == len(data)
    assert (stitched.width, stitched.height, stitched.frames) == (128, 96, 75)
    assert stitched.duration_seconds == 3.0
    assert stitched.streams == ()
    assert told[-1] == Progress("stitch", 75, 75)
    assert os.listdir(out.parent) == ["out.mp4"]
    assert out.stat().st_mode & 0o777 == 0o666 & ~_umask()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_the_units_packets_are_copied_bit_by_bit(job: Job, cfr25: Clip, tmp_path: Path) -> None:
    store, manifest = job
    out = tmp_path / "out.mp4"
    stitch(store, manifest, cfr25.path, out)
    parts: list[bytes] = []
    for unit in manifest.units:
        store.download(clip_key(store, manifest, unit.index), tmp_path / "unit.mp4")
        parts += frame_bytes(tmp_path / "unit.mp4")
    assert frame_bytes(out) == parts


def test_what_killed_runs_left_is_removed_after_a_day(
    job: Job, cfr25: Clip, tmp_path: Path
) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    day_old = time.time() - 25 * 3600
    for name, when in ((".framewright-old", day_old), (".framewright-new", None), ("o", day_old)):
        (folder / name).write_bytes(b"half")
        if when:
            os.utime(folder / name, (when, when))
    stitch(*job, cfr25.path, folder / "out.mp4")
    assert sorted(os.listdir(folder)) == [".framewright-new", "o", "out.mp4"]


def test_decoding_times_grow_and_precede(job: Job, cfr25: Clip, tmp_path: Path) -> None:
    out = tmp_path / "out.mp4"
    stitch(*job, cfr25.path, out)
    packets = observe(out).packets
    dts = [p.dts for p in packets if p.dts is not None]
    assert len(dts) == 75
    assert all(a < b for a, b in itertools.pairwise(dts))
    assert all(p.dts <= p.pts for p in packets if p.dts is not None and p.pts is not None)


def test_the_same_units_give_the_same_file(job: Job, cfr25: Clip, tmp_path: Path) -> None:
    first = stitch(*job, cfr25.path, tmp_path / "1.mp4")
    second = stitch(*job, cfr25.path, tmp_path / "2.mp4")
    assert first.sha256 == second.sha256


@pytest.mark.parametrize("suffix", [".mp4", ".m4v", ".mov", ".mkv"])
def test_the_suffix_decides_the_container(
    suffix: str, job: Job, cfr25: Clip, tmp_path: Path
) -> None:
    stitched = stitch(*job, cfr25.path, tmp_path / f"out{suffix}")
    seen = observe(tmp_path / f"out{suffix}")
    assert seen.container == ("matroska,webm" if suffix == ".mkv" else "mov,mp4,m4a,3gp,3g2,mj2")
    assert seen.codes == cfr25.codes
    assert seen.relative_times == cfr25.times
    assert [t.sha256 for t in seen.audio] == [t.sha256 for t in cfr25.audio]
    told = ["times rounded by up to 0.333 ms: .mkv counts in ms"] if suffix == ".mkv" else []
    assert [outcome.detail for outcome in stitched.streams] == told


def test_an_enlarging_scorer_gives_a_larger_video(
    clip_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = make("odd_444", clip_folder)
    register(monkeypatch, Double, "double")
    store, manifest = plan_job(clip.path, tmp_path, scorer=Double.identity)
    score_all(store, manifest)
    stitched = stitch(store, manifest, clip.path, tmp_path / "out.mp4")
    seen = observe(tmp_path / "out.mp4")
    assert (stitched.width, stitched.height) == (seen.width, seen.height) == (322, 242)
    assert (seen.codes, seen.times) == (clip.codes, clip.seen.times)


def test_times_that_matroska_rounds_are_told(clip_folder: Path, tmp_path: Path) -> None:
    clip = make("ntsc", clip_folder)
    store, manifest = plan_job(clip.path, tmp_path, unit_seconds=10, suffix=".mkv")
    score_all(store, manifest)
    stitched = stitch(store, manifest, clip.path, tmp_path / "out.mkv")
    [note] = [s for s in stitched.streams if s.kind == "video"]
    assert note.action == "changed"
    assert "times rounded by up to 0." in note.detail
    assert ".mkv counts in ms" in note.detail


def score_all(store: Store, manifest: Manifest) -> None:
    for unit in manifest.units:
        score_unit(store, manifest.job_key, unit.index)


class TestConversions:
    """What a container refuses is converted or dropped, and the report says so."""

    def stitched(
        self, kind: str, suffix: str, clip_folder: Path, folder: Path
    ) -> tuple[Clip, Path, dict[str, str]]:
        clip = make(kind, clip_folder)
        store, manifest = plan_job(clip.path, folder, unit_seconds=10, suffix=suffix)
        score_all(store, manifest)
        out = folder / f"out{suffix}"
        done = stitch(store, manifest, clip.path, out)
        return clip, out, {f"{s.kind} {s.action}": s.detail for s in done.streams}

    def test_flac_into_mov(self, clip_folder: Path, tmp_path: Path) -> None:
        clip, out, notes = self.stitched("flac_mkv", ".mov", clip_folder, tmp_path)
        seen = observe(out)
        assert "flac does not fit into .mov: converted to alac" in notes["audio converted"]
        assert [t.codec for t in seen.audio] == ["alac"]
        assert seen.codes == clip.codes
        wanted = clip.offsets[0]
        assert wanted is not None
        assert seen.offsets[0] is not None
        assert abs(seen.offsets[0] - wanted) < 1e-3
        assert len(decoded(out)) == len(decoded(clip.path))
        assert decoded(out) == decoded(clip.path), "lossless stays lossless"

    def test_pcm_into_mp4_stays(self, clip_folder: Path, tmp_path: Path) -> None:
        clip, out, notes = self.stitched("pcm_mov", ".mp4", clip_folder, tmp_path)
        assert notes == {}
        assert [t.sha256 for t in observe(out).audio] == [t.sha256 for t in clip.audio]

    def test_aac_into_webm(self, clip_folder: Path, tmp_path: Path) -> None:
        clip, out, notes = self.stitched("cfr25", ".webm", clip_folder, tmp_path)
        seen = observe(out)
        assert "aac does not fit into .webm: converted to libopus" in notes["audio converted"]
        assert (seen.codec, [t.codec for t in seen.audio]) == ("vp9", ["opus"])
        assert seen.codes == clip.codes
        assert seen.relative_times == clip.times

    def test_subtitles_and_attachments_into_mp4(self, clip_folder: Path, tmp_path: Path) -> None:
        clip, out, notes = self.stitched("tracks_mkv", ".mp4", clip_folder, tmp_path)
        seen = observe(out)
        assert "converted to mov_text" in notes["subtitle converted"]
        assert notes["attachment dropped"] == ".mp4 holds no attachments"
        assert [t.codec for t in seen.subtitles] == ["mov_text"]
        lines, wanted = seen.subtitles[0].lines, clip.subtitles[0].lines
        assert [line.start for line in lines] == [line.start for line in wanted]
        assert [line.duration for line in lines] == [line.duration for line in wanted]
        assert lines[1].text == "Zweite Zeile: äöü"
        assert [t.language for t in seen.audio] == ["eng", "deu"]
        assert seen.subtitles[0].language == "jpn"
        assert seen.chapters == clip.chapters

    def test_data_streams_are_dropped(self, clip_folder: Path, tmp_path: Path) -> None:
        _, out, notes = self.stitched("timecode_mov", ".mov", clip_folder, tmp_path)
        assert notes == {"data dropped": "data stream: only media is carried over"}
        assert observe(out).audio[0].codec == "pcm_s24le"


def decoded(path: Path) -> bytes:
    import av

    with av.open(str(path)) as container:
        resampler = av.AudioResampler(format="s16", layout="mono")
        frames = [f for frame in container.decode(audio=0) for f in resampler.resample(frame)]
        return b"".join(frame.to_ndarray().tobytes() for frame in frames)


class TestRefusals:
    @pytest.fixture
    def out(self, tmp_path: Path) -> Path:
        """An output that is there already and must stay as it is."""
        folder = tmp_path / "out"
        folder.mkdir()
        path = folder / "out.mp4"
        path.write_bytes(b"from before")
        return path

    def assert_untouched(self, out: Path) -> None:
        assert out.read_bytes() == b"from before"
        assert os.listdir(out.parent) == ["out.mp4"]

    def test_units_that_are_missing(self, job: Job, cfr25: Clip, out: Path) -> None:
        store, manifest = job
        store.delete(manifest.unit_record_key(0))
        store.delete(clip_key(store, manifest, 2))
        with pytest.raises(TransientError, match=r"units 0, 2 are not in the store .*Run the job"):
            stitch(store, manifest, cfr25.path, out)
        self.assert_untouched(out)
        again = [score_unit(store, manifest.job_key, unit.index) for unit in manifest.units]
        assert [record.reused for record in again] == [False, True, False]
        assert stitch(store, manifest, cfr25.path, out).frames == 75

    def test_a_clip_with_a_frame_less(
        self, job: Job, cfr25: Clip, out: Path, tmp_path: Path
    ) -> None:
        replace_clip(job, 1, shorter_clip(job, tmp_path))
        with pytest.raises(
            FrameCountError, match="clip of unit 1: expected 25 frames, got 24"
        ) as e:
            stitch(*job, cfr25.path, out)
        assert (e.value.expected, e.value.actual) == (25, 24)
        self.assert_untouched(out)

    def test_a_clip_with_another_header(
        self, job: Job, cfr25: Clip, out: Path, tmp_path: Path
    ) -> None:
        replace_clip(job, 2, shorter_clip(job, tmp_path, frames=25, width=64))
        with pytest.raises(VerificationError, match="unit 2 was encoded with another header"):
            stitch(*job, cfr25.path, out)
        self.assert_untouched(out)

    def test_a_clip_whose_bytes_were_changed(self, job: Job, cfr25: Clip, out: Path) -> None:
        """Same size, same record: only its hash tells."""
        store, manifest = job
        key = clip_key(store, manifest, 1)
        data = bytearray(store.read(key))
        data[len(data) // 2] ^= 0xFF
        store.put(key, bytes(data))
        with pytest.raises(TransientError, match=r"results of units 1 are not .*Run the job again"):
            stitch(store, manifest, cfr25.path, out)
        self.assert_untouched(out)
        again = [score_unit(store, manifest.job_key, unit.index) for unit in manifest.units]
        assert [record.reused for record in again] == [True, False, True]
        assert stitch(store, manifest, cfr25.path, out).frames == 75

    def test_a_clip_that_vanishes_while_it_is_stitched(
        self, job: Job, cfr25: Clip, out: Path
    ) -> None:
        store, manifest = job

        def delete_last(progress: Progress) -> None:
            if progress.done == 25:
                store.delete(clip_key(store, manifest, 2))

        with pytest.raises(TransientError, match="results of units 2 are not"):
            stitch(store, manifest, cfr25.path, out, progress=delete_last)
        self.assert_untouched(out)
        assert store.stat(manifest.unit_record_key(2)) is None

    def test_a_competing_writers_clip_changes_nothing(
        self, job: Job, cfr25: Clip, out: Path, tmp_path: Path
    ) -> None:
        """Two workers score a unit, differently: whichever record stays, its clip is there."""
        store, manifest = job
        replace_clip(job, 1, shorter_clip(job, tmp_path, frames=25))
        record = store.read(manifest.unit_record_key(1))
        store.delete(manifest.unit_record_key(1))
        score_unit(store, manifest.job_key, 1)
        store.put(manifest.unit_record_key(1), record)
        assert stitch(store, manifest, cfr25.path, out).frames == 75

    def test_another_file_of_the_same_size(
        self, job: Job, cfr25: Clip, out: Path, tmp_path: Path
    ) -> None:
        data = bytearray(cfr25.path.read_bytes())
        data[-1] ^= 1
        other = tmp_path / "other.mp4"
        other.write_bytes(data)
        with pytest.raises(InputError, match=r"'other\.mp4' is not the file .* its sha256 is"):
            stitch(*job, other, out)
        self.assert_untouched(out)

    def test_a_source_that_is_gone(self, job: Job, out: Path, tmp_path: Path) -> None:
        with pytest.raises(InputError, match=r"gone\.mp4' cannot be read any more"):
            stitch(*job, tmp_path / "gone.mp4", out)
        self.assert_untouched(out)

    def test_a_source_that_has_changed_since(self, job: Job, clip_folder: Path, out: Path) -> None:
        other = make("no_audio", clip_folder).path
        with pytest.raises(InputError, match=r"'no_audio\.mp4' is not the file that was split"):
            stitch(*job, other, out)
        self.assert_untouched(out)

    def test_a_folder_that_cannot_be_written_to(
        self, job: Job, cfr25: Clip, tmp_path: Path
    ) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(OutputRefused, match=r"cannot write to the folder .*/file'"):
            stitch(*job, cfr25.path, tmp_path / "file" / "out.mp4")

    def test_a_container_that_is_not_known(self, job: Job, cfr25: Clip, out: Path) -> None:
        with pytest.raises(OutputRefused, match=r"suffix '\.avi'; use one of"):
            stitch(*job, cfr25.path, out.with_suffix(".avi"))
        self.assert_untouched(out)


def shorter_clip(job: Job, folder: Path, frames: int = 24, width: int = 128) -> bytes:
    from av.video.frame import VideoFrame

    _, manifest = job
    path = folder / "other.mp4"
    encoder = UnitEncoder(path, manifest.encoder, manifest.video, width, 96)
    for _ in range(frames):
        encoder.add(VideoFrame(width, 96, manifest.encoder.pixel_format))
    encoder.close()
    return path.read_bytes()
