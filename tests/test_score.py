"""Scoring one unit: what is skipped, what is scored again, what is refused."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
from av.video.frame import VideoFrame

from framewright import score as score_module
from framewright import sinks as sinks_module
from framewright.allocation import keep_freed_memory
from framewright.errors import (
    EngineBug,
    EnvironmentMismatch,
    ManifestError,
    OutOfMemory,
    SourceRefused,
)
from framewright.media.decode import MissingFrames
from framewright.pipeline import overlap
from framewright.score import finished_units, score_unit, scored_unit
from framewright.settings import Settings
from framewright.storage import Store
from framewright.types import Manifest, Progress, ScorerIdentity
from tests.support import Double, clip_key, plan_job, register
from tests.torture.code import read_code
from tests.torture.expect import luma8, observe
from tests.torture.make import Clip, make, make_bad
from tests.torture.tool import ffmpeg


@pytest.fixture
def job(cfr25: Clip, tmp_path: Path) -> tuple[Store, Manifest]:
    return plan_job(cfr25.path, tmp_path)


@pytest.fixture(autouse=True)
def _fresh_model() -> Iterator[None]:
    score_module._loaded_scorer.cache_clear()
    yield
    score_module._loaded_scorer.cache_clear()


def clip_of(store: Store, manifest: Manifest, index: int, folder: Path) -> Path:
    path = folder / f"unit{index}.mp4"
    store.download(clip_key(store, manifest, index), path)
    return path


def score_all(store: Store, manifest: Manifest) -> list[bool]:
    """Score all units; tell which were reused."""
    return [score_unit(store, manifest.job_key, unit.index).reused for unit in manifest.units]


class TestUnit:
    def test_holds_its_frames_and_no_other(
        self, job: tuple[Store, Manifest], cfr25: Clip, tmp_path: Path
    ) -> None:
        store, manifest = job
        record = score_unit(store, manifest.job_key, 1)
        seen = observe(clip_of(store, manifest, 1, tmp_path))
        assert seen.codes == cfr25.codes[25:50]
        assert seen.packets[0].key
        assert (record.frames, record.start, record.stop) == (25, 25, 50)
        assert (record.width, record.height) == (128, 96)
        assert record.size_bytes == (tmp_path / "unit1.mp4").stat().st_size

    def test_tells_progress_frame_by_frame(self, job: tuple[Store, Manifest]) -> None:
        store, manifest = job
        told: list[Progress] = []
        score_unit(store, manifest.job_key, 0, progress=told.append)
        assert told == [Progress("score", n, 25) for n in range(1, 26)]

    def test_the_process_keeps_freed_memory(self, job: tuple[Store, Manifest]) -> None:
        keep_freed_memory.cache_clear()
        score_unit(job[0], job[1].job_key, 0)
        assert keep_freed_memory.cache_info().currsize == 1

    def test_the_model_is_loaded_once_per_process(self, job: tuple[Store, Manifest]) -> None:
        store, manifest = job
        first, second = (score_unit(store, manifest.job_key, n) for n in (0, 1))
        assert first.setup_seconds > 0
        assert second.setup_seconds == 0
        assert first.worker == second.worker != ""

    def test_threads_of_one_process_take_turns(
        self, cfr25: Clip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A worker with several threads has one model, which keeps one frame at a time."""

        class OneFrameAtATime(Double):
            identity = ScorerIdentity(name="single", version="1", flickers=False)

            def score(self, frames: torch.Tensor) -> torch.Tensor:
                self.frames = frames
                time.sleep(0.002)  # lets the other thread in, if it may come in
                return self.frames

        store, manifest = planned_with(OneFrameAtATime, cfr25.path, tmp_path, monkeypatch)
        with ThreadPoolExecutor(3) as pool:
            records = list(pool.map(lambda n: score_unit(store, manifest.job_key, n), range(3)))
        for unit, record in zip(manifest.units, records, strict=True):
            seen = observe(clip_of(store, manifest, unit.index, tmp_path))
            assert seen.codes == cfr25.codes[unit.start : unit.stop]
            assert record.setup_seconds == 0 or unit.index == 0 or records[0].setup_seconds == 0
        times = sorted((record.started_at, record.seconds) for record in records)
        for (start, seconds), (following, _) in pairwise(times):
            assert following >= start + seconds - 0.01, "one after the other"

    def test_says_when_it_began(self, job: tuple[Store, Manifest]) -> None:
        store, manifest = job
        before = time.time()
        record = score_unit(store, manifest.job_key, 0)
        assert before + record.setup_seconds - 0.01 <= record.started_at, "the model was loaded"
        assert record.started_at + record.seconds <= time.time() + 0.01

    def test_both_queues_have_room_for_batches(
        self, job: tuple[Store, Manifest], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        store, manifest = job
        room: list[tuple[int, int]] = []

        def note(source, step, sink, inbox_items, outbox_items):  # type: ignore[no-untyped-def]
            room.append((inbox_items, outbox_items))
            overlap(source, step, sink, inbox_items, outbox_items)

        monkeypatch.setattr(score_module, "overlap", note)
        for unit, batch in enumerate((1, 8, 64)):
            settings = Settings(batch_frames=batch, queue_frames=16)
            score_unit(store, manifest.job_key, unit, settings=settings)
        assert room == [(16, 16), (2, 16), (2, 128)]

    def test_one_that_does_not_exist(self, job: tuple[Store, Manifest]) -> None:
        store, manifest = job
        with pytest.raises(IndexError):
            score_unit(store, manifest.job_key, 3)

    def test_the_record_says_what_is_stored(self, job: tuple[Store, Manifest]) -> None:
        store, manifest = job
        record = score_unit(store, manifest.job_key, 0)
        stored = json.loads(store.read(manifest.unit_record_key(0)))
        assert stored == json.loads(record.model_dump_json())
        assert stored["reused"] is False


class TestContentAddressing:
    def test_the_same_job_twice_scores_nothing(self, job: tuple[Store, Manifest]) -> None:
        store, manifest = job
        assert score_all(store, manifest) == [False, False, False]
        etags = {info.key: info.etag for info in store.list()}
        assert score_all(store, manifest) == [True, True, True]
        assert {info.key: info.etag for info in store.list()} == etags
        assert finished_units(store, manifest) == {0, 1, 2}

    @pytest.mark.parametrize("part", ["record", "clip"])
    def test_deleting_one_result_scores_exactly_one(
        self, part: str, job: tuple[Store, Manifest]
    ) -> None:
        store, manifest = job
        score_all(store, manifest)
        key = manifest.unit_record_key(1) if part == "record" else clip_key(store, manifest, 1)
        assert store.delete(key)
        assert finished_units(store, manifest) == {0, 2}
        assert score_all(store, manifest) == [True, False, True]
        assert score_all(store, manifest) == [True, True, True]

    def test_a_truncated_clip_is_scored_again(self, job: tuple[Store, Manifest]) -> None:
        store, manifest = job
        score_all(store, manifest)
        key = clip_key(store, manifest, 2)
        whole = store.read(key)
        store.put(key, whole[: len(whole) // 2])
        assert score_all(store, manifest) == [True, True, False]
        assert store.read(key) == whole

    @pytest.mark.parametrize("data", [b"", b"{", b"{}", b"\xff\xfe", b"null"])
    def test_a_garbage_record_is_scored_again(
        self, data: bytes, job: tuple[Store, Manifest]
    ) -> None:
        store, manifest = job
        score_all(store, manifest)
        store.put(manifest.unit_record_key(0), data)
        assert scored_unit(store, manifest, 0) is None
        assert score_all(store, manifest) == [False, True, True]

    @pytest.mark.parametrize(
        "change",
        [{"job_key": "0" * 64}, {"index": 1}, {"start": 1}, {"stop": 24}, {"size_bytes": 1},
         {"schema_version": 2}],
        ids=lambda change: next(iter(change)),
    )  # fmt: skip
    def test_a_record_of_something_else_does_not_count(
        self, change: dict[str, object], job: tuple[Store, Manifest]
    ) -> None:
        store, manifest = job
        score_unit(store, manifest.job_key, 0)
        record = json.loads(store.read(manifest.unit_record_key(0))) | change
        store.put(manifest.unit_record_key(0), json.dumps(record).encode())
        assert scored_unit(store, manifest, 0) is None

    def test_two_workers_on_one_unit_agree(self, job: tuple[Store, Manifest]) -> None:
        """The second overwrites with the same bytes: encoding is deterministic."""
        store, manifest = job
        first = score_unit(store, manifest.job_key, 0)
        clip = store.read(clip_key(store, manifest, 0))
        store.delete(manifest.unit_record_key(0))
        second = score_unit(store, manifest.job_key, 0)
        assert second.result_sha256 == first.result_sha256
        assert store.read(clip_key(store, manifest, 0)) == clip


class Counting(Double):
    """Records what it sees, as the indices drawn into the frames."""

    identity = ScorerIdentity(name="own", version="1", flickers=False)
    seen: list[int | None]

    def __init__(self) -> None:
        type(self).seen = []

    def score(self, frames: torch.Tensor) -> torch.Tensor:
        for frame in frames:
            luma = frame.cpu().numpy() * 255 * np.array([0.299, 0.587, 0.114])[:, None, None]
            type(self).seen.append(read_code(luma.sum(0)))
        return frames


def planned_with(
    scorer: type[Double], source: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[Store, Manifest]:
    register(monkeypatch, scorer, scorer.identity.name)
    return plan_job(source, folder, scorer=scorer.identity)


class TestScorers:
    def test_context_is_shown_before_the_unit_and_not_kept(
        self, cfr25: Clip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        class WithContext(Counting):
            context_frames = 4

        plain = planned_with(Counting, cfr25.path, tmp_path / "plain", monkeypatch)
        score_all(*plain)
        assert Counting.seen == list(range(75))
        score_module._loaded_scorer.cache_clear()
        store, manifest = planned_with(WithContext, cfr25.path, tmp_path / "ctx", monkeypatch)
        for unit, before in ((0, 0), (1, 4), (2, 4)):
            WithContext.seen = []
            score_unit(store, manifest.job_key, unit)
            wanted = manifest.units[unit]
            assert WithContext.seen == list(range(wanted.start - before, wanted.stop))
            clip = store.read(clip_key(store, manifest, unit))
            assert clip == plain[0].read(clip_key(*plain, unit)), "the result is the same"

    def test_context_longer_than_what_came_before(
        self, cfr25: Clip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        class WithMuchContext(Counting):
            context_frames = 1000

        store, manifest = planned_with(WithMuchContext, cfr25.path, tmp_path, monkeypatch)
        assert score_unit(store, manifest.job_key, 2).frames == 25
        assert WithMuchContext.seen == list(range(75))

    def test_context_that_is_no_multiple_of_the_batch(
        self, cfr25: Clip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        class WithContext(Counting):
            context_frames = 4

        store, manifest = planned_with(WithContext, cfr25.path, tmp_path, monkeypatch)
        record = score_unit(store, manifest.job_key, 1, settings=Settings(batch_frames=7))
        assert record.batch_frames == 7
        assert WithContext.seen == list(range(21, 50))
        assert observe(clip_of(store, manifest, 1, tmp_path)).codes == list(range(25, 50))

    def test_a_scorer_that_remembers_knows_the_number_of_each_frame(
        self, cfr25: Clip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Also where a frame does not come out, and all is decoded again from further before."""
        begun: list[int] = []

        class Remembers(Counting):
            context_frames = 4

            def begin(self, first: int) -> None:
                begun.append(first)
                type(self).seen = []

        store, manifest = planned_with(Remembers, cfr25.path, tmp_path, monkeypatch)
        score_unit(store, manifest.job_key, 0)
        assert (begun, Remembers.seen) == ([0], list(range(25)))
        real, attempts = score_module.shown_pictures, iter(range(2))

        def late(*given: Any) -> Iterator[VideoFrame]:
            pictures = real(*given)
            if next(attempts):
                yield from pictures
            else:
                yield from islice(pictures, 6)
                raise MissingFrames(0, 6)

        monkeypatch.setattr(score_module, "shown_pictures", late)
        score_unit(store, manifest.job_key, 2)
        assert (begun, Remembers.seen) == ([0, 46, 46], list(range(46, 75)))

    def test_an_enlarging_scorer_enlarges(
        self, cfr25: Clip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        store, manifest = planned_with(Double, cfr25.path, tmp_path, monkeypatch)
        record = score_unit(store, manifest.job_key, 0)
        assert (record.width, record.height) == (256, 192)
        seen = observe(clip_of(store, manifest, 0, tmp_path))
        assert (seen.width, seen.height, seen.codes) == (256, 192, cfr25.codes[:25])

    def test_memory_running_out_is_survived(
        self, cfr25: Clip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        class Hungry(Double):
            identity = ScorerIdentity(name="hungry", version="1", flickers=False)

            def score(self, frames: torch.Tensor) -> torch.Tensor:
                if len(frames) > 3:
                    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate")
                return frames

        store, manifest = planned_with(Hungry, cfr25.path, tmp_path, monkeypatch)
        record = score_unit(store, manifest.job_key, 0, settings=Settings(batch_frames=16))
        assert record.batch_frames == 2
        assert observe(clip_of(store, manifest, 0, tmp_path)).codes == cfr25.codes[:25]

    @pytest.mark.parametrize(
        ("error", "caught", "match"),
        [
            (torch.OutOfMemoryError("CUDA"), OutOfMemory, "one frame of 128x96 does not fit"),
            (ValueError("weights are upside down"), ValueError, "upside down"),
        ],
    )
    def test_a_scorer_that_raises_leaves_nothing(
        self,
        error: Exception,
        caught: type[Exception],
        match: str,
        cfr25: Clip,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        class Raising(Double):
            identity = ScorerIdentity(name="raising", version="1", flickers=False)

            def score(self, frames: torch.Tensor) -> torch.Tensor:
                raise error

        store, manifest = planned_with(Raising, cfr25.path, tmp_path, monkeypatch)
        with pytest.raises(caught, match=match):
            score_unit(store, manifest.job_key, 0)
        assert list(store.list(f"{manifest.prefix}units/")) == []

    @pytest.mark.parametrize("number", [float("nan"), float("inf")])
    def test_a_scorer_that_gives_no_numbers_leaves_nothing(
        self, number: float, cfr25: Clip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        class Nan(Double):
            identity = ScorerIdentity(name="nan", version="1", flickers=False)

            def score(self, frames: torch.Tensor) -> torch.Tensor:
                return frames * number

        store, manifest = planned_with(Nan, cfr25.path, tmp_path, monkeypatch)
        with pytest.raises(EngineBug, match="not a number or infinite"):
            score_unit(store, manifest.job_key, 0)
        assert finished_units(store, manifest) == set()

    def test_a_scorer_that_changes_its_size_is_said(
        self, cfr25: Clip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        class Restless(Double):
            identity = ScorerIdentity(name="restless", version="1", flickers=False)
            calls = 0

            def score(self, frames: torch.Tensor) -> torch.Tensor:
                self.calls += 1
                return super().score(frames) if self.calls > 5 else frames

        store, manifest = planned_with(Restless, cfr25.path, tmp_path, monkeypatch)
        with pytest.raises(EngineBug, match="of 128x96, then of 256x192"):
            score_unit(store, manifest.job_key, 0)
        assert finished_units(store, manifest) == set()

    def test_the_model_sees_frames_upright(
        self, clip_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A player turns the coded picture; the model must see what a viewer sees."""

        class Shapes(Double):
            identity = ScorerIdentity(name="shapes", version="1", flickers=False)
            frame: torch.Tensor

            def score(self, frames: torch.Tensor) -> torch.Tensor:
                type(self).frame = frames[0].clone()
                return frames

        clip = make("rotated90", clip_folder)
        store, manifest = planned_with(Shapes, clip.path, tmp_path, monkeypatch)
        score_unit(store, manifest.job_key, 2)
        assert Shapes.frame.shape == (3, 128, 96)
        with av.open(str(clip.path)) as container:
            coded = [luma8(frame) for frame in container.decode(video=0)]
        # ``rotation`` degrees counter-clockwise is what a player does to the coded picture
        upright = np.rot90(coded[-1], 1)
        seen = (Shapes.frame.numpy() * np.array([0.299, 0.587, 0.114])[:, None, None]).sum(0)
        likeness = np.corrcoef(seen.ravel(), upright.ravel())[0, 1]
        assert likeness > 0.99
        assert np.corrcoef(seen.ravel(), upright[::-1, ::-1].ravel())[0, 1] < 0.9
        assert observe(clip_of(store, manifest, 2, tmp_path)).codes == clip.codes[50:]

    @pytest.mark.parametrize(
        "turn",
        [
            ("-display_hflip",),
            ("-display_vflip",),
            ("-display_rotation", "90", "-display_hflip"),
            ("-display_rotation", "270"),
        ],
    )
    def test_the_model_sees_no_mirror_image(
        self,
        turn: tuple[str, ...],
        clip_folder: Path,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """What ffmpeg shows of a mirrored or turned file is what the model must see."""

        class Shown(Double):
            identity = ScorerIdentity(name="shown", version="1", flickers=False)
            frame: torch.Tensor

            def score(self, frames: torch.Tensor) -> torch.Tensor:
                type(self).frame = frames[0].clone()
                return frames

        path, player = tmp_path / "turned.mp4", tmp_path / "player.nut"
        plain = make("small", clip_folder)
        ffmpeg(*turn, "-i", f"file:{plain.path}", "-c", "copy", f"file:{path}")
        ffmpeg("-i", f"file:{path}", "-c:v", "rawvideo", "-pix_fmt", "yuv444p", f"file:{player}")
        with av.open(str(player)) as container:
            upright = [luma8(frame) for frame in container.decode(video=0)][-1]
        store, manifest = planned_with(Shown, path, tmp_path, monkeypatch)
        score_unit(store, manifest.job_key, len(manifest.units) - 1)
        seen = (Shown.frame.numpy() * np.array([0.299, 0.587, 0.114])[:, None, None]).sum(0)
        assert seen.shape == upright.shape
        assert np.corrcoef(seen.ravel(), upright.ravel())[0, 1] > 0.99
        assert np.corrcoef(seen.ravel(), upright[:, ::-1].ravel())[0, 1] < 0.9
        codes = observe(clip_of(store, manifest, len(manifest.units) - 1, tmp_path)).codes
        assert codes == plain.codes[manifest.units[-1].start :], "and it is turned back"

    def test_ten_bits_stay_ten_bits(
        self, clip_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        class Fine(Double):
            identity = ScorerIdentity(name="fine", version="1", flickers=False)
            values: set[int]

            def score(self, frames: torch.Tensor) -> torch.Tensor:
                type(self).values = set((frames * 65535).round().int().flatten().tolist())
                return frames

        clip = make("h264_10bit", clip_folder)
        store, manifest = planned_with(Fine, clip.path, tmp_path, monkeypatch)
        score_unit(store, manifest.job_key, 0)
        assert any(value % 257 for value in Fine.values), "more than 8 bits reach the model"
        seen = observe(clip_of(store, manifest, 0, tmp_path))
        assert (seen.pix_fmt, seen.codes) == ("yuv420p10le", clip.codes[:25])


class TestRefusals:
    def test_another_encoder_than_planned(
        self, job: tuple[Store, Manifest], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        store, manifest = job
        monkeypatch.setattr(sinks_module, "encoder_build", lambda: "libavcodec 1.2.3")
        with pytest.raises(
            EnvironmentMismatch,
            match=r"encodes with libavcodec 1\.2\.3, the job was planned with libavcodec .*PyAV",
        ):
            score_unit(store, manifest.job_key, 0)
        assert finished_units(store, manifest) == set()

    def test_a_job_that_is_not_there(self, job: tuple[Store, Manifest]) -> None:
        with pytest.raises(ManifestError, match="has no job"):
            score_unit(job[0], "0" * 64, 0)

    def test_a_bundle_that_is_not_there(self, job: tuple[Store, Manifest]) -> None:
        store, manifest = job
        store.delete(manifest.bundles[1].key)
        assert score_unit(store, manifest.job_key, 0).frames == 25
        with pytest.raises(ManifestError, match=r"bundles/.* is gone"):
            score_unit(store, manifest.job_key, 1)

    def test_a_bundle_that_is_cut_off(self, job: tuple[Store, Manifest]) -> None:
        store, manifest = job
        key = manifest.bundles[1].key
        data = store.read(key)
        store.put(key, data[: len(data) // 2])
        with pytest.raises(ManifestError, match="cut off"):
            score_unit(store, manifest.job_key, 1)
        assert finished_units(store, manifest) == set()

    @pytest.mark.parametrize("kind", ["corrupt_mp4", "corrupt_ts"])
    def test_a_damaged_unit_is_refused_with_its_place(
        self, kind: str, clip_folder: Path, tmp_path: Path
    ) -> None:
        path = make_bad(kind, clip_folder)
        unchecked = Settings(check_decoding=False)
        store, manifest = plan_job(path, tmp_path, settings=unchecked)
        refused: list[SourceRefused] = []
        for unit in manifest.units:
            try:
                score_unit(store, manifest.job_key, unit.index)
            except SourceRefused as error:
                refused.append(error)
                assert error.reason == "damaged"
                assert repr(path.name) in error.message
                assert f"unit {unit.index}, frames [{unit.start}, {unit.stop})" in error.message
                assert " s " in error.message
                assert "re-export" in error.message
                assert scored_unit(store, manifest, unit.index) is None
        assert 0 < len(refused) < len(manifest.units), "the good units are scored all the same"

    def test_a_change_of_size_in_the_middle(
        self, cfr25: Clip, clip_folder: Path, tmp_path: Path
    ) -> None:
        """Should a source get past the split: the unit says so."""
        store, manifest = plan_job(cfr25.path, tmp_path)
        small = manifest.model_copy(
            update={"video": manifest.video.model_copy(update={"width": 64}), "job_key": "0" * 64}
        )
        store.put(f"{small.prefix}manifest.json", small.model_dump_json().encode())
        with pytest.raises(SourceRefused, match=r"size changes from 64x96 to 128x96") as caught:
            score_unit(store, small.job_key, 0)
        assert caught.value.reason == "unsupported"
