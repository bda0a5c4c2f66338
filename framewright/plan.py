"""Plan a job: split the source, name the job by what decides its result, publish the manifest."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from pydantic import ValidationError

from framewright import __version__
from framewright.assets import upload_assets
from framewright.errors import InputError, ManifestError
from framewright.files import file_sha256
from framewright.footage import decoded_once, read_mask
from framewright.media.carry import preferred_suffix
from framewright.media.containers import check_steps
from framewright.media.encode import encoder_spec
from framewright.media.source import named_in_refusals
from framewright.media.treatment import check_treatment, settled, treated, treatment_notes
from framewright.media.units import cut_units, unit_frames
from framewright.reading import SourceReader, take_bundle
from framewright.settings import Settings, get_settings
from framewright.storage import LocalStore, Store
from framewright.storage.blocks import in_order
from framewright.tables import require_parquet
from framewright.types import (
    SCHEMA_VERSION,
    BundleRef,
    EncoderSpec,
    Manifest,
    Progress,
    ProgressCallback,
    Record,
    ScorerIdentity,
    SourceInfo,
    Treatment,
    VideoInfo,
    fingerprint,
    job_prefix,
)
from framewright.values import RESULT_SUFFIXES

__all__ = ["Split", "job_key", "load_manifest", "planned", "planned_before", "split", "upload"]

logger = logging.getLogger(__name__)

_MANIFEST = "manifest.json"
_UPLOADS = 4
"""Bundles that are put at a time: a store may be far away, and takes its time to answer."""


class Split(Record):
    """A source, split into a local folder, not yet uploaded."""

    job_key: str
    folder: str
    reused: bool
    """True where the store holds this job's manifest already: nothing was written."""
    frames: int
    units: int
    bundles: int
    seconds: float
    video: VideoInfo
    source: SourceInfo
    suffix: str
    probed: VideoInfo
    """The source as it is, before any treatment."""


def split(
    source: Path,
    *,
    scorer: ScorerIdentity,
    scratch: Path,
    store: Store,
    unit_seconds: float | None = None,
    suffix: str = "",
    treatment: Treatment | None = None,
    assets: Mapping[str, Path] | None = None,
    settings: Settings | None = None,
    progress: ProgressCallback | None = None,
) -> Split:
    """Split a video into bundles and a manifest, in a local folder.

    Args:
        source: the video.
        scorer: what its frames will be scored with; part of the job's name.
        scratch: folder to write to; made if missing.
        store: asked whether the job is planned already.
        unit_seconds: length of video per unit, in seconds; from the settings if None.
        suffix: container of the output, as a suffix with its dot; empty to follow the source.
            Records always go into a table.
        treatment: what to do with damage, interlacing, HDR, flicker and a mask; the defaults if
            None.
        assets: local files of the user's, by reference; that of the mask is read.
        settings: knobs; those of the process if None.
        progress: told about frames read.

    Raises:
        SourceRefused: the source is not a video that can be scored, or holds HDR that the scorer
            does not expect.
        OutputRefused: no container is known by the suffix.
        InputError: the scorer makes records, and the package that writes tables is missing.
    """
    started = time.perf_counter()
    settings = settings or get_settings()
    treatment = settled(treatment or Treatment(), scorer)
    seconds = settings.unit_seconds if unit_seconds is None else unit_seconds
    if not 0 < seconds <= 3600:
        raise InputError(f"a unit of {seconds} s is not possible; use more than 0, at most 3600 s.")
    scratch.mkdir(parents=True, exist_ok=True)
    with named_in_refusals(source), SourceReader(source, scratch, settings, progress) as reader:
        video = reader.probe()
        identity = SourceInfo(
            name=source.name, size_bytes=source.stat().st_size, sha256=file_sha256(source)
        )
        check_treatment(video, treatment, scorer)
        suffix, encoder, key = _named(video, identity, scorer, seconds, suffix, treatment, settings)
        manifest = _complete(store, key, checked=settings.check_decoding)
        reused = manifest is not None
        if manifest is None:
            tolerant = treatment.on_damage == "hold"
            parts = reader.split(seconds, tolerant)
            frames = parts.pts.count
            mask, mask_files = read_mask(
                treatment.mask, assets or {}, frames, scratch, seconds, settings, progress
            )
            checked = settings.check_decoding or tolerant
            if checked:
                parts = decoded_once(reader, parts, tolerant)
            if encoder is not None:
                check_steps(source.name, parts.pts, parts.video.time_base, suffix)
            manifest = Manifest(
                job_key=key,
                source=identity,
                video=_noted(parts.video, treatment, scorer),
                pts=parts.pts,
                last_duration_ticks=parts.last_duration_ticks,
                counted=parts.counted,
                bundles=parts.bundles,
                units=tuple(
                    cut_units(list(parts.bundles), unit_frames(frames, video.frame_rate, seconds))
                ),
                scorer=scorer,
                encoder=encoder,
                treatment=treatment,
                checked=checked,
                held=parts.held,
                mask=mask,
            )
            reader.close()  # nobody else writes there from here on
            files = [*(scratch / name for name in parts.files), *mask_files]
            for bundle, file in zip(manifest.stored_bundles, files, strict=True):
                take_bundle(file, bundle, scratch)
            (scratch / _MANIFEST).write_text(manifest.model_dump_json())
    logger.info(
        "%s: %d frames in %d units, %d bundles%s",
        source.name,
        manifest.frames,
        len(manifest.units),
        len(manifest.stored_bundles),
        " (planned before)" if reused else "",
    )
    return Split(
        job_key=key,
        folder=str(scratch),
        reused=reused,
        frames=manifest.frames,
        units=len(manifest.units),
        bundles=len(manifest.stored_bundles),
        seconds=time.perf_counter() - started,
        video=manifest.video,
        source=identity,
        suffix=suffix,
        probed=video,
    )


