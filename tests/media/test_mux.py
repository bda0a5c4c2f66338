"""Putting it together: what is asked for, in order, and what goes along."""

from __future__ import annotations

import gc
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest
from av.packet import Packet

from framewright.errors import FrameCountError, VerificationError
from framewright.media import mux as mux_module
from framewright.media.copier import payload
from framewright.media.mux import Muxed, mux
from framewright.media.probe import probe
from framewright.score import score_unit
from framewright.settings import Settings
from framewright.storage import Store
from framewright.types import Manifest
from tests.support import clip_key, plan_job
from tests.torture.expect import observe
from tests.torture.make import Clip, make
from tests.torture.tool import encode, ffmpeg

Parts = tuple[Manifest, list[Path], int]


def scored(clip: Clip, folder: Path, suffix: str = "") -> Parts:
    """Score a clip; give the plan, the units' clips, and by how much they are reordered."""
    store: Store
    store, manifest = plan_job(clip.path, folder, suffix=suffix)
    paths, reorder = [], 0
    for unit in manifest.units:
        record = score_unit(store, manifest.job_key, unit.index)
        reorder = max(reorder, record.reorder_frames)
        paths.append(folder / f"clip{unit.index}.mp4")
        store.download(clip_key(store, manifest, unit.index), paths[-1])
    return manifest, paths, reorder


def join(source: Path, parts: Parts, folder: Path, suffix: str = ".mp4") -> tuple[Path, Muxed]:
    manifest, paths, reorder = parts
    out = folder / f"out{suffix}"
    told: list[int] = []
    muxed = mux(
        source, manifest, paths.__getitem__, reorder, out, suffix, folder, Settings(), told.append
    )
    assert told == [unit.stop for unit in manifest.units]
    return out, muxed


@pytest.fixture
def parts(cfr25: Clip, tmp_path: Path) -> Parts:
    return scored(cfr25, tmp_path)


def test_times_are_the_sources(cfr25: Clip, parts: Parts, tmp_path: Path) -> None:
    out, muxed = join(cfr25.path, parts, tmp_path)
    seen = observe(out)
    assert muxed.pts == cfr25.pts == seen.pts
    assert seen.time_base == cfr25.time_base
    assert muxed.audio_sha256 == [track.sha256 for track in cfr25.audio]
    assert seen.offsets == cfr25.offsets
    assert (muxed.width, muxed.height, muxed.outcomes) == (128, 96, [])


def test_clips_are_asked_for_in_order(cfr25: Clip, parts: Parts, tmp_path: Path) -> None:
    manifest, paths, reorder = parts
    asked: list[int] = []

    def clip(index: int) -> Path:
        asked.append(index)
        return paths[index]

    mux(
        cfr25.path, manifest, clip, reorder, tmp_path / "o.mp4", ".mp4", tmp_path, Settings(),
        lambda _: None,
    )  # fmt: skip
    assert asked == [0, 0, 1, 2]


def test_a_stream_clock_is_moved_to_zero_as_a_whole(clip_folder: Path, tmp_path: Path) -> None:
    clip = make("open_gop_ts", clip_folder)
    out, muxed = join(clip.path, scored(clip, tmp_path), tmp_path)
    seen = observe(out)
    assert seen.relative_times == clip.seen.relative_times
    assert seen.offsets == clip.offsets
    firsts = [seen.times[0], *(track.first for track in seen.audio)]
    assert min(time for time in firsts if time is not None) < Fraction(1, 20)
    [note] = muxed.outcomes
    assert "all streams moved together by -" in note.detail


def test_the_first_frames_time_is_kept(clip_folder: Path, tmp_path: Path) -> None:
    clip = make("video_late", clip_folder)
    out, _ = join(clip.path, scored(clip, tmp_path), tmp_path)
    assert observe(out).times[0] == Fraction(1)


