"""Render the sample clip: a low flight over a mountain lake in the last light of an autumn day.

    python demo/render_sample.py                       # writes demo/sample.mp4, 5 minutes
    python demo/render_sample.py --still 170 still.png # one frame only

Everything is computed with numpy from one seed, in ``lake``: the height field, its shadows, the
forest, the water, the clouds and the sound. Nothing is downloaded and nobody else holds rights in
it.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from lake.clip import RATE
from lake.file import to_frame, write
from lake.scene import Scene


def main() -> None:
    """Write the clip, or stills."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("sample.mp4"))
    parser.add_argument("--crf", type=int, default=23, help="quality of the video, lower is better")
    parser.add_argument("--still", nargs=2, action="append", metavar=("FRAME", "PNG"))
    args = parser.parse_args()
    scene = Scene()
    for number, path in args.still or ():
        to_frame(scene.frame(int(number) / RATE)).save(path)
    if not args.still:
        write(scene, args.out, args.crf)


if __name__ == "__main__":
    main()
