"""Put one file through the engine and judge what comes out by a plain decode of the file itself."""

from __future__ import annotations

import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import av.error
import numpy as np
from av.video.frame import VideoFrame

from framewright.errors import EngineBug, FramewrightError, InputError, SourceRefused
from framewright.media.color import FrameToRgb, RgbToFrame
from framewright.plan import split, upload
from framewright.score import score_unit
from framewright.scorers.identity import IdentityScorer
from framewright.settings import Settings
from framewright.stitch import stitch
from framewright.storage import LocalStore
from framewright.types import Manifest, Treatment

__all__ = ["Truth", "Verdict", "compare", "judged", "limits", "plain_decode"]

CONCEALED = "errors that the decoder conceals"
"""With this warning an output does not claim to show what any other decoder would."""
_UNIT_SECONDS = 1.0
_LEAST_PSNR_DB = 45.0
"""Of frames deeper than 8 bits, which x264 does not encode losslessly at rate factor 0."""


@dataclass(frozen=True)
class Verdict:
    """What became of a file."""

    outcome: str
    """``exact``, ``held``, ``refused: <reason>``, or ``finding``."""
    detail: str = ""

    @property
    def is_finding(self) -> bool:
        """Whether the engine did what it must not."""
        return self.outcome == "finding"


def limits() -> Settings:
    """Settings under which a small machine can judge any file; lossless, so that pixels compare."""
    return Settings(max_frame_pixels=1 << 22, quality_crf=0, encoder_preset="ultrafast")


def judged(path: Path, folder: Path, treatment: Treatment, suffix: str = ".mp4") -> Verdict:
    """Split, score and stitch a file, and compare the output with a plain decode of it.

    A refusal must be a ``SourceRefused``; whatever else is raised is a finding.
    """
    settings, store = limits(), LocalStore(folder / "work")
    stage = "split"
    try:
        parts = split(
            path,
            scorer=IdentityScorer.identity,
            scratch=folder / "scratch",
            store=store,
            unit_seconds=_UNIT_SECONDS,
            suffix=suffix,
            treatment=treatment,
            settings=settings,
        )
        manifest = upload(parts, store)
        stage = "score"
        for unit in manifest.units:
            score_unit(store, manifest.job_key, unit.index, settings=settings)
        stage = "stitch"
        output = folder / f"output{suffix}"
        stitch(store, manifest, path, output, settings=settings)
    except SourceRefused as error:
        late = "" if stage == "split" else f" at {stage}"
        return Verdict(f"refused{late}: {error.reason}", str(error))
    except MemoryError as error:
        return Verdict("finding", f"memory: {stage}: {error}")
    except EngineBug as error:
        return Verdict("finding", f"{stage}: {type(error).__name__}: {error.message}")
    except (FramewrightError, InputError) as error:
        return Verdict("finding", f"{stage}: {type(error).__name__}: {error}")
    except Exception as error:  # noqa: BLE001 - whatever it is, it is what is looked for
        where = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{Path(where.filename).name}:{where.lineno}"
        return Verdict("finding", f"{stage}: {type(error).__name__} at {place}: {error}")
    fault = compare(path, output, manifest)
    if fault and manifest.held and "show" in fault:
        return Verdict("held, and more is damaged", f"{manifest.held}: {fault}")
    if fault:
        return Verdict("finding", f"output: {fault}")
    return _claimed(manifest)


def _claimed(manifest: Manifest) -> Verdict:
    """What the report says of an output that is as it says."""
    warnings = manifest.video.warnings
    if any(CONCEALED in warning for warning in warnings):
        return Verdict("warned: concealed", str(warnings))
    if manifest.held:
        return Verdict("held", str(manifest.held))
    return Verdict("warned: cut off" if _is_cut_off(manifest) else "exact")


def _is_cut_off(manifest: Manifest) -> bool:
    return any(warning.startswith("cut off: ") for warning in manifest.video.warnings)


@dataclass
class Truth:
    """What a plain decode met besides frames."""

    damage: str = ""
    """The first error or damaged frame; empty for none."""


def is_spoilt(frame: VideoFrame) -> bool:
    """Whether a decoder says that a frame is damaged.

    FFmpeg's for MPEG-4 Part 2 guesses by earlier frames which encoder's defects to work around, and
    so can spoil a whole keyframe behind damage: alone it decodes without any error.
    """
    return bool(frame.is_corrupt) and not frame.key_frame


def plain_decode(path: Path, index: int, truth: Truth) -> Iterator[VideoFrame]:
    """Yield the frames of one stream as a player without any care would: from front to back."""
    with av.open(f"file:{path}", metadata_errors="replace") as container:
        stream = container.streams[index]
        stream.codec_context.thread_type = "NONE"
        try:
            for packet in container.demux(stream):
                if not packet.size and packet.dts is not None:
                    continue
                try:
                    for frame in packet.decode():
                        if isinstance(frame, VideoFrame):
                            if is_spoilt(frame):
                                truth.damage = truth.damage or f"frame {frame.pts} is corrupt"
                            yield frame
                except av.error.EOFError:
                    return
                except av.error.FFmpegError as error:
                    truth.damage = truth.damage or f"packet {packet.pts}: {error}"
        except IndexError:  # PyAV's, behind the last packet, where streams began within the file
            return
        except av.error.FFmpegError as error:
            truth.damage = truth.damage or f"demuxing: {error}"


