"""A clip that shows source and result beside each other."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import ffmpeg

from framewright.errors import EngineBug
from framewright.files import PARTIAL_PREFIX, publish
from framewright.media.ffmpeg import local_input, run_graph
from framewright.media.probe import select_video_stream
from framewright.media.source import file_url, open_media

__all__ = ["comparison_path", "side_by_side"]

_PANEL_HEIGHT = 720
_TAIL = ".side-by-side.mp4"
_MAX_NAME_BYTES = 255


def comparison_path(output: Path) -> Path:
    """Return where the comparison clip of a result lies: beside it, its stem cut where too long."""
    room = _MAX_NAME_BYTES - len(_TAIL)
    return output.with_name(output.stem.encode()[:room].decode(errors="ignore") + _TAIL)


def side_by_side(left: Path, right: Path, output: Path) -> None:
    """Write a clip that shows two videos beside each other, with the sound of the left one.

    Of each file the stream is shown that is scored, or that would be. Both panels get the right
    one's height, at most 720 lines. ``output`` appears whole or not at all.

    Raises:
        EngineBug: ffmpeg failed, or ``right`` has no picture.
    """
    descriptor, name = tempfile.mkstemp(prefix=PARTIAL_PREFIX, suffix=".mp4", dir=output.parent)
    os.close(descriptor)
    partial = Path(name)
    try:
        _write(left, right, partial)
        publish(partial, output)
    finally:
        partial.unlink(missing_ok=True)


def _write(left: Path, right: Path, output: Path) -> None:
    height = _panel_height(right)
    before, after = local_input(left), local_input(right)
    panels = [
        stream[str(_stream_index(path))]
        .filter("setpts", "PTS-STARTPTS")
        .filter("scale", "-2", height)
        .filter("setsar", "1")
        for path, stream in ((left, before), (right, after))
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


def _stream_index(path: Path) -> int:
    with open_media(path) as container:
        return select_video_stream(container, path).index


def _panel_height(path: Path) -> int:
    with open_media(path) as container:
        stream = select_video_stream(container, path)
        frame = next(container.decode(stream), None)
        if frame is None:
            raise EngineBug(f"{path.name!r} has no picture that could be shown beside another.")
        shown = stream.height if frame.rotation % 180 == 0 else stream.width
    return min(_PANEL_HEIGHT, shown // 2 * 2)
