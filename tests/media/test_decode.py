"""Decoding a unit: exactly the wanted frames, from any start, or a reason why not."""

from __future__ import annotations

import io
from functools import partial
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.frame import VideoFrame

from framewright.errors import ManifestError, SourceRefused
from framewright.media.bundle import BundleReader, BundleWriter
from framewright.media.decode import BundleSource, MissingFrames, decode_frames
from framewright.media.split import SplitVideo, split_video
from framewright.settings import Settings
from tests.torture.code import read_code
from tests.torture.expect import luma8
from tests.torture.make import Clip, make
from tests.torture.tool import encode


def split(clip: Clip, folder: Path) -> SplitVideo:
    return split_video(clip.path, folder, 0.5, Settings())


def sources(parts: SplitVideo, *which: int) -> list[BundleSource]:
    numbers = which or range(len(parts.paths))
    return [partial(open, parts.paths[number], "rb") for number in numbers]


def codes(bundles: list[BundleSource], wanted: list[int], **options: bool) -> list[int | None]:
    return [read_code(luma8(frame)) for frame in decode_frames(bundles, wanted, **options)]


@pytest.mark.parametrize("kind", ["cfr25", "open_gop", "hevc", "intra_refresh", "vp9_webm"])
def test_the_whole_clip(kind: str, clip_folder: Path, tmp_path: Path) -> None:
    clip = make(kind, clip_folder)
    parts = split(clip, tmp_path)
    assert codes(sources(parts), parts.pts) == clip.codes


def test_a_part_that_begins_and_ends_anywhere(cfr25: Clip, tmp_path: Path) -> None:
    parts = split(cfr25, tmp_path)
    assert codes(sources(parts, 0, 1), parts.pts[7:31]) == cfr25.codes[7:31]
    assert codes(sources(parts, 1), parts.pts[49:50]) == [49]


@pytest.mark.parametrize("kind", ["open_gop", "hevc"])
def test_leading_pictures_come_from_the_tail(kind: str, clip_folder: Path, tmp_path: Path) -> None:
    """A bundle alone gives all its frames, those included that need the next keyframe."""
    clip = make(kind, clip_folder)
    parts = split(clip, tmp_path)
    for number, bundle in enumerate(parts.bundles):
        wanted = slice(bundle.start_frame, bundle.stop_frame)
        if number == 0:
            assert codes(sources(parts, number), parts.pts[wanted]) == clip.codes[wanted]
        else:
            earlier = sources(parts, number - 1, number)
            assert codes(earlier, parts.pts[wanted]) == clip.codes[wanted]


def test_frames_are_counted_where_there_are_no_times(clip_folder: Path, tmp_path: Path) -> None:
    clip = make("raw_h264", clip_folder)
    parts = split(clip, tmp_path)
    assert codes(sources(parts), [10, 11, 12], counted=True) == [10, 11, 12]


def test_frames_cut_by_an_edit_list_do_not_come_out(clip_folder: Path, tmp_path: Path) -> None:
    clip = make("edit_cut", clip_folder)
    parts = split(clip, tmp_path)
    assert codes(sources(parts), parts.pts) == list(range(33, 75))


def test_frames_cut_by_an_edit_list_are_not_counted(clip_folder: Path, tmp_path: Path) -> None:
    clip = make("edit_cut", clip_folder)
    parts = split(clip, tmp_path)
    assert codes(sources(parts), [0, 1, 41], counted=True) == [33, 34, 74]


PALETTE = ("-vf", "split[a][b];[a]palettegen[p];[b][p]paletteuse", "-pix_fmt", "pal8")


