"""A flow with the name and the parameters of score-video that only copies."""

from __future__ import annotations

from prefect import flow

from framewright.storage import open_store

__all__ = ["copy_video"]


@flow(name="score-video")
def copy_video(video: str, output: str, scorer: str = "fast", style: str = "") -> str:
    """Copy a video to where its result would lie; every frame is in order, and nothing is scored.

    Args:
        video: address of the video.
        output: address of the folder for the result.
        scorer: part of the result's name.
        style: as scorer.
    """
    folder, _, name = video.rpartition("/")
    result = f"{name.rpartition('.')[0]}.{scorer}{'-' if style else ''}{style}.mp4"
    open_store(output).put(result, open_store(folder).read(name))
    return output + result
