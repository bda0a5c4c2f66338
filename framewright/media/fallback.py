"""Finish a video although streams of its source cannot be copied: convert these, or leave them out.

Damaged sound or subtitles show only when a container is to take them: bytes that are no frame of
their codec, times that run backwards. The pictures are scored by then, and whole.
"""

from __future__ import annotations

import errno
import hashlib
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

import av
import av.error
from av.container import OutputContainer

from framewright.errors import OutputRefused, VerificationError
from framewright.media.carry import Carry, Spoilt, carry_streams
from framewright.media.containers import container_for
from framewright.media.copier import payload
from framewright.media.source import file_url, open_media, open_source, packets_of
from framewright.settings import Settings
from framewright.types import VideoInfo

__all__ = ["assembled", "spoilt_streams"]

logger = logging.getLogger(__name__)

T = TypeVar("T")

_NOTHING = "it holds nothing"
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def assembled(
    assemble: Callable[[Mapping[int, Spoilt]], T],
    source: Path,
    video: VideoInfo,
    suffix: str,
    scratch: Path,
    settings: Settings,
) -> T:
    """Call ``assemble`` until it succeeds: with all streams, with fewer copied, with fewer at all.

    Args:
        assemble: writes and verifies the output, given what cannot be copied.
        source: the file whose streams are carried over.
        video: what its probe said.
        suffix: container of the output.
        scratch: folder for trials.
        settings: limits for opening the source.

    Raises:
        OutputRefused: the disk is full.
        VerificationError: no stream is to blame, or it fails without those that are.
    """
    try:
        return assemble({})
    except (av.error.FFmpegError, VerificationError) as error:
        _refuse_where_full(error)
        faults = spoilt_streams(source, video, suffix, scratch, settings)
        failure = error
    for may_convert in (True, False) if faults else ():
        spoilt = {
            index: Spoilt(why, may_convert and why != _NOTHING) for index, why in faults.items()
        }
        try:
            return assemble(spoilt)
        except (av.error.FFmpegError, VerificationError) as error:
            _refuse_where_full(error)
            failure = error
    if isinstance(failure, VerificationError):
        raise failure
    raise VerificationError(f"the output could not be written: {failure}.") from failure


def spoilt_streams(
    source: Path, video: VideoInfo, suffix: str, scratch: Path, settings: Settings
) -> dict[int, str]:
    """Copy each stream alone into a file of the output's kind, and read it back.

    Returns:
        Why it fails, by the stream's index.
    """
    faults = {}
    for carry in carry_streams(video, suffix):
        if carry.action == "copy" and carry.stream.kind != "attachment":
            why = _fault(source, carry, suffix, scratch / f"trial{suffix}", settings)
            if why:
                logger.warning("stream %d cannot be copied: %s", carry.stream.index, why)
                faults[carry.stream.index] = why
    return faults


def _fault(source: Path, carry: Carry, suffix: str, trial: Path, settings: Settings) -> str:
    muxer = container_for(suffix).muxer
    options = {"avoid_negative_ts": "disabled"}
    try:
        with av.open(file_url(trial), "w", format=muxer, options=options) as out:
            wanted = _copied(source, carry, out, settings)
        if not wanted:
            return _NOTHING
        is_verified = carry.stream.kind in ("audio", "subtitle")
        survives = not is_verified or _payload_of(trial) == wanted
        return "" if survives else "its payload does not survive"
    except (av.error.FFmpegError, ValueError) as error:
        _refuse_where_full(error)
        return str(getattr(error, "strerror", None) or error)
    finally:
        trial.unlink(missing_ok=True)


def _copied(source: Path, carry: Carry, out: OutputContainer, settings: Settings) -> str:
    """Copy a stream and return the hash of its payload; empty where there is none."""
    digest, packets = hashlib.sha256(), 0
    with open_source(source, settings) as container:
        stream = container.streams[carry.stream.index]
        target = out.add_stream_from_template(stream, opaque=True)
        out.start_encoding()
        for packet in packets_of(container, stream):
            if packet.size:
                digest.update(payload(packet, container.format.name))
                packets += 1
                packet.stream = target
                out.mux_one(packet)
    return digest.hexdigest() if packets else ""


def _payload_of(path: Path) -> str:
    digest = hashlib.sha256()
    with open_media(path) as container:
        for packet in packets_of(container, *container.streams.audio, *container.streams.subtitles):
            if packet.size:
                digest.update(payload(packet, container.format.name))
    return digest.hexdigest()


def _refuse_where_full(error: Exception) -> None:
    if getattr(error, "errno", None) in _FULL:
        raise OutputRefused(
            f"the disk is full ({error}): free some space and run again; finished units are kept."
        ) from error