@pytest.mark.parametrize(
    ("file", "args"),
    [
        ("a.avi", ("-c:v", "rawvideo", *PALETTE)),
        ("a.mov", ("-c:v", "rawvideo", *PALETTE)),
        ("a.mov", ("-c:v", "qtrle", "-pix_fmt", "rgb24")),
        ("a.mov", ("-c:v", "qtrle", "-pix_fmt", "rgb555be")),
        ("a.avi", ("-c:v", "msvideo1")),
        ("a.gif", ()),
    ],
)
def test_pictures_that_need_more_than_their_packets(
    file: str, args: tuple[str, ...], tmp_path: Path
) -> None:
    """Palettes and depths of samples are stated by the container, not in the data."""
    path = tmp_path / file
    encode(path, *args, count=50)
    parts = split_video(path, tmp_path, 0.5, Settings())
    with av.open(str(path)) as container:
        wanted = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert np.ptp(wanted[0]) > 100
    found: list[VideoFrame] = []
    for number, bundle in enumerate(parts.bundles):  # each by a decoder that knows no other
        pts = parts.pts[bundle.start_frame : bundle.stop_frame]
        found += decode_frames(sources(parts, number), pts)
    assert len(found) == len(wanted) == 50
    for frame, pixels in zip(found, wanted, strict=True):
        assert np.array_equal(frame.to_ndarray(format="rgb24"), pixels)


def test_nothing_wanted_opens_nothing() -> None:
    def explode() -> io.BytesIO:
        raise AssertionError

    assert list(decode_frames([explode], [])) == []


def test_a_frame_that_is_not_there(cfr25: Clip, tmp_path: Path) -> None:
    parts = split(cfr25, tmp_path)
    wanted = [*parts.pts[:5], parts.pts[5] + 1]
    with pytest.raises(MissingFrames, match=f"no frame with pts {wanted[-1]}") as caught:
        codes(sources(parts), wanted)
    assert (caught.value.pts, caught.value.delivered) == (wanted[-1], 5)


def test_frames_after_the_end(cfr25: Clip, tmp_path: Path) -> None:
    parts = split(cfr25, tmp_path)
    with pytest.raises(MissingFrames) as caught:
        codes(sources(parts, 0), parts.pts[20:30])
    assert (caught.value.pts, caught.value.delivered) == (parts.pts[25], 5)


def test_frames_before_the_start(cfr25: Clip, tmp_path: Path) -> None:
    parts = split(cfr25, tmp_path)
    with pytest.raises(MissingFrames) as caught:
        codes(sources(parts, 1), parts.pts[20:30])
    assert (caught.value.pts, caught.value.delivered) == (parts.pts[20], 0)


def test_a_bundle_that_is_cut_off(cfr25: Clip, tmp_path: Path) -> None:
    parts = split(cfr25, tmp_path)
    data = parts.paths[0].read_bytes()
    with pytest.raises(ManifestError, match="bundle 0: cut off"):
        codes([lambda: io.BytesIO(data[: len(data) // 2])], parts.pts[:25])


def rewritten(path: Path, **header: object) -> Path:
    """The same packets under another header."""
    with path.open("rb") as stream:
        reader = BundleReader(stream, "x")
        out = path.with_suffix(".other")
        writer = BundleWriter(out, reader.header.model_copy(update=header))
        for packet in reader:
            writer.add(packet)
        writer.close()
    return out


@pytest.mark.parametrize("codec", ["aac", "subrip", "nonsense"])
def test_a_codec_that_decodes_no_video(codec: str, cfr25: Clip, tmp_path: Path) -> None:
    parts = split(cfr25, tmp_path)
    other = rewritten(parts.paths[0], codec=codec)
    with pytest.raises(ManifestError, match=f"'{codec}' is not a video decoder"):
        codes([partial(open, other, "rb")], parts.pts[:1])


def test_noise_in_a_packet_is_said(cfr25: Clip, tmp_path: Path) -> None:
    parts = split(cfr25, tmp_path)
    data = bytearray(parts.paths[0].read_bytes())
    middle = len(data) // 2
    data[middle : middle + 400] = bytes(400)
    with pytest.raises((SourceRefused, ManifestError, MissingFrames)) as caught:
        codes([lambda: io.BytesIO(bytes(data))], parts.pts[:25])
    if isinstance(caught.value, SourceRefused):
        assert caught.value.reason == "damaged"
