"""The split: bundles at keyframes, every frame once, nothing decoded twice in vain."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from framewright.errors import SourceRefused
from framewright.media.bundle import BundleReader, PacketRecord
from framewright.media.split import SplitVideo, split_video
from framewright.media.units import cut_units, frames_per_unit, unit_frames
from framewright.settings import Settings
from framewright.types import BundleRef, Progress, Unit
from tests.torture.make import BAD_KINDS, DAMAGED_KINDS, Clip, make, make_bad


def parts(clip: Clip, folder: Path, unit_seconds: float = 0.5) -> SplitVideo:
    return split_video(clip.path, folder, unit_seconds, Settings())


def packets(path: Path) -> list[PacketRecord]:
    with path.open("rb") as stream:
        return list(BundleReader(stream, path.name))


def refs(lengths: list[int]) -> Iterator[BundleRef]:
    start = 0
    for number, length in enumerate(lengths):
        yield BundleRef(
            sha256=f"{number:064x}", size_bytes=1, start_frame=start, stop_frame=start + length
        )
        start += length


@given(st.lists(st.integers(1, 5000), min_size=1, max_size=20), st.integers(1, 1000))
def test_units_cover_all_frames_once(lengths: list[int], unit_frames: int) -> None:
    bundles = list(refs(lengths))
    units = cut_units(bundles, unit_frames)
    assert [unit.index for unit in units] == list(range(len(units)))
    assert units[0].start == 0
    assert units[-1].stop == sum(lengths)
    assert all(a.stop == b.start for a, b in itertools.pairwise(units))
    assert all(unit.frames > 0 for unit in units)
    for unit in units:
        assert any(b.start_frame <= unit.start and unit.stop <= b.stop_frame for b in bundles)
    for bundle in bundles:
        inside = [u for u in units if bundle.start_frame <= u.start < bundle.stop_frame]
        assert max(u.frames for u in inside) - min(u.frames for u in inside) <= 1


def test_a_long_bundle_is_cut_into_few_units() -> None:
    """Each of them decodes the bundle from its start: 100 000 frames are not decoded 1000 times."""
    [bundle] = refs([100_000])
    assert len(cut_units([bundle], 100)) == 16


def test_a_unit_of_one_frame() -> None:
    assert cut_units(list(refs([2, 1])), 1) == [
        Unit(index=0, start=0, stop=1),
        Unit(index=1, start=1, stop=2),
        Unit(index=2, start=2, stop=3),
    ]


@pytest.mark.parametrize(
    ("rate", "seconds", "frames"),
    [(Fraction(25), 10, 250), (Fraction(30000, 1001), 1, 30), (Fraction(25), 0.001, 1)],
)
def test_seconds_become_frames(rate: Fraction, seconds: float, frames: int) -> None:
    assert frames_per_unit(rate, seconds) == frames


def test_bundles_begin_at_keyframes_and_hold_all_packets(cfr25: Clip, tmp_path: Path) -> None:
    split = parts(cfr25, tmp_path)
    assert [(b.start_frame, b.stop_frame) for b in split.bundles] == [(0, 25), (25, 50), (50, 75)]
    assert split.pts == cfr25.pts
    every = [packets(path) for path in split.paths]
    assert all(bundle[0].key for bundle in every)
    own = [packet for bundle in every for packet in bundle if not packet.tail]
    assert [(p.pts, p.dts) for p in own] == [(p.pts, p.dts) for p in cfr25.seen.packets]
    assert split.last_duration_ticks * split.video.time_base == Fraction(1, 25)


@pytest.mark.parametrize("kind", ["open_gop", "hevc", "open_gop_ts"])
def test_with_open_groups_each_bundle_ends_with_what_its_pictures_need(
    kind: str, clip_folder: Path, tmp_path: Path
) -> None:
    clip = make(kind, clip_folder)
    split = parts(clip, tmp_path)
    every = [packets(path) for path in split.paths]
    assert len(every) > 1
    for here, following in itertools.pairwise(every):
        tail = [packet for packet in here if packet.tail]
        assert tail, "leading pictures of the next keyframe belong to this bundle"
        assert tail[0].key
        assert [p.payload for p in tail] == [p.payload for p in following[: len(tail)]]
        assert any(p.pts < tail[0].pts for p in tail if p.pts is not None and tail[0].pts)
    assert not any(packet.tail for packet in every[-1])


def test_closed_groups_have_no_tail(cfr25: Clip, tmp_path: Path) -> None:
    split = parts(cfr25, tmp_path)
    assert not any(packet.tail for path in split.paths for packet in packets(path))


def test_one_keyframe_is_one_bundle(clip_folder: Path, tmp_path: Path) -> None:
    split = parts(make("long_gop", clip_folder), tmp_path, unit_seconds=0.4)
    assert [(b.start_frame, b.stop_frame) for b in split.bundles] == [(0, 100)]
    assert len(cut_units(split.bundles, 10)) == 10


def test_bundles_are_not_too_small(clip_folder: Path, tmp_path: Path) -> None:
    """Fifty keyframes in a row are not fifty files."""
    split = parts(make("all_intra", clip_folder), tmp_path, unit_seconds=0.04)
    assert [(b.start_frame, b.stop_frame) for b in split.bundles] == [(0, 24), (24, 48), (48, 50)]


def test_longer_units_longer_bundles(cfr25: Clip, tmp_path: Path) -> None:
    assert len(parts(cfr25, tmp_path, unit_seconds=10).bundles) == 1


def test_frames_cut_by_an_edit_list_are_fed_but_not_counted(
    clip_folder: Path, tmp_path: Path
) -> None:
    clip = make("edit_cut", clip_folder)
    split = parts(clip, tmp_path)
    assert len(split.pts) == clip.count == 42
    assert any(packet.discard for path in split.paths for packet in packets(path))


def test_a_stream_without_times_is_counted(clip_folder: Path, tmp_path: Path) -> None:
    clip = make("raw_h264", clip_folder)
    split = parts(clip, tmp_path)
    assert split.counted
    assert split.pts == list(range(clip.count))
    assert split.video.time_base == Fraction(1, 25)
    assert len(split.bundles) == 1
    assert sorted(tmp_path.iterdir()) == split.paths


def test_the_same_source_gives_the_same_bundles(cfr25: Clip, tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / name).mkdir()
    assert parts(cfr25, tmp_path / "a").bundles == parts(cfr25, tmp_path / "b").bundles


def test_progress_ends_at_the_number_of_frames(cfr25: Clip, tmp_path: Path) -> None:
    told: list[Progress] = []
    split_video(cfr25.path, tmp_path, 1.0, Settings(), told.append)
    assert told[-1] == Progress("split", 75, 75)


def test_too_many_frames(cfr25: Clip, tmp_path: Path) -> None:
    with pytest.raises(SourceRefused, match=r"more than 74 frames \(FRAMEWRIGHT_MAX_FR") as caught:
        split_video(cfr25.path, tmp_path, 1.0, Settings(max_frames=74))
    assert caught.value.reason == "too_large"
    assert caught.value.message.startswith("'cfr25.mp4'")
    assert split_video(cfr25.path, tmp_path, 1.0, Settings(max_frames=75)).pts == cfr25.pts


@pytest.mark.parametrize("kind", sorted(BAD_KINDS))
def test_bad_sources_are_refused_by_name_and_with_advice(
    kind: str, clip_folder: Path, tmp_path: Path
) -> None:
    path = make_bad(kind, clip_folder)
    with pytest.raises(SourceRefused, match="refused") as caught:
        split_video(path, tmp_path, 1.0, Settings())
    error = caught.value
    assert error.reason in BAD_KINDS[kind].words
    assert path.name in error.message
    assert any(word in error.message for word in ADVICE), error.message


ADVICE = (
    *("Accepted are", "get the whole file", "name one video file", "copy or export it again"),
    *("which is never followed", "choose a file with a video", "export it again"),
    "accepted (FRAMEWRIGHT_MAX_",
)


@pytest.mark.parametrize("kind", DAMAGED_KINDS)
def test_damage_inside_is_refused_or_left_to_the_scoring(
    kind: str, clip_folder: Path, tmp_path: Path
) -> None:
    path = make_bad(kind, clip_folder)
    try:
        split = split_video(path, tmp_path, 1.0, Settings())
    except SourceRefused as error:
        assert error.reason in DAMAGED_KINDS[kind].words
        assert path.name in error.message
    else:
        assert split.pts


@pytest.mark.parametrize(
    ("frames", "unit"),
    [
        (24 * 600, 24 * 30),
        (24 * 60, 24 * 15),
        (24 * 8, 24 * 4),
        (24 * 2, 24 * 4),
    ],
)
def test_a_short_video_has_several_units(frames: int, unit: int) -> None:
    assert unit_frames(frames, Fraction(24), 30.0) == unit
    assert unit_frames(frames, Fraction(24), 1.0) == 24, "shorter ones are as short as wanted"
