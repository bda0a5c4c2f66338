"""The report of a run: numbers for machines, a page for people."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path

from framewright.journal import logs_prefix
from framewright.media.thumbnails import thumbnails
from framewright.results import RunReport, ScoredUnit
from framewright.stitch import Stitched
from framewright.types import Manifest

__all__ = ["build_report", "report_markdown", "thumbnails"]


def build_report(
    manifest: Manifest,
    units: Sequence[ScoredUnit],
    stitched: Stitched,
    stages: Mapping[str, float],
    started_at: float = 0.0,
    store_url: str = "",
) -> RunReport:
    """Gather what a run did.

    Args:
        manifest: the plan.
        units: records of all units, in order.
        stitched: the finished video or table.
        stages: wall seconds of ``split``, ``upload``, ``score``, ``stitch`` and ``total``.
        started_at: when the run began, in seconds since the epoch; 0 where its units were scored
            on machines with clocks of their own.
        store_url: address of the work store, for the link to the logs.
    """
    return RunReport(
        job_key=manifest.job_key,
        source=manifest.source,
        output=stitched.output,
        output_sha256=stitched.sha256,
        output_size_bytes=stitched.size_bytes,
        width=stitched.width,
        height=stitched.height,
        rows=stitched.rows,
        frames_in=manifest.frames,
        frames_out=stitched.frames,
        duration_seconds=stitched.duration_seconds,
        scorer=manifest.scorer,
        units=tuple(units),
        started_at=started_at,
        stages={name: round(seconds, 3) for name, seconds in stages.items()},
        streams=stitched.streams,
        warnings=stitched.warnings,
        held=manifest.held,
        logs=f"{store_url}/{logs_prefix(manifest.job_key)}" if store_url else "",
    )


def report_markdown(
    report: RunReport, pictures: Sequence[tuple[bytes, bytes]] = (), link: str = ""
) -> str:
    """Render a report as GitHub-flavoured Markdown.

    Args:
        report: what to tell.
        pictures: pairs of JPEG files, before and after, embedded as data URLs.
        link: address of the output, where it has one; else its path is shown.
    """
    parts = [
        f"# {_one_line(report.source.name)}: {_describe(report)}",
        _summary(report, link),
        _gallery(pictures),
        _notes(report),
        _units(report),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _describe(report: RunReport) -> str:
    params = report.scorer.params
    look = params.get("style") or params.get("image")
    return f"{report.scorer.name} ({_one_line(str(look))})" if look else report.scorer.name


def _summary(report: RunReport, link: str) -> str:
    where = f"[{Path(report.output).name}]({link})" if link else f"`{report.output}`"
    scored = report.units_scored
    rows = [
        ("output", where),
        ("picture", f"{report.width}x{report.height}, {report.duration_seconds:.3f} s"),
        ("frames", f"{report.frames_in} in, {report.frames_out} out"),
        ("units", f"{scored} scored, {len(report.units) - scored} taken from an earlier run"),
        ("speed", f"{report.frames_per_second:.1f} frames/s over the whole run"),
        ("not scoring", f"{report.overhead_share:.0%} of {report.stages['total']:.1f} s"),
        (
            "stages",
            ", ".join(f"{k} {v:.2f} s" for k, v in report.stages.items() if k != "total"),
        ),
        ("sha256", f"`{report.output_sha256}`"),
        *([("logs", f"`{report.logs}`")] if report.logs else []),
    ]
    if report.rows is not None:
        rows.insert(3, ("records", str(report.rows)))
    return _table(("", ""), rows)


def _gallery(pictures: Sequence[tuple[bytes, bytes]]) -> str:
    if not pictures:
        return ""
    rows = [(_image("before", before), _image("after", after)) for before, after in pictures]
    return _table(("before", "after"), rows)


def _image(name: str, jpeg: bytes) -> str:
    return f"![{name}](data:image/jpeg;base64,{base64.b64encode(jpeg).decode()})"


def _notes(report: RunReport) -> str:
    if report.rows is not None:
        body = "\n".join(f"- {warning}" for warning in report.warnings)
        return body and f"## Notes\n\n{body}"
    notes = [f"- stream {s.stream} ({s.kind}) {s.action}: {s.detail}" for s in report.streams] + [
        f"- {warning}" for warning in report.warnings
    ]
    body = "\n".join(notes) or "Every stream was carried over unchanged."
    return f"## Streams\n\n{body}"


def _units(report: RunReport) -> str:
    rows = [
        (
            str(unit.index),
            f"[{unit.start}, {unit.stop})",
            f"{unit.seconds:.2f}",
            f"{unit.frames / max(unit.seconds, 1e-9):.1f}",
            f"{unit.model_seconds / max(unit.seconds, 1e-9):.0%}",
            unit.device,
            unit.worker,
            "earlier run" if unit.reused else "this run",
        )
        for unit in report.units
    ]
    header = ("unit", "frames", "seconds", "frames/s", "in model", "device", "worker", "scored in")
    return "## Units\n\n" + _table(header, rows)


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(map(_cell, cells)) + " |" for cells in lines)


def _cell(text: str) -> str:
    return _one_line(text).replace("|", "\\|")


def _one_line(text: str) -> str:
    return " ".join(text.split())