@pytest.mark.parametrize(
    "turn",
    [
        ("-display_hflip",),
        ("-display_vflip",),
        ("-display_rotation", "90"),
        ("-display_rotation", "90", "-display_hflip"),
    ],
)
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_the_display_matrix_is_the_sources(
    turn: tuple[str, ...], suffix: str, clip_folder: Path, tmp_path: Path
) -> None:
    path = tmp_path / "turned.mp4"
    ffmpeg(*turn, "-i", f"file:{make('small', clip_folder).path}", "-c", "copy", f"file:{path}")
    parts = scored(replace(make("small", clip_folder), path=path), tmp_path, suffix)
    out, _ = join(path, parts, tmp_path, suffix)
    wanted = probe(path, Settings())
    assert wanted.display_matrix
    assert probe(out, Settings()).display_matrix == wanted.display_matrix


def test_grey_without_a_range_comes_out_as_bright(clip_folder: Path, tmp_path: Path) -> None:
    """FFmpeg reads it as full range; the result is no grey, so it must say so."""
    path = tmp_path / "grey.avi"
    encode(path, "-c:v", "rawvideo", "-pix_fmt", "gray", count=3)
    parts = scored(replace(make("small", clip_folder), path=path), tmp_path, ".mp4")
    out, _ = join(path, parts, tmp_path)
    pictures = []
    for file in (path, out):
        with av.open(str(file)) as container:
            frame = next(container.decode(video=0))
            pictures.append(frame.to_ndarray(format="rgb24").astype(float))
            tag = int(frame.color_range)
    assert tag == 2
    assert abs(pictures[0] - pictures[1]).mean() < 2


def test_a_missing_frame_is_noticed(cfr25: Clip, parts: Parts, tmp_path: Path) -> None:
    manifest, paths, reorder = parts
    short = manifest.model_copy(
        update={"units": (manifest.units[0].model_copy(update={"stop": 24}), *manifest.units[1:])}
    )
    with pytest.raises(FrameCountError, match="clip of unit 0: expected 24 frames, got 25"):
        join(cfr25.path, (short, paths, reorder), tmp_path)


def test_a_clip_of_another_encoder_is_noticed(
    cfr25: Clip, parts: Parts, clip_folder: Path, tmp_path: Path
) -> None:
    manifest, paths, reorder = parts
    other = make("small", clip_folder).path
    with pytest.raises(VerificationError, match="unit 1 was encoded with another header"):
        join(cfr25.path, (manifest, [paths[0], other, paths[2]], reorder), tmp_path)


def test_adts_framing_is_no_part_of_the_sound(clip_folder: Path) -> None:
    clip = make("open_gop_ts", clip_folder)
    with av.open(str(clip.path)) as container:
        packet = next(p for p in container.demux(container.streams.audio[0]) if p.size)
        whole = bytes(packet)
        assert payload(packet, "mpegts") == whole[7:]
        assert payload(packet, "mov,mp4,m4a,3gp,3g2,mj2") == whole


def test_a_units_packets_are_not_held(clip_folder: Path, tmp_path: Path) -> None:
    """A unit may be an hour: of its packets those are in memory that are being written."""
    clip = make("cfr25", clip_folder)
    store, manifest = plan_job(clip.path, tmp_path, unit_seconds=60)
    record = score_unit(store, manifest.job_key, 0)
    path = tmp_path / "clip.mp4"
    store.download(clip_key(store, manifest, 0), path)
    alive: list[int] = []
    write = mux_module._video_packets

    def watched(*args: Any) -> Any:
        for number, timed in enumerate(write(*args)):
            if number % 25 == 10:
                alive.append(sum(type(thing) is Packet for thing in gc.get_objects()))
            yield timed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mux_module, "_video_packets", watched)
        mux(
            clip.path, manifest, lambda _: path, record.reorder_frames, tmp_path / "o.mp4", ".mp4",
            tmp_path, Settings(), lambda _: None,
        )  # fmt: skip
    assert len(alive) == 3
    assert all(0 < count < 10 for count in alive)