def compare(path: Path, output: Path, manifest: Manifest) -> str:
    """Return in what an output differs from what its source shows; empty for nothing."""
    truth, made = Truth(), Truth()
    pts = manifest.pts.unpack()
    if any(after <= before for before, after in pairwise(pts)):
        return "the manifest's times do not increase"
    sources = list(plain_decode(path, manifest.video.stream_index, truth))
    results = list(plain_decode(output, 0, made))
    if len(results) != len(pts):
        return f"{len(results)} frames came out, not {len(pts)} as planned"
    if made.damage:
        return f"the output is damaged: {made.damage}"
    if (drift := _drift(results, manifest)) > _tick(output):
        return f"times differ by {float(drift):.6f} s"
    if manifest.held:
        return _fault_of_held(sources, results, manifest)
    if len(sources) != len(pts):
        return f"a plain decode gives {len(sources)} frames, not {len(pts)}"
    if truth.damage and not _is_cut_off(manifest):
        return f"damage was not noticed: {truth.damage}"
    return _fault(sources, results, manifest)


def _tick(output: Path) -> Fraction:
    return Fraction(1, 1000) if output.suffix == ".mkv" else Fraction(0)


def _drift(results: Sequence[VideoFrame], manifest: Manifest) -> Fraction:
    """By how many seconds the frames were moved against each other."""
    offsets = [
        result.pts * result.time_base - tick * manifest.video.time_base
        for result, tick in zip(results, manifest.pts.unpack(), strict=True)
        if result.pts is not None and result.time_base is not None
    ]
    return max(offsets, default=Fraction(0)) - min(offsets, default=Fraction(0))


def _fault(sources: Sequence[VideoFrame], results: Sequence[VideoFrame], manifest: Manifest) -> str:
    """Compare frame by frame."""
    pictures = _Pictures(manifest)
    for place, (source, result, tick) in enumerate(
        zip(sources, results, manifest.pts.unpack(), strict=True)
    ):
        if not manifest.counted and source.pts != tick:
            return f"frame {place} has time {tick}, a plain decode says {source.pts}"
        if not source.is_corrupt and not pictures.same(source, result):
            return f"frame {place} shows something else"
    return ""


def _fault_of_held(
    sources: Sequence[VideoFrame], results: Sequence[VideoFrame], manifest: Manifest
) -> str:
    """Compare every frame with the one that it claims to show, which must be a good one."""
    frames = len(results)
    keys = manifest.frame_keys(0, frames)
    known = {
        number if manifest.counted else source.pts: source for number, source in enumerate(sources)
    }
    pictures = _Pictures(manifest)
    for place, shown in enumerate(manifest.pictures(0, frames)):
        source = known.get(keys[shown])
        if source is None:
            return f"frame {place} claims to show frame {shown}, which a plain decode does not give"
        if is_spoilt(source):
            return f"frame {place} shows frame {shown}, which is damaged"
        if not source.is_corrupt and not pictures.same(source, results[place]):
            return f"frame {place} does not show frame {shown}, as it claims"
    return ""


class _Pictures:
    """Compares pictures of the source with those of the output."""

    def __init__(self, manifest: Manifest) -> None:
        guesses = manifest.video.codec == "mpeg4" and _is_cut_off(manifest)  # see `is_spoilt`
        self._warned = guesses or any(CONCEALED in words for words in manifest.video.warnings)
        self._to_rgb = FrameToRgb(manifest.video.color)
        self._to_frame = RgbToFrame(manifest.video.color, manifest.clip_encoder().pixel_format)

    def same(self, source: VideoFrame, result: VideoFrame) -> bool:
        """Whether the output shows what the source does, with the colours of the way there."""
        return self._warned or _same_picture(self._to_frame(self._to_rgb(source)), result)


def _same_picture(wanted: VideoFrame, found: VideoFrame) -> bool:
    if wanted.format.name.replace("yuvj", "yuv") != found.format.name.replace("yuvj", "yuv"):
        return False
    deep = max(component.bits for component in wanted.format.components) > 8
    if not deep:
        return _planes(wanted, np.uint8) == _planes(found, np.uint8)
    one, other = (np.frombuffer(_planes(f, np.uint16), np.uint16) for f in (wanted, found))
    error = float(np.mean((one.astype(np.float64) - other.astype(np.float64)) ** 2))
    return error == 0 or 10 * np.log10(1023**2 / error) >= _LEAST_PSNR_DB


def _planes(frame: VideoFrame, dtype: type) -> bytes:
    pieces = []
    for plane in frame.planes:
        samples = np.frombuffer(plane, dtype)  # type: ignore[call-overload]
        row = plane.line_size // samples.itemsize
        lines = samples[: row * plane.height].reshape(plane.height, row)
        pieces.append(lines[:, : plane.width].tobytes())
    return b"".join(pieces)
