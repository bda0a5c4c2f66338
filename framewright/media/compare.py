"""A clip that shows source and result beside each other."""

from __future__ import annotations

from pathlib import Path

import av
import ffmpeg

from framewright.media.ffmpeg import local_input, run_graph
from framewright.media.source import file_url

__all__ = ["side_by_side"]

_PANEL_HEIGHT = 720


def side_by_side(left: Path, right: Path, output: Path) -> None:
    """Write a clip that shows two videos beside each other, with the sound of the left one.

    Both panels get the right one's height, at most 720 lines.
    """
    height = _panel_height(right)
    before, after = local_input(left), local_input(right)
    panels = [
        stream.video.filter("setpts", "PTS-STARTPTS")
        .filter("scale", "-2", height)
        .filter("setsar", "1")
        for stream in (before, after)
    ]
    graph = ffmpeg.output(
        ffmpeg.filter(panels, "hstack", inputs=2, shortest=1),
        before["a:0?"],
        file_url(output),
        vcodec="libx264",
        preset="veryfast",
        crf=20,
        pix_fmt="yuv420p",
        acodec="aac",
        movflags="+faststart",
        fps_mode="vfr",
    )
    run_graph(graph)


def _panel_height(path: Path) -> int:
    with av.open(file_url(path)) as container:
        stream = container.streams.video[0]
        frame = next(container.decode(stream))
        shown = stream.height if frame.rotation % 180 == 0 else stream.width
    return min(_PANEL_HEIGHT, shown // 2 * 2)
