"""Share of a flow run that is not scoring: a 60 s clip on a warm server and cluster.

Scoring is the time in which at least one worker scores a unit; loading the model is not.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import imageio_ffmpeg

from benchmarks.record import record
from benchmarks.split import SAMPLE, SECONDS
from deployments import local_stack
from framewright.results import RunReport

UNIT_SECONDS = 10.0


def main() -> None:
    """Run the deployment twice: a short clip to warm everything up, then the clip that counts."""
    folder = Path(tempfile.mkdtemp(prefix="framewright-"))
    try:
        clip = folder / "clip.mp4"
        make_clip(clip)
        with local_stack.running(folder / "stack") as stack:
            os.environ.update(stack.environment())
            run(stack, SAMPLE, folder / "warm")
            started = time.perf_counter()
            report = run(stack, clip, folder / "result")
            waited = time.perf_counter() - started
    finally:
        shutil.rmtree(folder)
    stages = report.stages
    per_unit = sum(u.seconds for u in report.units) / len(report.units)
    record(
        "flow",
        f"{SECONDS} s 640x360 24 fps H.264 with sound",
        [
            ("flow run", stages["total"], "s", f"{report.frames_out} frames out"),
            ("flow run", report.frames_per_second, "frames/s", "fast, starry_night"),
            *((f"stage {k}", v, "s", "") for k, v in stages.items() if k != "total"),
            ("unit", per_unit, "s", f"mean of {len(report.units)} on the workers"),
            ("not scoring", 100 * report.overhead_share, "%", "of the flow run: no unit scored"),
            ("request to result", waited, "s", "run created to run completed"),
        ],
    )


def make_clip(path: Path, seconds: float = SECONDS) -> None:
    """Loop the demo's clip, sound included."""
    subprocess.run(
        [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", "-stream_loop", "-1",
         "-i", str(SAMPLE), "-t", str(seconds), "-c:v", "libx264", "-preset", "veryfast",
         "-crf", "20", "-g", "48", "-c:a", "aac", str(path)],
        check=True,
    )  # fmt: skip


def run(stack: local_stack.Stack, video: Path, folder: Path) -> RunReport:
    """Run the deployment to its end and read its report."""
    from prefect.deployments import run_deployment

    parameters: dict[str, Any] = {
        "video": str(video.absolute()),
        "output": f"{folder}/",
        "scorer": "fast",
        "style": "starry_night",
        "unit_seconds": UNIT_SECONDS,
    }
    done: Any = run_deployment(
        local_stack.DEPLOYMENT, parameters=parameters, timeout=1800, as_subflow=False
    )
    if not done.state.is_completed():
        raise RuntimeError(f"the run ended as {done.state}")
    report = Path(stack.work_store) / "reports" / str(done.id) / "report.json"
    return RunReport.model_validate_json(report.read_text())


if __name__ == "__main__":
    main()
