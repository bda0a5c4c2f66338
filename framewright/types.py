"""The nouns of framewright: plain, frozen, JSON-serialisable.

Ranges of frames are half-open, ``[start, stop)``. Time is an integer number of ticks of an exact
``Fraction`` time base; seconds as floats are for display only.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from framewright.values import (
    MAX_FRAMES,
    MAX_TICKS,
    RESULT_SUFFIXES,
    FrameRange,
    Hdr,
    Interlaced,
    JsonObject,
    OnDamage,
    PositiveRatio,
    Ratio,
    Result,
    Stability,
    Stage,
    check_held,
    check_tiled,
)

__all__ = [
    "BundleRef",
    "ColorSpec",
    "EncoderSpec",
    "Footage",
    "FrameRange",
    "HdrMetadata",
    "Manifest",
    "OtherStream",
    "Progress",
    "ProgressCallback",
    "ScorerIdentity",
    "SourceInfo",
    "TickRuns",
    "Treatment",
    "Unit",
    "VideoInfo",
    "fingerprint",
]

SCHEMA_VERSION = 1

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
AssetReference = Annotated[str, Field(pattern=r"^(asset:[0-9a-f]{64}(\.[a-z0-9]{1,16})?)?$")]
"""A file of the user's by its content; see ``framewright.scorers.asset``. Empty for none."""


class Record(BaseModel):
    """Base of everything that is written to storage: immutable, and strict about unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)


def fingerprint(value: Any) -> str:
    """Return the sha256, in hex, of a value's canonical JSON form.

    Records are dumped in JSON mode; mappings are sorted by key.
    """
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json")
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


class ColorSpec(Record):
    """How the samples of a frame are to be read; code points are those of ITU-T H.273."""

    primaries: int
    transfer: int
    matrix: int
    matrix_used: Literal["ITU601", "ITU709", "BT2020", "RGB"]
    """The matrix used to convert to RGB and back; inferred from the size when untagged."""
    full_range: bool
    range_tag: int
    """0 unspecified, 1 limited, 2 full: what the source says, so that it can be said again."""


class HdrMetadata(Record):
    """Static HDR metadata in the text form that x264 and x265 take."""

    mastering_display: str = ""
    content_light: str = ""


class OtherStream(Record):
    """A stream of the source that is not the one being scored."""

    index: int
    kind: str
    """video, audio, subtitle, data or attachment"""
    codec: str
    language: str = ""
    disposition: int = 0


class SourceInfo(Record):
    """Identity of the source: the sha256 of its bytes. The name is for people."""

    name: str
    size_bytes: int = Field(ge=0)
    sha256: Sha256


class VideoInfo(Record):
    """What a probe says of the video stream that is going to be scored."""

    container: str
    """The demuxer's name, such as ``mov,mp4,m4a,3gp,3g2,mj2``."""
    container_suffix: str
    """Suffix of the container an output takes by default, with its dot."""
    stream_index: int = Field(ge=0)
    codec: str
    """Name of the decoder."""
    width: int = Field(gt=0)
    """Coded width in pixels, before rotation."""
    height: int = Field(gt=0)
    pixel_format: str
    time_base: PositiveRatio
    frame_rate: PositiveRatio
    """Average or guessed rate, for display and for rate control; never for time stamps."""
    sample_aspect_ratio: Ratio
    """0 where unknown."""
    rotation: int
    """Degrees, counter-clockwise, by which a player turns the picture; after mirroring it left to
    right, where ``mirrored``."""
    field_order: Literal["progressive", "top", "bottom"]
    """Whether a frame is one picture, or two fields of which this one is shown first."""
    color: ColorSpec
    single_fields: bool = False
    """Each frame is one field of an interlaced video, as HEVC codes them."""
    chroma_location: str = ""
    """Where chroma samples lie among luma samples, by FFmpeg's name; empty where unknown."""
    mirrored: bool = False
    display_matrix: tuple[int, ...] = ()
    """The nine numbers of FFmpeg's display matrix, as the source has them; empty for none."""
    hdr: HdrMetadata | None = None
    others: tuple[OtherStream, ...] = ()
    warnings: tuple[str, ...] = ()


