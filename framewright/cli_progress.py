"""The progress bar of the command line."""

from __future__ import annotations

__all__ = ["ProgressLine"]


class ProgressLine:
    """One bar on a terminal, on standard error; silent where there is none."""

    def __init__(self, *, quiet: bool) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as Bars

        console = Console(stderr=True)
        self._bars = Bars(
            TextColumn("{task.description:>7}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[unit]}"),
            TimeElapsedColumn(),
            console=console,
            disable=quiet or not console.is_terminal,
        )
        self._tasks: dict[str, int] = {}

    def __enter__(self) -> ProgressLine:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def __call__(self, progress: object) -> None:
        """Show how far a stage is."""
        from framewright.types import Progress

        if not isinstance(progress, Progress):
            return
        if progress.stage not in self._tasks:
            unit = "steps" if progress.stage == "fit" else "frames"
            self._tasks[progress.stage] = self._bars.add_task(progress.stage, total=None, unit=unit)
        self._bars.update(
            self._tasks[progress.stage],  # type: ignore[arg-type]
            completed=progress.done,
            total=progress.total or None,
        )
