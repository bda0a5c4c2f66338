"""Memory depends on the batch and the size of the picture, not on the length of the video."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.torture.tool import ffmpeg

SIZE = "384x216"

SCORE = """
import sys
from pathlib import Path
from framewright.plan import split, upload
from framewright.score import score_unit
from framewright.scorers import create
from framewright.storage import LocalStore

source, folder = Path(sys.argv[1]), Path(sys.argv[2])
store = LocalStore(folder / "work")
parts = split(source, scorer=create("identity", {}).identity, scratch=folder / "scratch",
              store=store, unit_seconds=3600)
manifest = upload(parts, store)
assert len(manifest.units) == 1, manifest.units
record = score_unit(store, manifest.job_key, 0)
status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
print(record.frames, int(status["VmHWM"].split()[0]) // 1024)
"""


def peak_mib(frames: int, folder: Path) -> int:
    """Most memory that a scoring process held, in MiB, for one unit of ``frames`` frames."""
    folder.mkdir()
    source = folder / "clip.mp4"
    ffmpeg(
        *("-f", "lavfi", "-i", f"testsrc2=size={SIZE}:rate=200", "-frames:v", str(frames)),
        *("-c:v", "libx264", "-preset", "ultrafast", "-g", "1000000", f"file:{source}"),
    )
    done = subprocess.run(
        [sys.executable, "-c", SCORE, str(source), str(folder)],
        capture_output=True,
        text=True,
        check=True,
    )
    scored, peak = (int(word) for word in done.stdout.split())
    assert scored == frames
    return peak


def test_six_times_the_frames_take_the_same_memory(tmp_path: Path) -> None:
    short, long = peak_mib(100, tmp_path / "100"), peak_mib(600, tmp_path / "600")
    print(f"peak resident memory at {SIZE}: 100 frames {short} MiB, 600 frames {long} MiB")
    # 500 frames of RGB more are 119 MiB, a fifth of the whole process: keeping them would show
    assert long <= 1.10 * short
