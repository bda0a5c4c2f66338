"""Compare: a clip with source and result side by side."""

from __future__ import annotations

from pathlib import Path

from framewright.media.compare import comparison_path, side_by_side
from framewright.sources import Origin, check_newest
from tasks.logs import engine_logs
from tasks.policy import step

__all__ = ["compare_videos"]


@step("compare", "compare with {source.name}")
def compare_videos(source: Path, output: Path, *, origin: Origin) -> str:
    """Put the clip beside the output and return its path."""
    clip = comparison_path(output)
    with engine_logs():
        check_newest(origin)
        side_by_side(source, output, clip)
    return str(clip)
