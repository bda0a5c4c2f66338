"""The ``framewright`` command. It and the ``cli_`` modules are what prints."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from framewright import __version__
from framewright.cli_check import add_check
from framewright.cli_compare import add_compare
from framewright.cli_doctor import add_doctor
from framewright.cli_options import add_scorer_options, chosen
from framewright.cli_progress import ProgressLine
from framewright.errors import FramewrightError, InputError, ScorerFailed

if TYPE_CHECKING:
    from framewright.sources import Origin
    from framewright.types import ScorerIdentity

__all__ = ["main"]

EXIT_DONE, EXIT_FAILED, EXIT_REFUSED = 0, 1, 2

_EPILOG = """\
examples:
  framewright score holiday.mp4 painted.mp4 --scorer fast --style starry_night
  framewright score holiday.mov results/ --scorer color --style wave
  framewright score film.mkv out.mkv --style my_painting.jpg --option strength=0.7
  framewright score film.mkv out.mkv --style wave --mask not_the_faces.mp4
  framewright score film.mkv objects.parquet --scorer detect --option weights=coco.pth
  framewright score az://media/incoming/holiday.mp4 az://media/outgoing/ --style wave
  framewright plan holiday.mp4
  framewright styles
  framewright compare holiday.mp4 painted.mp4
  framewright doctor
  framewright doctor az://media/incoming az://media/outgoing/ --write

exit status: 0 done, 2 the input was refused (the message says why), 1 anything else.
On 1 and 2 there is no new output; an OUT of an earlier run stays as it was.
Settings are environment variables, FRAMEWRIGHT_WORK_STORE and so on, or lines of
a file .env in the working folder: see `framewright settings`.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    parser = _parser()
    arguments = parser.parse_args(argv)
    level = logging.DEBUG if arguments.verbose else logging.WARNING
    logging.basicConfig(level=level, format="%(levelname)s %(name)s: %(message)s")
    try:
        return int(arguments.run(arguments))
    except InputError as error:
        print(f"framewright: {error}", file=sys.stderr)
        return EXIT_REFUSED
    except FramewrightError as error:
        logging.getLogger(__name__).debug("failed", exc_info=True)
        print(f"framewright: {error}", file=sys.stderr)
        return EXIT_FAILED
    except KeyboardInterrupt:
        print(
            "framewright: stopped; finished units are kept, run the same command to go on.",
            file=sys.stderr,
        )
        return EXIT_FAILED
    except Exception as error:
        logging.getLogger(__name__).debug("unexpected", exc_info=True)
        print(
            f"framewright: unexpected {type(error).__name__}: {error}. Run again with --verbose "
            "for details.",
            file=sys.stderr,
        )
        return EXIT_FAILED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="framewright",
        description="Apply a deep-learning model to every frame of a video, keep its sound.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"framewright {__version__}")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("-v", "--verbose", action="store_true", help="log what happens")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_score(commands.add_parser("score", parents=[common], help="score a video"))
    _add_plan(commands.add_parser("plan", parents=[common], help="show what scoring would do"))
    add_compare(commands, common)
    add_check(commands, common)
    add_doctor(commands, common)
    for name, function, text in (
        ("styles", _styles, "list the paintings that --style knows by name"),
        ("scorers", _scorers, "list the installed scorers"),
        ("settings", _settings, "list every setting, its variable, value and meaning"),
    ):
        command = commands.add_parser(name, parents=[common], help=text, description=text)
        command.set_defaults(run=function)
    return parser


def _add_score(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Score every frame of a video and keep everything else of it. All of it runs on this "
        "machine; FRAMEWRIGHT_DASK_ADDRESS is for the flow."
    )
    parser.add_argument(
        "source",
        metavar="IN",
        help="video to score: a file, az://ACCOUNT/CONTAINER/PATH, or the https address of a blob",
    )
    parser.add_argument(
        "output",
        metavar="OUT",
        help="file to write (its suffix decides the container: .mp4 .m4v .mov .mkv .webm, or "
        ".parquet for a scorer of records), or a folder ending in '/' (name and container follow "
        "the source); also in Azure storage",
    )
    add_scorer_options(parser)
    parser.add_argument(
        "--workers",
        type=int,
        default=0,
        metavar="N",
        help="scoring processes (default: FRAMEWRIGHT_WORKERS, or one per GPU, or per CPU core "
        "where there is none)",
    )
    parser.add_argument(
        "--report",
        type=Path,
        metavar="FILE",
        help="write the report as JSON to FILE, which must be neither IN nor OUT",
    )
    parser.add_argument("-q", "--quiet", action="store_true", help="show no progress")
    parser.set_defaults(run=_score)


def _add_plan(parser: argparse.ArgumentParser) -> None:
    parser.description = "Split a video and show its units, without scoring anything."
    parser.add_argument("source", metavar="IN", help="video to look at: a file or a blob")
    parser.add_argument("--json", action="store_true", help="print the manifest as JSON")
    add_scorer_options(parser)
    parser.set_defaults(run=_plan)


