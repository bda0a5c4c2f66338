"""The clip as a file."""

from __future__ import annotations

import time
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from lake.clip import FRAMES, HEIGHT, RATE, SECONDS, WIDTH
from lake.fields import Array
from lake.scene import Scene
from lake.sound import SOUND_RATE, make_sound


def to_frame(picture: Array) -> av.VideoFrame:
    """A picture in [0, 1] as an 8-bit RGB frame."""
    return av.VideoFrame.from_ndarray((picture * 255 + 0.5).astype(np.uint8), format="rgb24")


def write(scene: Scene, out: Path, crf: int) -> None:
    """Render every frame and mux them with the sound."""
    base = Fraction(1, RATE)
    with av.open(f"file:{out}", "w", format="mp4", options={"movflags": "+faststart"}) as box:
        coding = {"crf": str(crf), "preset": "slow", "g": str(2 * RATE)}
        box.metadata["title"] = "A lake in October"
        box.metadata["artist"] = "framewright"
        box.metadata["comment"] = "Rendered by demo/render_sample.py"
        video = box.add_stream("libx264", rate=RATE, options=coding)
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        video.time_base = base
        coder = video.codec_context
        coder.color_primaries = coder.color_trc = coder.colorspace = coder.color_range = 1
        audio = box.add_stream("aac", rate=SOUND_RATE, layout="stereo")
        audio.bit_rate = 128_000
        audio.metadata["language"] = "zxx"
        box.set_chapters(
            [
                {
                    "id": number,
                    "start": start,
                    "end": end,
                    "time_base": Fraction(1, 1),
                    "metadata": {"title": title},
                }
                for number, (start, end, title) in enumerate(
                    ((0, 4, "Out on the water"), (4, SECONDS, "Along the birches"))
                )
            ]
        )
        sound = av.AudioFrame.from_ndarray(make_sound(), format="fltp", layout="stereo")
        sound.sample_rate, sound.pts, sound.time_base = SOUND_RATE, 0, Fraction(1, SOUND_RATE)
        box.mux(audio.encode(sound))
        box.mux(audio.encode(None))
        began = time.monotonic()
        for number in range(FRAMES):
            frame = to_frame(scene.frame(number / RATE)).reformat(
                format="yuv420p",
                src_color_range=2,
                dst_color_range=1,
                dst_colorspace="ITU709",
                interpolation="AREA",
            )
            frame.pts, frame.time_base = number, base
            box.mux(video.encode(frame))
            print(f"\r{number + 1}/{FRAMES}  {time.monotonic() - began:.0f} s", end="", flush=True)
        box.mux(video.encode(None))
    print(f"\n{out}: {out.stat().st_size} bytes")
