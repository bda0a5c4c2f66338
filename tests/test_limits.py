"""Limits: each refuses with its name and the value, and before much is read or decoded."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import av
import pytest

from framewright.errors import SourceRefused
from framewright.settings import Settings
from tests.support import plan_job
from tests.torture.make import Clip
from tests.torture.tool import ffmpeg

LARGEST_PROBE_MIB = 160
"""What a process that looks at a file may hold; Python, NumPy and FFmpeg alone take 70."""

PEAK = """
import resource, sys
from pathlib import Path
from framewright.errors import SourceRefused
from framewright.reading import SourceReader
from framewright.settings import Settings
scratch = Path(sys.argv[2])
try:
    with SourceReader(Path(sys.argv[1]), scratch, Settings()) as reader:
        print("accepted", reader.probe().width)
except SourceRefused as error:
    print(error)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024)
"""


@pytest.mark.parametrize(
    ("limit", "value", "found"),
    [
        ("max_source_bytes", 1000, "bytes"),
        ("max_frame_pixels", 12287, "128x96 = 12288 pixels"),
        ("max_frames", 74, "more than 74 frames"),
        ("max_duration_seconds", 2.5, "lasts 3 s"),
        ("max_streams", 1, "has 2 streams"),
        ("max_bundles", 2, "more than 2 bundles"),
        ("max_frame_seconds", 0.001, "standstill"),
    ],
)
def test_a_limit_is_named_with_its_value(
    limit: str, value: float, found: str, cfr25: Clip, tmp_path: Path
) -> None:
    settings = Settings.model_validate({limit: value})
    with pytest.raises(SourceRefused, match=found) as refused:
        plan_job(cfr25.path, tmp_path, settings=settings, unit_seconds=0.5)
    assert f"FRAMEWRIGHT_{limit.upper()}" in refused.value.message
    assert repr(cfr25.path.name) in refused.value.message
    assert refused.value.reason == ("too_slow" if limit == "max_frame_seconds" else "too_large")
    assert not (tmp_path / "work").exists(), "nothing was stored"


def peak(source: Path, folder: Path) -> tuple[str, int]:
    """What looking at a file gives, and the most memory that it took, in MiB."""
    folder.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", PEAK, source, folder], capture_output=True, text=True, check=True
    )
    *said, mebibytes = done.stdout.splitlines()
    return "\n".join(said), int(mebibytes)


def bomb(path: Path, *options: str) -> Path:
    """A small file of large pictures."""
    color = "color=black:size=8192x8192:rate=5:duration=0.4"
    ffmpeg("-f", "lavfi", "-i", color, *options, f"file:{path}")
    return path


def test_a_decompression_bomb_is_refused_from_its_header(tmp_path: Path) -> None:
    path = bomb(tmp_path / "bomb.mp4", "-c:v", "libx264", "-preset", "ultrafast")
    assert path.stat().st_size < 1 << 20
    said, mebibytes = peak(path, tmp_path / "scratch")
    assert "8192x8192 = 67108864 pixels" in said
    assert mebibytes < LARGEST_PROBE_MIB
    with av.open(f"file:{path}") as container:  # a picture alone is 96 MiB
        frame = next(container.decode(video=0))
        assert frame.width * frame.height * 3 // 2 > 96_000_000


def test_a_header_that_lies_about_the_size_costs_nothing(cfr25: Clip, tmp_path: Path) -> None:
    data = bytearray(cfr25.path.read_bytes())
    entry = data.index(b"avc1")
    data[entry + 28 : entry + 32] = (65000).to_bytes(2, "big") * 2
    path = tmp_path / "lying.mp4"
    path.write_bytes(data)
    said, mebibytes = peak(path, tmp_path / "scratch")
    assert said == "accepted 128", "the codec knows better than the container"
    assert mebibytes < LARGEST_PROBE_MIB
