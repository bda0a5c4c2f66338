"""Jobs for which a filter graph reads better than code, through ffmpeg-python.

The binary is the one that imageio-ffmpeg ships; nothing is needed from the system. Arguments go
to it as a list, never through a shell, and it may read local files only.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import ffmpeg
import imageio_ffmpeg

from framewright.errors import EngineBug
from framewright.media.source import FORMATS, file_url
from framewright.sandbox import dying_with_parent

__all__ = ["convert_stream", "ffmpeg_version", "local_input", "run_graph"]

_WAIT_SECONDS = 1.0
TIMEOUT_SECONDS = 3600.0
"""A conversion that takes longer than that is not going to end."""


@lru_cache(maxsize=1)
def _binary() -> str:
    return str(imageio_ffmpeg.get_ffmpeg_exe())


def ffmpeg_version() -> str:
    """Version of the ffmpeg binary."""
    return str(imageio_ffmpeg.get_ffmpeg_version())


def convert_stream(
    source: Path,
    index: int,
    codec: str,
    options: dict[str, str],
    output: Path,
    on_wait: Callable[[], None] = lambda: None,
) -> None:
    """Convert one audio or subtitle stream of a file, keeping its time stamps.

    Args:
        source: the file that holds the stream.
        index: the stream's index in the file.
        codec: encoder to use.
        options: encoder options.
        output: Matroska, MP4 or NUT file to write.
        on_wait: called every second while it lasts.
    """
    graph = ffmpeg.output(
        local_input(source, copyts=None)[str(index)],
        file_url(output),
        codec=codec,
        avoid_negative_ts="disabled",
        **options,
    )
    run_graph(graph, on_wait)


def local_input(path: Path, **options: str | None) -> ffmpeg.nodes.FilterableStream:
    """Return a graph's input: a local file of an accepted format, which opens no other file."""
    return ffmpeg.input(
        file_url(path),
        protocol_whitelist="file",
        format_whitelist=",".join(FORMATS),
        **options,
    )


def run_graph(graph: ffmpeg.nodes.OutputStream, on_wait: Callable[[], None] = lambda: None) -> None:
    """Run ffmpeg over a graph; it ends with this process, however that ends.

    Args:
        graph: what to do.
        on_wait: called every second while it works.

    Raises:
        EngineBug: it failed, or took longer than ``TIMEOUT_SECONDS``; the message has the end of
            what it said.
    """
    graph = graph.global_args("-nostdin", "-hide_banner", "-loglevel", "error")
    command = ffmpeg.compile(graph, cmd=_binary(), overwrite_output=True)
    with subprocess.Popen(  # noqa: S603 - a list, never a shell
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        preexec_fn=dying_with_parent(),
    ) as process:
        try:
            said = _awaited(process, on_wait)
        except BaseException:
            process.kill()
            raise
    if process.returncode:
        raise EngineBug(
            f"ffmpeg failed: {_end(said)}. If that is a full disk or a missing "
            "permission, put it right and run again; otherwise please report it with this message "
            "and the output of `framewright doctor`.",
            report=False,
        )


def _awaited(process: subprocess.Popen[bytes], on_wait: Callable[[], None]) -> bytes:
    """Wait for the end of ffmpeg and return what it said."""
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while True:
        try:
            return process.communicate(timeout=min(_WAIT_SECONDS, TIMEOUT_SECONDS))[1]
        except subprocess.TimeoutExpired:
            on_wait()
        if time.monotonic() > deadline:
            process.kill()
            said = process.communicate()[1]
            raise EngineBug(
                f"ffmpeg failed: it was not done after {TIMEOUT_SECONDS:.0f} s and was stopped; it "
                f"says: {_end(said)}. If the machine was not just busy, please report it with "
                "this message and the output of `framewright doctor`.",
                report=False,
            )


def _end(said: bytes | None) -> str:
    lines = (said or b"").decode(errors="replace").strip().splitlines()[-20:]
    return " | ".join(lines) or "nothing"
