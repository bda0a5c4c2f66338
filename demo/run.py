"""Make a video through the whole system on this machine, and show what was made.

A Prefect server, a Dask cluster and a worker are started in ``.demo/``, the flow is deployed and
run there as it would be anywhere, and everything is stopped again. Called by ``make demo``; what to
do comes from the environment, so that a file name may hold any character:

    VIDEO   the video; the project's own sample clip if empty
    SCORER  the model (fast)
    STYLE   the painting, for the scorer fast (starry_night)
    KEEP    1 to leave server and cluster running
    FRESH   1 to score again what an earlier run has scored
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any
from uuid import UUID

PROJECT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PROJECT))

from deployments import local_stack  # noqa: E402
from framewright.errors import InputError  # noqa: E402
from framewright.media.compare import comparison_path  # noqa: E402
from framewright.media.probe import probe  # noqa: E402
from framewright.results import RunReport  # noqa: E402
from framewright.scorers import scorer_names  # noqa: E402
from framewright.scorers.fast.weights import style_names  # noqa: E402
from framewright.settings import get_settings  # noqa: E402

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.objects import FlowRun

HOME = PROJECT / ".demo"
OUTPUT = PROJECT / "output"
SAMPLE = PROJECT / "demo" / "sample.mp4"
POLL_SECONDS = 0.4
CANCEL_SECONDS = 30.0
"""A worker looks every few seconds for runs that are to be cancelled."""
PAINTERS = ("fast", "color")
"""The scorers that know the paintings by name."""


class DemoError(Exception):
    """Something the user should read; nothing else needs to be shown."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What the user asked for."""

    video: Path
    scorer: str
    style: str
    keep: bool
    fresh: bool

    @classmethod
    def from_environment(cls) -> Wish:
        video = Path(os.environ.get("VIDEO") or SAMPLE)
        scorer = os.environ.get("SCORER") or "fast"
        style = os.environ.get("STYLE") or ("starry_night" if scorer in PAINTERS else "")
        if not video.is_file():
            raise DemoError(f"there is no file {str(video)!r}: give one as VIDEO=PATH.")
        if scorer not in scorer_names():
            raise DemoError(f"unknown SCORER {scorer!r}. Known: {', '.join(scorer_names())}.")
        if style not in style_names() and Path(style).is_file():
            style = str(Path(style).absolute())
        elif scorer in PAINTERS and style not in style_names():
            raise DemoError(
                f"unknown STYLE {style!r}. Known: {', '.join(style_names())}; or give the path of "
                "an image file."
            )
        keep, fresh = (os.environ.get(name, "") not in ("", "0") for name in ("KEEP", "FRESH"))
        return cls(video.absolute(), scorer, style, keep, fresh)

    @property
    def look(self) -> str:
        return Path(self.style).name or self.scorer

    @property
    def folder(self) -> Path:
        """Where the results of this video in this look go."""
        stem, look = (
            re.sub(r"[^\w.]+", "-", name).strip("-.")[:60] for name in (self.video.stem, self.look)
        )
        return OUTPUT / f"{stem or 'video'}-{look or 'image'}"


class Terminal:
    """One line that changes while work goes on; whole lines where output is not a terminal."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._live = sys.stdout.isatty()
        self._shown = ""

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._started

    def show(self, words: str) -> None:
        if self._live:
            print(f"\r\033[K[{self.seconds:5.1f} s] {words}", end="", flush=True)
        elif words != self._shown:
            print(f"[{self.seconds:5.1f} s] {words}", flush=True)
        self._shown = words

    def end_line(self) -> None:
        if self._live and self._shown:
            print(flush=True)
        self._shown = ""


@contextmanager
def stack_for(wish: Wish, terminal: Terminal) -> Iterator[tuple[local_stack.Stack, bool]]:
    """Use the stack that runs, or start one and stop it again unless it is to be kept.

    Says too whether it is ours: whether it is stopped should we be interrupted.
    """
    stack = local_stack.attach(HOME)
    ours = stack is None
    if stack is None:
        terminal.show("starting a Prefect server, a Dask cluster and a worker; deploying the flow")
        stack = local_stack.start(HOME)
    else:
        terminal.show("deploying the flow to the server that runs already")
        local_stack.deploy(stack)
    kept = not ours
    try:
        yield stack, ours
        kept = kept or wish.keep
    finally:
        terminal.end_line()
        if not kept:
            local_stack.stop(HOME)


def run_flow(
    wish: Wish, stack: local_stack.Stack, terminal: Terminal, *, ours: bool = True
) -> UUID:
    """Run the deployment and follow it to its end; return the id of the completed run."""
    os.environ.update(stack.environment())  # before Prefect reads it
    from prefect.client.orchestration import get_client
    from prefect.deployments import run_deployment

    if wish.fresh:
        shutil.rmtree(stack.work_store, ignore_errors=True)
    parameters: dict[str, Any] = {
        "video": str(wish.video),
        "output": f"{wish.folder}/",
        "scorer": wish.scorer,
        "style": wish.style,
        "comparison": True,
    }
    run: FlowRun = run_deployment(  # type: ignore[assignment]
        local_stack.DEPLOYMENT, parameters=parameters, timeout=0, as_subflow=False
    )
    with get_client(sync_client=True) as client:
        try:
            run = follow(client, run, stack, terminal)
        except BaseException:
            give_up(client, run.id, patience_seconds=0.0 if ours else CANCEL_SECONDS)
            raise
    state = run.state
    if state is None or not state.is_completed():
        reason = state.message if state else "its state is not known"
        hint = (
            "" if state and state.is_failed() else f"\n{stack.service('prefect worker').log_tail()}"
        )
        raise DemoError(f"the run ended as {state.name if state else 'unknown'}: {reason}{hint}")
    return run.id


def follow(
    client: SyncPrefectClient, run: FlowRun, stack: local_stack.Stack, terminal: Terminal
) -> FlowRun:
    """Show the run's progress artifact until the run has ended."""
    from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId

    mine = ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[run.id]))
    while True:
        run = client.read_flow_run(run.id)
        if run.state is not None and run.state.is_final():
            return run
        stack.check()
        bars = [a for a in client.read_artifacts(artifact_filter=mine) if a.type == "progress"]
        terminal.show(bars[0].description or "" if bars else "waiting for the flow to start")
        time.sleep(POLL_SECONDS)


