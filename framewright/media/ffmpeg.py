"""Jobs for which a filter graph reads better than code, through ffmpeg-python.

The binary is the one that imageio-ffmpeg ships; nothing is needed from the system. Arguments go
to it as a list, never through a shell, and it may read local files only.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import ffmpeg
import imageio_ffmpeg

from framewright.errors import EngineBug
from framewright.media.source import FORMATS, file_url

__all__ = ["convert_stream", "ffmpeg_version", "side_by_side"]

_PANEL_HEIGHT = 720


@lru_cache(maxsize=1)
def _binary() -> str:
    return str(imageio_ffmpeg.get_ffmpeg_exe())


def ffmpeg_version() -> str:
    """Version of the ffmpeg binary."""
    return str(imageio_ffmpeg.get_ffmpeg_version())


def side_by_side(left: Path, right: Path, output: Path) -> None:
    """Write a clip that shows two videos beside each other, with the sound of the left one.

    Each panel is scaled to the right one's height, at most 720 lines.
    """
    before, after = _input(left), _input(right)
    height = f"min({_PANEL_HEIGHT},trunc(ih/2)*2)"
    panels = [
        stream.video.filter("setpts", "PTS-STARTPTS")
        .filter("scale", "-2", height)
        .filter("setsar", "1")
        for stream in (before, after)
    ]
    scaled = ffmpeg.filter_multi_output([panels[0], panels[1]], "scale2ref", w="oh*mdar", h="ih")
    picture = ffmpeg.filter([scaled[0], scaled[1]], "hstack", inputs=2, shortest=1)
    graph = ffmpeg.output(
        picture.filter("scale", "trunc(iw/2)*2", "trunc(ih/2)*2"),
        before["a:0?"],
        file_url(output),
        vcodec="libx264",
        preset="veryfast",
        crf=20,
        pix_fmt="yuv420p",
        acodec="aac",
        movflags="+faststart",
        **{"fps_mode": "vfr"},
    )
    _run(graph)


def convert_stream(
    source: Path, index: int, codec: str, options: dict[str, str], output: Path
) -> None:
    """Convert one audio or subtitle stream of a file, keeping its time stamps.

    Args:
        source: the file that holds the stream.
        index: the stream's index in the file.
        codec: encoder to use.
        options: encoder options.
        output: Matroska, MP4 or NUT file to write.
    """
    graph = ffmpeg.output(
        _input(source, copyts=None)[str(index)],
        file_url(output),
        codec=codec,
        avoid_negative_ts="disabled",
        **options,
    )
    _run(graph)


def _input(path: Path, **options: str | None) -> ffmpeg.nodes.FilterableStream:
    return ffmpeg.input(
        file_url(path),
        protocol_whitelist="file",
        format_whitelist=",".join(FORMATS),
        **options,
    )


def _run(graph: ffmpeg.nodes.OutputStream) -> None:
    try:
        ffmpeg.run(
            graph.global_args("-nostdin", "-hide_banner", "-loglevel", "error"),
            cmd=_binary(),
            capture_stdout=True,
            capture_stderr=True,
            overwrite_output=True,
        )
    except ffmpeg.Error as error:
        lines = (error.stderr or b"").decode(errors="replace").strip().splitlines()[-20:]
        raise EngineBug("ffmpeg failed: " + " | ".join(lines)) from error
