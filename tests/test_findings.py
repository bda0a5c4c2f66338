"""What shows only when every frame is decoded is in the plan, and so in the report."""

from __future__ import annotations

from pathlib import Path

import pytest

from framewright.errors import SourceRefused
from tests.support import plan_job
from tests.torture.fields import interlaced
from tests.torture.make import Clip
from tests.torture.sei import CAPTIONS, insert_sei
from tests.torture.tool import encode, ffmpeg, x264

SLICE = b"\x00\x00\x01\x41"
"""Start of a picture in H.264 that is no keyframe but others refer to."""


def warnings_of(path: Path, folder: Path) -> list[str]:
    _, manifest = plan_job(path, folder)
    return list(manifest.video.warnings)


def test_captions_that_set_in_later_are_named_once(tmp_path: Path) -> None:
    path = tmp_path / "late.h264"
    encode(path, *x264(gop=20), "-bsf:v", "filter_units=remove_types=6", count=60)
    stream = path.read_bytes()
    late = stream.index(SLICE, len(stream) * 2 // 3)
    path.write_bytes(stream[:late] + insert_sei(stream[late:], [CAPTIONS]))
    said = [words for words in warnings_of(path, tmp_path) if "captions" in words]
    assert len(said) == 1
    assert said[0].startswith("closed captions (CEA-608/708, in ATSC A/53 user data): not kept")


def test_fields_that_set_in_later_are_named_with_their_place(tmp_path: Path) -> None:
    first, second = tmp_path / "first.ts", tmp_path / "second.ts"
    encode(first, *x264(gop=10), "-f", "mpegts", count=20)
    shifted = [*x264("tff=1", gop=10), "-output_ts_offset", "0.8", "-f", "mpegts"]
    interlaced(second, shifted, "tff", frames=20, size=(128, 96))
    path = tmp_path / "both.ts"
    joined = ("-i", f"concat:{first}|{second}", "-c", "copy", "-copyts", "-f", "mpegts")
    ffmpeg(*joined, path)
    assert any("frames from 20 on, at " in words for words in warnings_of(path, tmp_path))


def test_a_stream_that_begins_within_the_file_is_named(tmp_path: Path) -> None:
    """Beyond the five megabytes that FFmpeg looks at before it says which streams there are."""
    coded, size = [*x264(gop=10, crf=1), "-f", "mpegts"], (640, 480)
    sound = ("-map", "0:v", "-map", "1:a", "-c:a", "aac", "-output_ts_offset", "9.6")
    parts = [tmp_path / f"part{number}.ts" for number in range(3)]
    encode(parts[0], *coded, count=240, size=size)
    made = ("-f", "lavfi", "-i", "sine=duration=2")
    encode(parts[1], *coded[:-2], *sound, *coded[-2:], inputs=made, count=50, size=size)
    encode(parts[2], "-output_ts_offset", "11.6", *coded, count=240, size=size)
    path = tmp_path / "joined.ts"
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    said = [words for words in warnings_of(path, tmp_path) if "begin within the file" in words]
    assert len(said) == 1
    assert said[0].startswith("streams that begin within the file: 1, which are not kept")


@pytest.mark.parametrize("clock", ["-20", "0"])
def test_parts_whose_clocks_do_not_follow_each_other_are_refused(
    clock: str, tmp_path: Path
) -> None:
    parts = [tmp_path / "first.ts", tmp_path / "second.ts"]
    sound = ("-map", "0:v", "-map", "1:a", "-c:a", "aac")
    made = ("-f", "lavfi", "-i", "sine=duration=4")
    for part, offset in zip(parts, ("20" if clock == "-20" else "0", "0"), strict=True):
        timed = ("-output_ts_offset", offset, "-f", "mpegts")
        encode(part, *x264(), *sound, *timed, inputs=made, count=100)
    path = tmp_path / "joined.ts"
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    with pytest.raises(SourceRefused, match="its clock starts anew at frame 100") as refused:
        plan_job(path, tmp_path)
    assert refused.value.reason == "unsupported"


def test_there_is_nothing_to_say_of_a_plain_video(cfr25: Clip, tmp_path: Path) -> None:
    assert warnings_of(cfr25.path, tmp_path) == []
