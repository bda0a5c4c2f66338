"""``make torture-hour``: an hour of video, 90,000 frames, through the whole path in bounded memory.

    python -m tests.torture.hour [--seconds N …]

Clips of 64x48 pixels at 25 frames a second with sound are made, split, scored with ``identity`` and
stitched, each stage in a process of its own, and every frame, time and sound packet of the results
is checked by both judges. The most memory that each process held is printed; exit status 0 only if
the results are exact and the longest clip needs at most a tenth more than the shortest, but for the
time stamps, which the splitting and the stitching process hold of all frames at once.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from framewright.plan import load_manifest, split, upload
from framewright.score import score_unit
from framewright.scorers import create
from framewright.stitch import stitch
from framewright.storage import LocalStore
from tests.torture.code import MAX_INDEX
from tests.torture.expect import observe
from tests.torture.judge import disagreements, look
from tests.torture.kinds.kind import AAC, sine
from tests.torture.picture import frames
from tests.torture.tool import program, x264

__all__ = ["main", "make_clip", "run"]

SIZE = (64, 48)
RATE = 25
STAGES = ("split", "score", "stitch")
BYTES_PER_FRAME = 800
"""What the times of a frame may cost in the processes that hold those of all frames: several lists
of integers, and their JSON. Pictures and packets are never held."""


def make_clip(path: Path, count: int) -> None:
    """Write a clip of ``count`` frames with their codes and a sine."""
    width, height = SIZE
    command = [program(), "-hide_banner", "-loglevel", "error", "-y", "-f", "rawvideo"]
    command += ["-pix_fmt", "yuv444p", "-s", f"{width}x{height}", "-framerate", str(RATE)]
    command += ["-i", "pipe:0", *sine(count / RATE), *x264(gop=250), *AAC, f"file:{path}"]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        if process.stdin is None:
            raise AssertionError
        for frame in frames(width, height, count):
            process.stdin.write(frame)
        process.stdin.close()
        if process.wait():
            raise RuntimeError(f"{command} failed")


def run_stage(stage: str, source: Path, folder: Path) -> None:
    """Do one stage in this process, and print the most memory that it and its children held."""
    store = LocalStore(folder / "store")
    key = folder / "key"
    if stage == "split":
        identity = create("identity", {}).identity
        parts = split(source, scorer=identity, scratch=folder / "scratch", store=store)
        key.write_text(upload(parts, store).job_key)
    elif stage == "score":
        manifest = load_manifest(store, key.read_text())
        for unit in manifest.units:
            score_unit(store, manifest.job_key, unit.index)
    else:
        stitch(store, load_manifest(store, key.read_text()), source, folder / "out.mp4")
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    print(own // 1024, children // 1024)


def run(seconds: int, folder: Path) -> dict[str, tuple[int, int]]:
    """Send a clip through all stages and check the result.

    Returns:
        For each stage, MiB held by its process and by the largest of that process's children.

    Raises:
        AssertionError: the result is not exact.
    """
    count = seconds * RATE
    source = folder / "clip.mp4"
    make_clip(source, count)
    peaks = {}
    for stage in STAGES:
        started = time.perf_counter()
        command = [sys.executable, "-m", "tests.torture.hour", "--stage", stage]
        done = subprocess.run(
            [*command, str(source), str(folder)], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise AssertionError(f"{stage} failed:\n{done.stderr}")
        own, children = (int(word) for word in done.stdout.split())
        peaks[stage] = (own, children)
        print(
            f"{count} frames, {stage}: {own} MiB, children {children} MiB, "
            f"{time.perf_counter() - started:.1f} s"
        )
    _check(source, folder / "out.mp4", count)
    return peaks


def _check(source: Path, output: Path, count: int) -> None:
    long = count > MAX_INDEX + 1
    before, after = (observe(path, long=long) for path in (source, output))
    assert after.codes == list(range(count)), "frames or their order"
    assert after.times == before.times, "times"
    assert [track.sha256 for track in after.audio] == [track.sha256 for track in before.audio]
    assert after.offsets == before.offsets, "offset of the sound"
    found = disagreements(after, look(output, after.video_index, long=long))
    assert found == [], found
    print(f"{count} frames: exact by both judges")


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.torture.hour")
    parser.add_argument("--seconds", nargs="+", type=int, default=[300, 3600])
    parser.add_argument("--stage", choices=STAGES, help=argparse.SUPPRESS)
    parser.add_argument("rest", nargs="*", help=argparse.SUPPRESS)
    chosen = parser.parse_args(arguments)
    if chosen.stage:
        run_stage(chosen.stage, Path(chosen.rest[0]), Path(chosen.rest[1]))
        return 0
    peaks = []
    for seconds in chosen.seconds:
        with tempfile.TemporaryDirectory(prefix="torture-") as name:
            peaks.append(run(seconds, Path(name)))
    return _summary(chosen.seconds, peaks)


def _summary(seconds: list[int], peaks: list[dict[str, tuple[int, int]]]) -> int:
    frames_more = (seconds[-1] - seconds[0]) * RATE
    allowance = frames_more * BYTES_PER_FRAME >> 20
    holds = True
    for stage in STAGES:
        for place, who in enumerate(("process", "children")):
            short, long = peaks[0][stage][place], peaks[-1][stage][place]
            holds &= long <= 1.10 * short + allowance
            print(
                f"{stage:6} {who:8}: {short} MiB for {seconds[0]} s, {long} MiB for {seconds[-1]} s"
            )
    times = f"but for the times of its frames, at most {BYTES_PER_FRAME} bytes each"
    print(f"memory does not grow with the length, {times}" if holds else "MEMORY GROWS")
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
