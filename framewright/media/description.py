"""What a finished file says about itself, compared with what its source says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from av.container import InputContainer
from av.stream import Disposition, Stream

from framewright.media.copier import QUICKTIME_LANGUAGES, kept_tags, title_of
from framewright.media.source import open_media, open_source
from framewright.results import StreamOutcome
from framewright.settings import Settings

__all__ = ["lost_description"]

_MANY = 12


@dataclass(frozen=True, slots=True)
class _Chapter:
    start: Fraction
    end: Fraction
    title: str


def lost_description(
    source: Path,
    output: Path,
    targets: Mapping[int, int],
    shift: Fraction,
    suffix: str,
    settings: Settings,
) -> list[StreamOutcome]:
    """Name each tag, chapter, language, title and disposition that the output does not have.

    Args:
        source: the video that was scored.
        output: the finished file.
        targets: of each stream of the source that was carried over, its index in the output.
        shift: seconds that were added to all times.
        suffix: container of the output, for the words.
        settings: limits for opening the source.
    """
    with open_source(source, settings) as old, open_media(output) as new:
        found = [("container", 0, words) for words in _of_container(old, new, shift, suffix)]
        flagged = {s.type for s in old.streams if s.disposition & Disposition.default}
        for index, target in targets.items():
            stream = old.streams[index]
            if target >= len(new.streams):  # an empty one, which the container leaves out
                continue
            words = _of_stream(stream, new.streams[target], stream.type in flagged, suffix)
            found += [(stream.type, index, said) for said in words]
    return [
        StreamOutcome(stream=index, kind=kind, action="changed", detail=words)
        for kind, index, words in found
    ]


def _of_container(
    old: InputContainer, new: InputContainer, shift: Fraction, suffix: str
) -> Iterator[str]:
    there = {key.lower(): value for key, value in new.metadata.items()}
    for stream in new.streams:
        if timecode := stream.metadata.get("timecode"):
            there.setdefault("timecode", timecode)
    lost = [
        key for key, value in kept_tags(old.metadata).items() if there.get(key.lower()) != value
    ]
    if lost:
        more = f" and {len(lost) - _MANY} more" if len(lost) > _MANY else ""
        yield f"tags that {suffix} has no place for: {', '.join(lost[:_MANY])}{more}"
    wanted, got = _chapters(old, shift), _chapters(new, Fraction(0))
    if wanted != got:
        changed = sum(a != b for a, b in zip(wanted, got, strict=False))
        changed += abs(len(wanted) - len(got))
        yield f"{changed} of {len(wanted)} chapters have other bounds: {suffix} holds no others"


def _chapters(container: InputContainer, shift: Fraction) -> list[_Chapter]:
    return [
        _Chapter(
            chapter["start"] * Fraction(chapter["time_base"] or 1) + shift,
            chapter["end"] * Fraction(chapter["time_base"] or 1) + shift,
            chapter["metadata"].get("title", ""),
        )
        for chapter in container.chapters()
    ]


def _of_stream(old: Stream, new: Stream, flagged: bool, suffix: str) -> Iterator[str]:
    languages = [stream.language or "und" for stream in (old, new)]
    if languages[1] not in (languages[0], QUICKTIME_LANGUAGES.get(languages[0])):
        yield f"language {languages[0]} is {languages[1]} in {suffix}"
    title = title_of(old)
    if title != title_of(new):
        yield f"title {title!r} has no place in {suffix}"
    flags = [int(stream.disposition) for stream in (old, new)]
    if not flagged:  # then a muxer marks the first of each kind as the default
        flags = [flag & ~int(Disposition.default) for flag in flags]
    if flags[0] != flags[1]:
        names = [_flag_names(flag) for flag in flags]
        yield f"disposition {names[0]} is {names[1]} in {suffix}"


def _flag_names(flags: int) -> str:
    return "+".join(flag.name or "" for flag in Disposition if flag & flags) or "none"