class BundleRef(Record):
    """A stored packet bundle."""

    sha256: Sha256
    size_bytes: int = Field(gt=0)
    start_frame: int = Field(ge=0)
    """Index of the first frame, in presentation order, that this bundle owns."""
    stop_frame: int
    preroll: int = Field(0, ge=0)
    """Bundles before this one with which decoding must begin, for all of its frames to come out."""

    @property
    def key(self) -> str:
        """Storage key, derived from the content."""
        return f"bundles/{self.sha256[:2]}/{self.sha256}.pkts"


class Unit(Record):
    """A half-open range of frames ``[start, stop)``: the work of one scoring task."""

    index: int = Field(ge=0)
    start: int = Field(ge=0)
    stop: int

    @property
    def frames(self) -> int:
        """Number of frames."""
        return self.stop - self.start


class TickRuns(Record):
    """Presentation time stamps, compressed as a start and runs of equal steps."""

    first: int = Field(ge=-MAX_TICKS, le=MAX_TICKS)
    runs: tuple[tuple[int, int], ...] = ()
    """``(step_ticks, repetitions)`` in order."""

    @model_validator(mode="after")
    def _can_be_unpacked(self) -> TickRuns:
        tick = self.first
        for step, count in self.runs:
            if count < 1:
                raise ValueError(f"a run of {count} steps; at least 1 is possible")
            tick += step * count
            if not -MAX_TICKS <= tick <= MAX_TICKS:
                raise ValueError(f"the time stamp {tick} does not fit into 64 bits")
        if self.count > MAX_FRAMES:
            raise ValueError(f"{self.count} time stamps; at most {MAX_FRAMES} are possible")
        return self

    @property
    def count(self) -> int:
        """Number of time stamps, without unpacking them."""
        return 1 + sum(count for _, count in self.runs)

    @classmethod
    def pack(cls, ticks: list[int]) -> TickRuns:
        """Compress a non-empty list."""
        runs: list[list[int]] = []
        for before, after in pairwise(ticks):
            step = after - before
            if runs and runs[-1][0] == step:
                runs[-1][1] += 1
            else:
                runs.append([step, 1])
        return cls(first=ticks[0], runs=tuple((step, count) for step, count in runs))

    def unpack(self) -> list[int]:
        """Return the list that was packed."""
        ticks = [self.first]
        for step, count in self.runs:
            for _ in range(count):
                ticks.append(ticks[-1] + step)
        return ticks