def _score(arguments: argparse.Namespace) -> int:
    from framewright.outputs import check_writable, output_suffix
    from framewright.run import run

    if arguments.workers < 0:
        raise InputError(f"--workers {arguments.workers} is not possible; use 1 or more.")
    origin = _found(arguments.source)
    check_writable(arguments.output)
    if not arguments.quiet:
        _say_where()
    with (
        ProgressLine(quiet=arguments.quiet) as progress,
        _terminated_as_interrupted(),
        chosen(arguments, progress) as wanted,
    ):
        scorer = wanted.scorer.identity
        output_suffix(arguments.output, scorer)
        if arguments.report:
            _check_report(arguments.report, origin, arguments.output, scorer)
        report = run(
            origin,
            arguments.output,
            scorer,
            unit_seconds=arguments.unit_seconds,
            treatment=wanted.treatment,
            assets=wanted.assets,
            workers=arguments.workers,
            progress=progress,
        )
    if arguments.report:
        _write_report(arguments.report, report.model_dump_json(indent=2))
    for stream in report.streams:
        print(f"note: stream {stream.stream} ({stream.kind}) {stream.action}: {stream.detail}")
    for warning in report.warnings:
        print(f"note: {warning}")
    out = f"{report.frames_out} out" if report.rows is None else f"{report.rows} records out"
    print(
        f"{report.frames_in} frames in, {out}, "
        f"{report.frames_per_second:.1f} frames/s, {report.overhead_share:.0%} of "
        f"{report.stages['total']:.1f} s not scoring; {report.units_scored} of "
        f"{len(report.units)} units scored in this run"
    )
    print(f"output: {report.output}")
    return EXIT_DONE


def _found(source: str) -> Origin:
    """Look for the video before anything is done for it, such as fitting a painting."""
    from framewright.settings import get_settings
    from framewright.sources import find
    from framewright.storage import place_of

    if not source:
        raise InputError("no video was named; give a file, or the address of a blob.")
    settings = get_settings()
    return find(place_of(source, settings), settings)


def _say_where() -> None:
    """Tell who has named a cluster that it is not used: the engine knows nothing of Dask."""
    from framewright.settings import get_settings

    if get_settings().dask_address:
        print(
            "framewright: note: scoring on this machine; FRAMEWRIGHT_DASK_ADDRESS is for the flow "
            "score-video.",
            file=sys.stderr,
        )


@contextmanager
def _terminated_as_interrupted() -> Iterator[None]:
    """Let SIGTERM stop as Ctrl-C does: processes ended, temporary files removed."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _check_report(path: Path, origin: Origin, output: str, scorer: ScorerIdentity) -> None:
    """Refuse a report that would replace the source or the output, or cannot be written."""
    from framewright.outputs import possible_outputs

    named = origin.place if isinstance(origin.place, Path) else Path(os.devnull, origin.name)
    if _same_file(path, named):
        raise InputError(f"the report {str(path)!r} would replace the source; name another file.")
    if any(_same_file(path, target) for target in possible_outputs(output, named, scorer)):
        raise InputError(f"the report {str(path)!r} would replace the output; name another file.")
    if path.is_dir() or not os.access(path if path.exists() else path.absolute().parent, os.W_OK):
        raise InputError(
            f"cannot write the report to {str(path)!r}: name a file that may be written, in a "
            "folder that exists."
        )


def _same_file(one: Path, other: Path) -> bool:
    there = one.exists() and other.exists()
    return one.samefile(other) if there else one.resolve() == other.resolve()


def _write_report(path: Path, text: str) -> None:
    """Write the report; the video is done by now, so that a failure is told but fails nothing."""
    try:
        path.write_text(f"{text}\n")
    except OSError as error:
        print(
            f"framewright: warning: the report could not be written to {str(path)!r} "
            f"({error.strerror}); the output is complete.",
            file=sys.stderr,
        )


def _plan(arguments: argparse.Namespace) -> int:
    from framewright.plan import planned
    from framewright.scratch import scratch_folder
    from framewright.settings import get_settings
    from framewright.sources import fetch

    settings = get_settings()
    origin = _found(arguments.source)
    with chosen(arguments) as wanted, scratch_folder(settings) as folder:
        source, origin = fetch(origin, folder, settings)
        manifest = planned(
            source,
            wanted.scorer.identity,
            folder,
            arguments.unit_seconds,
            wanted.treatment,
            wanted.assets,
        )
    if arguments.json:
        print(manifest.model_dump_json(indent=2))
        return EXIT_DONE
    video = manifest.video
    suffix = ".parquet" if manifest.encoder is None else video.container_suffix
    print(f"{origin.url}: {video.codec} {video.width}x{video.height} {video.pixel_format}")
    print(
        f"  {manifest.frames} frames, {float(video.frame_rate):.3f} frames/s, "
        f"time base {video.time_base}, container {video.container} -> {suffix}"
    )
    size_bytes = sum(bundle.size_bytes for bundle in manifest.stored_bundles)
    print(f"  {len(manifest.stored_bundles)} bundles, {size_bytes} bytes to upload")
    print(f"  {len(manifest.units)} units:")
    for unit in manifest.units:
        print(f"    {unit.index:5d}  frames [{unit.start}, {unit.stop})")
    for other in video.others:
        print(f"  stream {other.index}: {other.kind} {other.codec} {other.language}".rstrip())
    for warning in video.warnings:
        print(f"  note: {warning}")
    return EXIT_DONE


def _styles(_: argparse.Namespace) -> int:
    from framewright.scorers.fast.weights import styles

    for style in styles():
        print(f"{style.name:18s} {style.title}, {style.artist}, {style.year}")
    return EXIT_DONE


def _scorers(_: argparse.Namespace) -> int:
    from framewright.scorers import describe, scorer_names

    status = EXIT_DONE
    for name in scorer_names():
        try:
            print(f"{name:12s} {describe(name)}")
        except ScorerFailed as error:
            print(f"{name:12s} BAD: {error}")
            status = EXIT_FAILED
    return status


def _settings(_: argparse.Namespace) -> int:
    from framewright.settings import Settings, get_settings

    current = get_settings()
    for name, field in Settings.model_fields.items():
        print(f"FRAMEWRIGHT_{name.upper()}={getattr(current, name)}\n    {field.description}")
    return EXIT_DONE
