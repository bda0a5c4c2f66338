"""Options of the command line that choose a scorer and how videos are treated."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from framewright.errors import InputError
from framewright.types import ProgressCallback, Treatment

if TYPE_CHECKING:
    from framewright.scorers import AnyScorer
    from framewright.scorers.asset import Asset
    from framewright.settings import Settings

__all__ = ["Chosen", "add_scorer_choice", "add_scorer_options", "chosen", "made_scorer"]


@dataclass(frozen=True, slots=True)
class Chosen:
    """What the options say."""

    scorer: AnyScorer
    treatment: Treatment
    assets: Mapping[str, Path]
    """Files that both name, by reference."""


def add_scorer_options(parser: argparse.ArgumentParser) -> None:
    """Add them to the parser of a command."""
    parser.add_argument(
        "--scorer",
        default="fast",
        metavar="NAME",
        help="model to apply, one that `framewright scorers` lists (default: fast)",
    )
    add_scorer_choice(parser)
    parser.add_argument(
        "--unit-seconds",
        type=float,
        metavar="S",
        help="length of video that one task scores, in seconds (default: FRAMEWRIGHT_UNIT_SECONDS, "
        "which is 30 if not set; short videos less)",
    )
    _add_treatment(parser)


def add_scorer_choice(parser: argparse.ArgumentParser) -> None:
    """Add the options of a scorer itself."""
    parser.add_argument(
        "--style",
        action="append",
        metavar="PAINTING",
        help="painting: a name that `framewright styles` lists, or the path of an image file; "
        "several, each with =WEIGHT or not, are blended",
    )
    parser.add_argument(
        "--option",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="any other option of the scorer; may be given several times",
    )


def _add_treatment(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--stability",
        type=float,
        metavar="X",
        help="how steady the pictures are made: 0 leaves them as the model made them, 1 is "
        "steadiest (default: what suits the scorer)",
    )
    parser.add_argument(
        "--mask",
        default="",
        metavar="FILE",
        help="video with a picture for each frame of IN, or an image: where it is white pictures "
        "are scored, where it is black they stay as they are, grey is mixed",
    )
    for option, field, text in (
        ("--on-damage", "on_damage", "a damaged video: refuse it, or hold the last good frame"),
        ("--interlaced", "interlaced", "an interlaced video: keep its fields, or deinterlace"),
        (
            "--hdr",
            "hdr",
            "HDR that the scorer does not expect: refuse it, tone-map it to standard range, or "
            "pass it on as it is",
        ),
    ):
        annotation = Treatment.model_fields[field]
        parser.add_argument(
            option,
            choices=get_args(annotation.annotation),
            default=annotation.default,
            help=f"{text} (default: {annotation.default})",
        )


def _treatment(arguments: argparse.Namespace, mask: Asset | None) -> Treatment:
    if arguments.stability is not None and not 0 <= arguments.stability <= 1:
        raise InputError(f"--stability {arguments.stability} is not possible; use 0 to 1.")
    names = ("on_damage", "interlaced", "hdr", "stability")
    wishes = {name: getattr(arguments, name) for name in names}
    return Treatment(**wishes, mask=mask.reference if mask else "")


@contextmanager
def chosen(
    arguments: argparse.Namespace, progress: ProgressCallback | None = None
) -> Iterator[Chosen]:
    """Construct what the options name; files that they name by address are here until the end.

    Raises:
        InputError: an option is not understood, a file cannot be fetched, or the scorer refuses.
    """
    from framewright.assets import assets_of
    from framewright.scratch import scratch_folder
    from framewright.settings import get_settings
    from framewright.sources import local_mask

    settings = get_settings()
    with scratch_folder(settings) as folder:
        mask = local_mask(arguments.mask, folder / "mask", settings)
        treatment = _treatment(arguments, mask)
        scorer = made_scorer(arguments, folder, settings, progress)
        yield Chosen(scorer, treatment, assets_of(scorer, mask))


def made_scorer(
    arguments: argparse.Namespace,
    folder: Path,
    settings: Settings,
    progress: ProgressCallback | None = None,
) -> AnyScorer:
    """Construct the scorer; files that its options name by address are fetched to ``folder``."""
    from framewright.scorers import create
    from framewright.sources import local_options

    options = local_options(_options(arguments), folder, settings)
    return create(arguments.scorer, options, progress)


def _options(arguments: argparse.Namespace) -> dict[str, str | list[str]]:
    options: dict[str, str | list[str]] = {}
    for text in arguments.option:
        key, separator, value = text.partition("=")
        if not separator or not key:
            raise InputError(f"--option {text!r} is not understood; write it as KEY=VALUE.")
        options[key] = value
    if arguments.style:
        options["style"] = arguments.style if len(arguments.style) > 1 else arguments.style[0]
    return options
