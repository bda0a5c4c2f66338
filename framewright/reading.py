"""Read a source in sandboxes: look at it, split it, decode all of it once."""

from __future__ import annotations

import stat
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from types import TracebackType

from framewright.errors import ManifestError, SourceRefused
from framewright.files import file_sha256
from framewright.media.check import MAX_PREROLL, BundleCheck
from framewright.media.sandboxed import (
    MODULE,
    Checked,
    CheckRequest,
    SourceRequest,
    SplitRequest,
    SplitResult,
    check_bundles,
    probe_source,
    split_source,
)
from framewright.media.source import check_file
from framewright.sandbox import Sandbox
from framewright.settings import Settings, cpu_cores
from framewright.types import (
    BundleRef,
    Progress,
    ProgressCallback,
    TickRuns,
    VideoInfo,
)

__all__ = ["SourceReader", "take_bundle"]

_REPORT_SECONDS = 0.2
_PIXELS_FOR_ONE = 300_000_000
"""Decoding that many takes about as long as starting more processes for it."""


class SourceReader:
    """Reads one source, which nobody trusts; a context manager, for use from one thread."""

    def __init__(
        self,
        source: Path,
        scratch: Path,
        settings: Settings,
        progress: ProgressCallback | None = None,
    ) -> None:
        """Describe what to read; ``scratch`` is an existing folder, for the bundles.

        Raises:
            SourceRefused: it is no file that could be read.
        """
        check_file(source, settings)
        self._source = source.absolute()
        self._scratch = scratch.absolute()
        self._settings = settings
        self._progress = progress
        self._sandbox = self._new_sandbox()

    def __enter__(self) -> SourceReader:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the process that reads, if there is one."""
        self._sandbox.close()

    def _new_sandbox(self) -> Sandbox:
        return Sandbox(self._source, self._settings, scratch=self._scratch, modules=(MODULE,))

    def probe(self) -> VideoInfo:
        """Describe the video stream.

        Raises:
            SourceRefused: the file is not a video that can be scored.
        """
        request = SourceRequest(path=str(self._source), settings=self._settings)
        return self._sandbox(probe_source, request, VideoInfo, self._progress)

    def split(self, unit_seconds: float, tolerant: bool) -> SplitResult:
        """Write the bundles into the scratch folder.

        Raises:
            SourceRefused: the file cannot be read to its end, or is beyond a limit.
        """
        request = SplitRequest(
            path=str(self._source),
            settings=self._settings,
            folder=str(self._scratch),
            unit_seconds=unit_seconds,
            tolerant=tolerant,
        )
        return self._sandbox(split_source, request, SplitResult, self._progress)

    def check(self, parts: SplitResult, tolerant: bool) -> list[BundleCheck]:
        """Decode all frames, in as many sandboxes as there are CPU cores.

        Returns:
            What was found, for each bundle.

        Raises:
            SourceRefused: a frame is damaged, and that is not tolerated, or of another size.
        """
        requests = self._check_requests(parts, tolerant)
        try:
            if len(requests) == 1:
                checked = [self._sandbox(check_bundles, requests[0], Checked, self._progress)]
            else:
                checked = self._check_together(requests, parts)
        except SourceRefused as error:
            raise self._advised(error) from error
        return [bundle for part in checked for bundle in part.bundles]

    def _check_together(
        self, requests: Sequence[CheckRequest], parts: SplitResult
    ) -> list[Checked]:
        done = [0] * len(requests)
        with ExitStack() as stack:
            sandboxes = [stack.enter_context(self._new_sandbox()) for _ in requests]
            pool = stack.enter_context(ThreadPoolExecutor(len(requests)))
            futures = [
                pool.submit(sandbox, check_bundles, request, Checked, _counter(done, place))
                for place, (sandbox, request) in enumerate(zip(sandboxes, requests, strict=True))
            ]
            try:
                return [self._awaited(future, done, parts) for future in futures]
            finally:
                for sandbox in sandboxes:
                    sandbox.kill()

    def _awaited(self, future: Future[Checked], done: Sequence[int], parts: SplitResult) -> Checked:
        while not wait([future], _REPORT_SECONDS).done:
            self._tell_checked(done, parts)
        checked = future.result()
        self._tell_checked(done, parts)
        return checked

    def _tell_checked(self, done: Sequence[int], parts: SplitResult) -> None:
        if self._progress:
            self._progress(Progress("check", sum(done), parts.bundles[-1].stop_frame))

    def _advised(self, error: SourceRefused) -> SourceRefused:
        """Name the file in a message that names a frame, and say what to do."""
        if error.frame is None:
            return error
        advice = "re-export the file"
        if error.reason == "damaged":
            advice = (
                "get another copy of the file, or accept the damage with --on-damage hold, which "
                "shows the frame before instead (in the flow: on_damage)"
            )
        return SourceRefused(
            error.reason, f"{self._source.name!r}: {error.message}; {advice}.", error.frame
        )

    def _check_requests(self, parts: SplitResult, tolerant: bool) -> list[CheckRequest]:
        pts, video = parts.pts.unpack(), parts.video
        few = len(pts) * video.width * video.height < _PIXELS_FOR_ONE
        requests = []
        for first, stop in _shares(parts.bundles, 1 if few else cpu_cores()):
            bundles = parts.bundles[first:stop]
            requests.append(
                CheckRequest(
                    folder=str(self._scratch),
                    files=parts.files[max(0, first - MAX_PREROLL) : stop],
                    bundles=bundles,
                    pts=TickRuns.pack(pts[bundles[0].start_frame : bundles[-1].stop_frame]),
                    time_base=video.time_base,
                    counted=parts.counted,
                    width=video.width,
                    height=video.height,
                    pixel_format=video.pixel_format,
                    tolerant=tolerant,
                )
            )
        return requests


def take_bundle(path: Path, bundle: BundleRef, folder: Path) -> None:
    """Move a bundle's file to ``folder``, named by its content, for which no sandbox may vouch."""
    found = path.lstat()
    ordinary = stat.S_ISREG(found.st_mode) and found.st_size == bundle.size_bytes
    if not ordinary or file_sha256(path) != bundle.sha256:
        raise ManifestError(
            f"the file {path.name!r} that a split wrote is not the bundle it names."
        )
    path.rename(folder / bundle.sha256)


def _counter(done: list[int], place: int) -> Callable[[Progress], None]:
    def count(progress: Progress) -> None:
        done[place] = progress.done

    return count


def _shares(bundles: Sequence[BundleRef], count: int) -> list[tuple[int, int]]:
    """Cut bundles into at most ``count`` runs of about as many frames each."""
    total = bundles[-1].stop_frame
    edges = [0]
    for place, bundle in enumerate(bundles, start=1):
        if bundle.stop_frame * count >= total * len(edges):
            edges.append(place)
    return list(pairwise(edges))
