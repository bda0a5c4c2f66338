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

__all__ = ["convert_stream", "ffmpeg_version", "local_input", "run_graph"]


@lru_cache(maxsize=1)
def _binary() -> str:
    return str(imageio_ffmpeg.get_ffmpeg_exe())


def ffmpeg_version() -> str:
    """Version of the ffmpeg binary."""
    return str(imageio_ffmpeg.get_ffmpeg_version())


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
        local_input(source, copyts=None)[str(index)],
        file_url(output),
        codec=codec,
        avoid_negative_ts="disabled",
        **options,
    )
    run_graph(graph)


def local_input(path: Path, **options: str | None) -> ffmpeg.nodes.FilterableStream:
    """Return a graph's input: a local file of an accepted format, which opens no other file."""
    return ffmpeg.input(
        file_url(path),
        protocol_whitelist="file",
        format_whitelist=",".join(FORMATS),
        **options,
    )


def run_graph(graph: ffmpeg.nodes.OutputStream) -> None:
    """Run ffmpeg over a graph.

    Raises:
        EngineBug: it failed; the message has the end of what it said.
    """
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
