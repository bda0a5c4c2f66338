"""What interlaced and HDR pictures cost besides the model: processor time on one core."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import av
import torch
from av.video.frame import VideoFrame

from benchmarks.record import record
from framewright.media.color import FrameToRgb, RgbToFrame
from framewright.media.fields import FieldMarker, deinterlaced
from framewright.media.probe import probe
from framewright.media.tonemap import ToneMap
from framewright.settings import Settings
from framewright.types import ColorSpec, VideoInfo

FRAMES = 20
BT709 = ColorSpec(
    primaries=1, transfer=1, matrix=1, matrix_used="ITU709", full_range=False, range_tag=1
)
CLIPS = {"1280x720": 25, "1920x1080": 25, "3840x2160": 10}
"""Frames of the clip of each size."""


def main() -> None:
    """Measure and record."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(prefix="framewright-") as folder:
        clips = {size: make_clip(Path(folder) / f"{size}.mp4", size) for size in CLIPS}
        video = probe(clips["1280x720"], Settings())
        record("pictures", "1280x720", tone_mapping(video))
        record("pictures", "1920x1080 4:2:0 8 bit", interlacing(decoded(clips["1920x1080"])))
        for size, path in clips.items():
            seconds = processor_seconds(partial(probe, path, Settings()), 3)
            note = "H.264, open included; CPU time"
            record("pictures", size, [("probe", seconds * 1000, "ms", note)])


def tone_mapping(video: VideoInfo) -> list[tuple[str, float, str, str]]:
    """Milliseconds of the tone map, for noise that has all colours."""
    rows = []
    small = torch.rand((1, 3, 45, 80), generator=torch.Generator().manual_seed(1))
    frame = torch.nn.functional.interpolate(small, size=(720, 1280), mode="bilinear")
    for name, transfer in (("PQ", 16), ("HLG", 18)):
        color = video.color.model_copy(update={"transfer": transfer, "primaries": 9, "matrix": 9})
        tone_map = ToneMap(video.model_copy(update={"color": color}), torch.device("cpu"))
        with torch.inference_mode():
            seconds = processor_seconds(partial(tone_map, frame), FRAMES)
        rows.append((f"tone map, {name}", seconds * 1000, "ms/frame", "one core, CPU time"))
    return rows


def interlacing(frames: list[VideoFrame]) -> list[tuple[str, float, str, str]]:
    """Milliseconds of bwdif, and of RGB and back by frames and by fields."""
    marked = [FieldMarker("top")(frame) for frame in frames]
    rows = [("bwdif", processor_seconds(lambda: list(deinterlaced(marked)), 1) / len(frames))]
    for name, interlaced in (("frames", False), ("fields", True)):
        forth = FrameToRgb(BT709, interlaced=interlaced)
        back = RgbToFrame(BT709, "yuv420p", interlaced=interlaced)
        seconds = processor_seconds(partial(there_and_back, marked, forth, back), 1)
        rows.append((f"to RGB and back, by {name}", seconds / len(frames)))
    return [(name, value * 1000, "ms/frame", "one core, CPU time") for name, value in rows]


def there_and_back(frames: list[VideoFrame], forth: FrameToRgb, back: RgbToFrame) -> None:
    for frame in frames:
        back(forth(frame))


def processor_seconds(work: Callable[[], object], times: int) -> float:
    """CPU seconds of one call, after one that warms up."""
    work()
    started = time.process_time()
    for _ in range(times):
        work()
    return (time.process_time() - started) / times


def make_clip(path: Path, size: str) -> Path:
    """Write some frames of a moving test picture, as H.264."""
    graph = av.filter.Graph()
    source, sink = graph.add("testsrc2", f"size={size}:rate=25"), graph.add("buffersink")
    source.link_to(sink)
    graph.configure()
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"preset": "veryfast"})
        stream.width, stream.height = map(int, size.split("x"))
        stream.pix_fmt = "yuv420p"
        for _ in range(CLIPS[size]):
            container.mux(stream.encode(graph.vpull()))
        container.mux(stream.encode(None))
    return path


def decoded(path: Path) -> list[VideoFrame]:
    with av.open(str(path)) as container:
        return list(container.decode(video=0))[:FRAMES]


if __name__ == "__main__":
    main()