def planned_before(
    source: SourceInfo,
    video: VideoInfo,
    *,
    scorer: ScorerIdentity,
    store: Store,
    unit_seconds: float | None,
    suffix: str,
    treatment: Treatment | None,
    settings: Settings,
) -> tuple[Manifest, str] | None:
    """Return the job of a source that is known but not here, and its suffix, if it is planned.

    The arguments are those of ``split``, with what it found at the source then.
    """
    seconds = settings.unit_seconds if unit_seconds is None else unit_seconds
    treatment = settled(treatment or Treatment(), scorer)
    suffix, _, key = _named(video, source, scorer, seconds, suffix, treatment, settings)
    manifest = _complete(store, key, checked=settings.check_decoding)
    return (manifest.model_copy(update={"source": source}), suffix) if manifest else None


def _named(
    video: VideoInfo,
    source: SourceInfo,
    scorer: ScorerIdentity,
    seconds: float,
    suffix: str,
    treatment: Treatment,
    settings: Settings,
) -> tuple[str, EncoderSpec | None, str]:
    """Suffix of the output, the encoder of its pictures where it has any, and the job's key."""
    encoder: EncoderSpec | None = None
    if scorer.result == "records":
        require_parquet()
        suffix = RESULT_SUFFIXES["records"]
    else:
        suffix = (suffix or preferred_suffix(video)).lower()
        encoder = encoder_spec(treated(video, treatment), suffix, settings)
    return suffix, encoder, job_key(source, seconds, scorer, encoder, treatment)


def _noted(video: VideoInfo, treatment: Treatment, scorer: ScorerIdentity) -> VideoInfo:
    """Add to a probe's warnings what the treatment does."""
    notes = treatment_notes(video, treatment, scorer)
    return video.model_copy(update={"warnings": (*notes, *video.warnings)})


def planned(
    source: Path,
    scorer: ScorerIdentity,
    folder: Path,
    unit_seconds: float | None = None,
    treatment: Treatment | None = None,
    assets: Mapping[str, Path] | None = None,
) -> Manifest:
    """Split a video into ``folder`` only to see the plan; raises what ``split`` raises."""
    parts = split(
        source,
        scorer=scorer,
        scratch=folder / "split",
        store=LocalStore(folder / "store"),
        unit_seconds=unit_seconds,
        treatment=treatment,
        assets=assets,
    )
    return _parse((Path(parts.folder) / _MANIFEST).read_bytes(), parts.folder)


