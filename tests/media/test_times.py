"""Frames' times: the source's own, whatever its packets say, and no frame in another's place."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import pytest
from av.packet import Packet
from hypothesis import given
from hypothesis import strategies as st

from framewright.errors import SourceRefused
from framewright.media import decode, times
from framewright.media import split as split_module
from framewright.media.bundle import PacketRecord
from framewright.media.split import SplitVideo, split_video
from framewright.media.times import repair_stamps
from framewright.score import score_unit
from framewright.settings import Settings
from framewright.stitch import stitch
from tests.support import plan_job
from tests.torture.expect import Observed, observe
from tests.torture.make import make
from tests.torture.tool import encode, x264

SOUND = ("-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000:duration=3")
BOTH = ("-map", "0:v", "-map", "1:a", "-c:a", "aac")
JITTER = ("-vf", "settb=1/1000,setpts='N*40+mod(N*17,31)'", "-fps_mode", "passthrough")


def split(path: Path, folder: Path) -> SplitVideo:
    (folder / "parts").mkdir()
    return split_video(path, folder / "parts", 1.0, Settings())


def scored(source: Path, folder: Path, unit_seconds: float) -> Observed:
    """Put a file through the whole engine, unchanged."""
    store, manifest = plan_job(source, folder, unit_seconds=unit_seconds)
    for unit in manifest.units:
        score_unit(store, manifest.job_key, unit.index)
    output = folder / f"out{manifest.video.container_suffix}"
    stitch(store, manifest, source, output)
    return observe(output)


def retimed(source: Path, out: Path, change: Callable[[int, Packet[Any]], None]) -> Path:
    """Copy a file, letting ``change`` touch each video packet, given its number."""
    with av.open(str(source)) as given_, av.open(str(out), "w") as target:
        streams = {s.index: target.add_stream_from_template(s) for s in given_.streams}
        count = 0
        for packet in given_.demux():
            if packet.size:
                if packet.stream.type == "video":
                    change(count, packet)
                    count += 1
                packet.stream = streams[packet.stream_index]
                target.mux_one(packet)
    return out


@pytest.mark.parametrize(
    ("given_", "wanted", "changed"),
    [
        ([5], [5], 0),
        ([0, 40, 81, 120], [0, 40, 81, 120], 0),
        ([0, 40, 80, 80, 160], [0, 40, 80, 120, 160], 1),
        ([0, 40, None, None, 160], [0, 40, 80, 120, 160], 2),
        ([0, 40, 80, 20, 160], [0, 40, 80, 120, 160], 1),
        ([0, 40, 9000, 120, 160], [0, 40, 80, 120, 160], 1),
        ([None, None, 80, 120], [0, 40, 80, 120], 2),
        ([80, 120, None, None], [80, 120, 160, 200], 2),
        ([3600, 3640, 3680, 0, 40], [3600, 3640, 3680, 3720, 3760], 2),
        ([0, 1, 1, 2, 3, 9], [0, 1, 2, 3, 4, 9], 3),
        ([None, 7, None], [6, 7, 8], 2),
    ],
)
def test_only_what_is_wrong_is_changed(
    given_: list[int | None], wanted: list[int], changed: int
) -> None:
    assert repair_stamps(given_) == (wanted, changed)


@given(st.lists(st.none() | st.integers(-50, 50), min_size=1, max_size=40))
def test_repaired_stamps_always_increase(given_: list[int | None]) -> None:
    if all(tick is None for tick in given_):
        return
    stamps, changed = repair_stamps(given_)
    assert len(stamps) == len(given_)
    assert all(before < after for before, after in pairwise(stamps))
    assert changed == sum(a != b for a, b in zip(stamps, given_, strict=True))


@given(st.sets(st.integers(-(10**9), 10**9), min_size=1, max_size=40))
def test_good_stamps_stay(ticks: set[int]) -> None:
    assert repair_stamps(sorted(ticks)) == (sorted(ticks), 0)


def repeat_the_next(count: int, packet: Packet[Any]) -> None:
    if count == 40 and packet.pts is not None:
        packet.pts += round(Fraction(1, 25) / packet.time_base)


def test_one_repeated_stamp_leaves_the_other_times_alone(tmp_path: Path) -> None:
    clean, source = tmp_path / "clean.mkv", tmp_path / "source.mkv"
    encode(clean, *JITTER, "-enc_time_base", "1/1000", *x264("bframes=0"), *BOTH, inputs=SOUND)
    before = observe(clean)

    def repeat(count: int, packet: Packet[Any]) -> None:
        if count == 40:
            packet.pts = packet.dts = before.pts[39]

    retimed(clean, source, repeat)
    after = scored(source, tmp_path, 1.0)
    assert list(after.codes) == list(range(75))
    assert [t for n, t in enumerate(after.times) if n != 40] == [
        t for n, t in enumerate(before.times) if n != 40
    ]
    assert after.times[39] < after.times[40] < after.times[41]  # type: ignore[operator]
    assert after.offsets == before.offsets


def test_a_repaired_stamp_is_warned_of(tmp_path: Path) -> None:
    clean = tmp_path / "clean.mkv"
    encode(clean, *x264("bframes=0"))
    parts = split(retimed(clean, tmp_path / "source.mkv", repeat_the_next), tmp_path)
    assert parts.counted
    [warning] = parts.video.warnings
    assert "1 of 75 time stamps are missing, repeated or run backwards" in warning
    assert len(parts.bundles) == 1


def test_a_stream_clock_with_a_repeated_stamp_keeps_sound_and_picture_together(
    tmp_path: Path,
) -> None:
    clean, source = tmp_path / "clean.ts", tmp_path / "source.ts"
    shift = ("-output_ts_offset", "3600", "-muxdelay", "0", "-muxpreload", "0")
    encode(clean, *x264("bframes=0"), *BOTH, *shift, inputs=SOUND)
    retimed(clean, source, repeat_the_next)
    before = observe(source)
    assert split(source, tmp_path).pts[0] >= 3600 * 90000
    after = scored(source, tmp_path, 1.0)
    assert after.codes == list(range(75))
    assert after.offsets == before.offsets
    assert (after.times[0] or 0) < 1
    assert after.relative_times is not None
    assert after.relative_times[-1] == Fraction(74, 25)


@pytest.mark.parametrize("params", ["", "bframes=0", "bframes=1", "b-pyramid=none"])
def test_avi_is_shown_in_order_at_a_constant_rate(params: str, tmp_path: Path) -> None:
    """AVI numbers its packets as they are stored; with B-frames these are not the times."""
    source = tmp_path / "b.avi"
    encode(source, *x264(params))
    after = scored(source, tmp_path, 0.4)
    assert after.codes == list(range(75))
    assert {b - a for a, b in pairwise(after.times)} == {Fraction(1, 25)}  # type: ignore[operator]


def test_frames_left_out_of_avi_leave_a_gap(tmp_path: Path) -> None:
    source = tmp_path / "gap.avi"
    late = "setpts='N+gte(N,30)*5'"
    encode(source, "-vf", late, "-fps_mode", "passthrough", *x264())
    parts = split(source, tmp_path)
    assert parts.counted
    assert sorted(b - a for a, b in pairwise(parts.pts)) == [1] * 73 + [6]


def test_what_lies_before_the_first_keyframe_is_left_out_and_said(
    clip_folder: Path, tmp_path: Path
) -> None:
    clip = make("mid_gop_ts", clip_folder)
    parts = split(clip.path, tmp_path)
    assert parts.pts == clip.pts
    assert [w for w in parts.video.warnings if "first 20 pictures" in w and "left out" in w]


@pytest.mark.parametrize("kind", ["cfr25", "open_gop", "film_mkv", "hevc_ts"])
def test_ordinary_sources_are_cut_by_their_stamps(
    kind: str, clip_folder: Path, tmp_path: Path
) -> None:
    parts = split(make(kind, clip_folder).path, tmp_path)
    assert not parts.counted
    assert parts.video.warnings == ()


@pytest.mark.parametrize("kind", ["cfr25", "film_mkv"])
def test_mp4_and_matroska_are_split_by_decoding_one_picture(
    kind: str, clip_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(times, "shown_frames")
    fed: list[PacketRecord] = []
    feed = decode._feed
    monkeypatch.setattr(decode, "_feed", lambda c, r, d: fed.append(r) or feed(c, r, d))
    split(make(kind, clip_folder).path, tmp_path)
    assert len(fed) == 1


def test_what_decodes_only_inside_its_container_is_refused_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "animation.mov"
    encode(source, "-c:v", "qtrle", count=5)
    full = split_module._header
    monkeypatch.setattr(
        split_module,
        "_header",
        lambda stream: full(stream).model_copy(update={"bits_per_coded_sample": 0}),
    )
    with pytest.raises(SourceRefused, match="cannot be decoded apart from its cont") as caught:
        split(source, tmp_path)
    assert caught.value.reason == "unsupported"
    assert "qtrle" in caught.value.message
    assert "convert it to H.264" in caught.value.message
    assert "animation.mov" in caught.value.message