class Footage(Record):
    """A video that is split: what it takes to decode any of its frames."""

    source: SourceInfo
    video: VideoInfo
    pts: TickRuns
    """Time stamps of all frames, in the video's time base, in presentation order."""
    counted: bool = False
    """True where frames are found by counting what the decoder gives, not by their time stamps:
    those of the source's packets are missing, repeated, or not the times of presentation."""
    bundles: tuple[BundleRef, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _can_be_decoded(self) -> Footage:
        frames = self.frames
        check_tiled("bundles", [(b.start_frame, b.stop_frame) for b in self.bundles], frames)
        if self.pts.count != frames:
            raise ValueError(f"{self.pts.count} time stamps for {frames} frames")
        if any(step < 1 for step, _ in self.pts.runs):
            raise ValueError("time stamps do not increase")
        if self.counted and len(self.bundles) > 1:
            raise ValueError(f"frames are counted, over {len(self.bundles)} bundles; 1 is possible")
        if any(bundle.preroll > place for place, bundle in enumerate(self.bundles)):
            raise ValueError("a bundle's preroll begins before the first bundle")
        return self

    @property
    def frames(self) -> int:
        """Number of frames."""
        return self.bundles[-1].stop_frame

    def frame_keys(self, start: int, stop: int) -> list[int]:
        """By what a decoder finds the frames ``[start, stop)``: time stamps, or their numbers."""
        return list(range(start, stop)) if self.counted else self.pts.unpack()[start:stop]


class ScorerIdentity(Record):
    """What makes two scorers compute the same: it goes into the job key and to every worker."""

    name: str
    version: str
    weights_sha256: str = ""
    params: JsonObject = Field(default_factory=dict)
    """Small and JSON-serialisable; enough to build the scorer on another machine."""
    result: Result = "pictures"
    """What it makes of a frame: a picture, or any number of records, which are rows of a table."""
    takes_hdr: bool = False
    """Whether the scorer expects HDR pictures (PQ or HLG) as they are encoded."""
    flickers: bool = True
    """Whether equal things may look different in the next frame, so that stabilising helps."""


class Treatment(Record):
    """What the user wants done with a source that cannot, or need not, be kept as it is."""

    on_damage: OnDamage = "refuse"
    """``hold`` repeats the last good frame for every frame of a damaged stretch, and says so."""
    interlaced: Interlaced = "keep"
    """``deinterlace`` makes each frame of an interlaced source one picture; their number stays."""
    hdr: Hdr = "refuse"
    """``tone-map`` makes BT.709 of HDR (PQ, HLG) before it is scored. Otherwise a scorer that
    takes HDR gets it as it is; ``pass`` gives it to any other, too, as if it were SDR."""
    stability: Stability | None = None
    """How steady pictures are made; None for what suits the scorer, never so in a manifest."""
    mask: AssetReference = ""
    """A video or image that is white where pictures are the scorer's and black where they stay
    those of the source; empty for none."""


class EncoderSpec(Record):
    """How scored units are encoded. The same for all units of a job: they share one header."""

    codec: str
    pixel_format: str
    options: dict[str, str] = Field(default_factory=dict)
    threads: int = Field(1, ge=1)
    build: str = ""
    """Version of the library that encodes, because headers differ between versions."""


class Manifest(Footage):
    """Everything that a worker or the stitcher must know; written last after a split."""

    schema_version: Literal[1] = 1
    job_key: Sha256
    last_duration_ticks: int = Field(ge=0, le=MAX_TICKS)
    units: tuple[Unit, ...] = Field(min_length=1)
    scorer: ScorerIdentity
    encoder: EncoderSpec | None
    """None where the scorer makes records."""
    treatment: Treatment = Treatment()
    checked: bool = False  # whether every frame was decoded once, so that damage is known
    held: tuple[FrameRange, ...] = ()
    """Damaged frames, in order: each shows the last good frame before it, or else the first."""
    mask: Footage | None = None
    """What ``treatment.mask`` names: a picture for each frame, or one for all."""

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Manifest:
        frames = self.frames
        check_tiled("units", [(unit.start, unit.stop) for unit in self.units], frames)
        if [unit.index for unit in self.units] != list(range(len(self.units))):
            raise ValueError("units are not numbered from 0 in their order")
        if self.mask and self.mask.frames not in (1, frames):
            raise ValueError(f"the mask has {self.mask.frames} pictures for {frames} frames")
        check_held(self.held, frames)
        if (self.encoder is None) != (self.scorer.result == "records"):
            raise ValueError("an encoder belongs to pictures, and to nothing else")
        return self

    @property
    def stored_bundles(self) -> tuple[BundleRef, ...]:
        """All that the work store holds for it: the source's, and those of the mask."""
        return self.bundles + (self.mask.bundles if self.mask else ())

    @property
    def prefix(self) -> str:
        """Storage prefix of this job."""
        return job_prefix(self.job_key)

    def pictures(self, start: int, stop: int) -> list[int]:
        """For each of the frames ``[start, stop)``, the frame whose picture it shows.

        That is itself, or the good one that is held in its place. Never decreasing.
        """
        shown = list(range(start, stop))
        for first, end in self.held:
            for frame in range(max(first, start), min(end, stop)):
                shown[frame - start] = first - 1 if first else end
        return shown

    def clip_encoder(self) -> EncoderSpec:
        """How clips are encoded; ValueError where the scorer makes records."""
        if self.encoder is None:
            raise ValueError(f"scorer {self.scorer.name!r} makes records, which are not encoded")
        return self.encoder

    def unit_result_key(self, index: int, sha256: str) -> str:
        """Storage key of a scored unit's clip or table, named by its content.

        So a record, which holds the hash, always means the file that was made with it, although
        two workers may score one unit.
        """
        suffix = RESULT_SUFFIXES[self.scorer.result]
        return f"{self.prefix}units/{index:05d}-{sha256[:16]}{suffix}"

    def unit_record_key(self, index: int) -> str:
        """Storage key of the JSON that says a scored unit is whole."""
        return f"{self.prefix}units/{index:05d}.json"


def job_prefix(job_key: str) -> str:
    """Storage prefix under which a job keeps its manifest and scored units."""
    return f"jobs/{job_key}/"


@dataclass(frozen=True, slots=True)
class Progress:
    """One step forward, reported by the engine to whoever called it."""

    stage: Stage
    done: int
    """Frames (units where ``stage`` is score on a driver)."""
    total: int
    """0 where not known yet."""


ProgressCallback = Callable[[Progress], None]