def upload(
    split: Split,
    store: Store,
    progress: ProgressCallback | None = None,
    *,
    assets: Mapping[str, Path] | None = None,
) -> Manifest:
    """Publish a split: bundles and assets by their content, last the manifest: it makes it whole.

    Args:
        split: what ``split`` returned.
        store: where to.
        progress: told about bundles that are there.
        assets: local files by the reference that the scorer's parameters have of them, as
            ``assets_of`` gives them.

    Raises:
        InputError: a file that the scorer refers to is neither given nor in the store.
        StoreUnavailable: the store did not take it.
    """
    if split.reused:
        # The same bytes may have had another name when they were planned.
        manifest = load_manifest(store, split.job_key)
        upload_assets(manifest.scorer, assets or {}, store)
        return manifest.model_copy(update={"source": split.source})
    folder = Path(split.folder)
    manifest = _parse((folder / _MANIFEST).read_bytes(), split.folder)

    def put(bundle: BundleRef) -> None:
        store.put(bundle.key, folder / bundle.sha256, overwrite=False)

    upload_assets(manifest.scorer, assets or {}, store)
    bundles = manifest.stored_bundles
    if progress:
        progress(Progress("upload", 0, len(bundles)))
    for done, _ in enumerate(in_order(put, bundles, _UPLOADS), 1):
        if progress and done < len(bundles):
            progress(Progress("upload", done, len(bundles)))
    store.put(_manifest_key(manifest.job_key), manifest.model_dump_json().encode())
    if progress:
        progress(Progress("upload", len(bundles), len(bundles)))
    return manifest


def load_manifest(store: Store, job_key: str) -> Manifest:
    """Read a published job; remembered per process, because every unit needs it.

    Raises:
        ManifestError: there is none, or it does not read back.
    """
    return _load(_Opened(store, store.url), job_key)


def job_key(
    source: SourceInfo,
    unit_seconds: float,
    scorer: ScorerIdentity,
    encoder: EncoderSpec | None,
    treatment: Treatment,
) -> str:
    """Name a job by all that determines its scored units, and by nothing else.

    The release is part of it, because decoding and colour are: a new one scores anew rather than
    mixing its frames with those of the old one.
    """
    return fingerprint(
        {
            "release": __version__,
            "schema": SCHEMA_VERSION,
            "source": source.sha256,
            "unit_seconds": float(unit_seconds),
            "scorer": scorer.model_dump(mode="json"),
            "encoder": encoder and encoder.model_dump(mode="json"),
            "treatment": treatment.model_dump(mode="json"),
        }
    )


@dataclass(frozen=True)
class _Opened:
    """A store, the same as another of the same address."""

    store: Store = field(compare=False)
    url: str


@lru_cache(maxsize=8)
def _load(opened: _Opened, job_key: str) -> Manifest:
    store = opened.store
    manifest = _stored(store, job_key)
    if manifest is None:
        raise ManifestError(
            f"the store {store.url!r} has no job {job_key[:12]}; run the job again, it is split "
            "anew, and check that every machine sees the same store.",
            report=False,
        )
    return manifest


def _stored(store: Store, job_key: str) -> Manifest | None:
    try:
        data = store.read(_manifest_key(job_key))
    except KeyError:
        return None
    return _parse(data, job_key[:12])


def _complete(store: Store, job_key: str, *, checked: bool) -> Manifest | None:
    """Return a job that is planned, checked where that is wanted, and whose bundles are there."""
    try:
        manifest = _stored(store, job_key)
    except ManifestError as error:
        logger.warning("job %s is split again: %s", job_key[:12], error.message)
        return None
    if manifest is not None and checked and not manifest.checked:
        logger.info("job %s was planned unchecked; splitting again", job_key[:12])
        return None
    bundles = manifest.stored_bundles if manifest is not None else ()
    if any(store.stat(bundle.key) is None for bundle in bundles):
        logger.warning("job %s lacks bundles; splitting again", job_key[:12])
        return None
    return manifest


def _manifest_key(job_key: str) -> str:
    return job_prefix(job_key) + _MANIFEST


def _parse(data: bytes, where: str) -> Manifest:
    try:
        manifest = Manifest.model_validate_json(data)
    except ValidationError as error:
        raise ManifestError(f"manifest of {where} not readable: {error}.") from error
    most = get_settings().max_frames
    if manifest.frames > most:
        raise ManifestError(
            f"manifest of {where} says {manifest.frames} frames; at most {most} are accepted "
            "(FRAMEWRIGHT_MAX_FRAMES, on every machine).",
            report=False,
        )
    return manifest