def give_up(client: SyncPrefectClient, run_id: UUID, patience_seconds: float) -> None:
    """Stop a run: its worker first, where that stays, and in the database, which is kept.

    Args:
        client: of the server that the run is on.
        run_id: the run.
        patience_seconds: how long the worker may take to end the run's process; 0 where the worker
            is about to be stopped itself.
    """
    from prefect.states import Cancelled, Cancelling

    try:
        if patience_seconds:
            print("demo: stopping the run; a second Ctrl-C leaves it alone", file=sys.stderr)
            client.set_flow_run_state(run_id, Cancelling(message="stopped by the user"))
        deadline = time.monotonic() + patience_seconds
        while time.monotonic() < deadline:
            state = client.read_flow_run(run_id).state
            if state is not None and state.is_final():
                return
            time.sleep(POLL_SECONDS)
        client.set_flow_run_state(run_id, Cancelled(message="stopped by the user"), force=True)
    except Exception as error:  # noqa: BLE001 - we are stopping already
        print(f"(the run could not be marked as stopped: {error})", file=sys.stderr)


def collect(wish: Wish, stack: local_stack.Stack, run_id: UUID) -> RunReport:
    """Put the run's report beside the video and return it."""
    reports = Path(stack.work_store) / "reports" / str(run_id)
    for name in ("report.md", "report.json"):
        shutil.copyfile(reports / name, wish.folder / name)
    return RunReport.model_validate_json((wish.folder / "report.json").read_text())


def summary(wish: Wish, report: RunReport, seconds: dict[str, float]) -> str:
    """Tell what was made and how long what took."""
    reused = len(report.units) - report.units_scored
    stages = report.stages
    scored_frames = sum(unit.frames for unit in report.units if not unit.reused)
    speed = "nothing was left to score"
    if scored_frames:
        speed = (
            f"{report.frames_per_second:.1f} frames/s over the run, "
            f"{scored_frames / max(report.scoring_seconds, 1e-9):.1f} frames/s while scoring"
        )
    units = f"{report.units_scored} scored"
    if reused:
        units += f", {reused} taken from an earlier run (FRESH=1 scores them again)"
    output = Path(report.output)
    rows = {
        "made": f"{wish.video.name} as {wish.look}, {report.width}x{report.height}, "
        f"{report.duration_seconds:.1f} s",
        "in": f"{output.parent}/",
        "": f"{output.name}, {comparison_path(output).name}, report.md, report.json",
        "frames": f"{report.frames_in} in, {report.frames_out} out",
        "speed": speed,
        "units": units,
        "not scoring": f"{report.overhead_share:.0%} of the flow's {stages['total']:.1f} s",
        "stages": ", ".join(f"{k} {v:.1f} s" for k, v in stages.items() if k != "total"),
        "whole demo": ", ".join(f"{name} {value:.1f} s" for name, value in seconds.items()),
    }
    return "\n".join(f"  {name:<12} {text}" for name, text in rows.items())


def demo(wish: Wish) -> None:
    """Do all of it."""
    terminal = Terminal()
    seconds: dict[str, float] = {}
    probe(wish.video, get_settings())  # a bad video is refused before anything is started
    with local_stack.alone(HOME), stack_for(wish, terminal) as (stack, ours):
        seconds["start"] = terminal.seconds
        run_id = run_flow(wish, stack, terminal, ours=ours)
        seconds["run"] = terminal.seconds - sum(seconds.values())
        report = collect(wish, stack, run_id)
    seconds["stop"] = terminal.seconds - sum(seconds.values())
    print(summary(wish, report, seconds))
    if local_stack.attach(HOME) is not None:
        print(f"\n  The run in the Prefect UI: {stack.ui_url}/runs/flow-run/{run_id}")
        print("  Server and cluster keep running; `make down` stops them.")
    print(f"output: {report.output}")


def _interrupt(signum: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def main() -> int:
    """Run the demo and return the exit status."""
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        demo(Wish.from_environment())
    except (DemoError, InputError, local_stack.StackError) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("demo: stopped; finished units are kept, and the next run goes on.", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
