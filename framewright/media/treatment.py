"""What becomes of pictures that cannot, or need not, be kept as they are: interlaced ones and HDR.

The one place that turns a user's wishes into what the output's pictures are. A manifest's video
describes the source; ``treated`` describes what is encoded.
"""

from __future__ import annotations

from framewright.errors import InputError, SourceRefused
from framewright.media.color import encodable_format
from framewright.media.fields import MIN_SIZE
from framewright.types import ColorSpec, ScorerIdentity, Treatment, VideoInfo

__all__ = [
    "check_treatment",
    "deinterlaces",
    "is_hdr",
    "peak_cd_m2",
    "settled",
    "stability",
    "tone_maps",
    "treated",
    "treatment_notes",
]

_TRANSFERS = {16: "PQ (SMPTE ST 2084)", 18: "HLG (ARIB STD-B67)"}
"""Transfer characteristics of HDR, by their code point in ITU-T H.273."""
_PQ = 16
_PEAK_CD_M2 = 1000.0
"""Nominal peak of HLG, and of PQ that does not say for what display it was made."""
_STABILITY = 0.95
"""Measured: flicker at most 1.5 times the source's, with 0.7 or more of the detail."""
_LOWEST_PEAK, _HIGHEST_PEAK = 100.0, 10_000.0
_BT709 = ColorSpec(
    primaries=1, transfer=1, matrix=1, matrix_used="ITU709", full_range=False, range_tag=1
)


def is_hdr(color: ColorSpec) -> bool:
    """Whether samples are encoded with one of the transfers of ITU-R BT.2100."""
    return color.transfer in _TRANSFERS


def tone_maps(video: VideoInfo, treatment: Treatment) -> bool:
    """Whether pictures are converted to SDR before a scorer sees them."""
    return treatment.hdr == "tone-map" and is_hdr(video.color)


def deinterlaces(video: VideoInfo, treatment: Treatment) -> bool:
    """Whether frames that are flagged as interlaced become one picture each.

    Also where the first frames are not flagged: later ones may be.
    """
    wide, high = MIN_SIZE
    large_enough = video.width >= wide and video.height >= high
    return treatment.interlaced == "deinterlace" and not video.single_fields and large_enough


def treated(video: VideoInfo, treatment: Treatment) -> VideoInfo:
    """Describe the pictures that are encoded: field order, colour and HDR metadata of the output.

    Tone-mapped pictures are BT.709 of limited range and have no HDR metadata.
    """
    changes: dict[str, object] = {}
    if deinterlaces(video, treatment) or not _can_be_interlaced(video):
        changes["field_order"] = "progressive"
    if tone_maps(video, treatment):
        changes |= {"color": _BT709, "hdr": None}
    return video.model_copy(update=changes)


def _can_be_interlaced(video: VideoInfo) -> bool:
    """Whether both fields get whole lines of chroma: without that H.264 has no such pictures."""
    format_ = encodable_format(video.pixel_format, video.width, video.height, "libx264")
    return video.height % (4 if "420" in format_ else 2) == 0


def peak_cd_m2(video: VideoInfo) -> float:
    """Luminance of the brightest sample that an HDR source means, in cd/m2.

    The lower of what its mastering display could show (SMPTE ST 2086) and the brightest that it
    says it holds (MaxCLL of CTA-861.3); the nominal 1000 for HLG, and where it says neither.
    """
    if video.color.transfer != _PQ or video.hdr is None:
        return _PEAK_CD_M2
    stated = []
    if video.hdr.mastering_display:
        stated.append(int(video.hdr.mastering_display.rpartition("L(")[2].split(",")[0]) / 10_000)
    if video.hdr.content_light:
        stated.append(float(video.hdr.content_light.split(",")[0]))
    known = min((peak for peak in stated if peak > 0), default=_PEAK_CD_M2)
    return min(max(known, _LOWEST_PEAK), _HIGHEST_PEAK)


def check_treatment(video: VideoInfo, treatment: Treatment, scorer: ScorerIdentity) -> None:
    """Refuse HDR that a scorer does not expect, unless the user has said what is to happen.

    Raises:
        SourceRefused: the choice is the user's.
        InputError: there is a mask, and the scorer makes no pictures.
    """
    if treatment.mask and scorer.result == "records":
        raise InputError(
            f"a mask chooses between pictures, and the scorer {scorer.name!r} makes records: leave "
            "out --mask (parameter mask)."
        )
    if is_hdr(video.color) and not scorer.takes_hdr and treatment.hdr == "refuse":
        raise SourceRefused(
            "unsupported",
            f"HDR video, transfer {_TRANSFERS[video.color.transfer]}, and the scorer "
            f"{scorer.name!r} expects standard pictures, so its results would be wrong. Choose: "
            "--hdr tone-map (parameter hdr) converts to BT.709 first, so that the output is SDR; "
            "--hdr pass gives the model the encoded values as they are.",
        )


def settled(treatment: Treatment, scorer: ScorerIdentity) -> Treatment:
    """Say how steady pictures are made where that was left to what suits the scorer."""
    if treatment.stability is not None:
        return treatment
    suits = _STABILITY if scorer.flickers and scorer.result == "pictures" else 0.0
    return treatment.model_copy(update={"stability": suits})


def stability(video: VideoInfo, treatment: Treatment) -> float:
    """How steady pictures are made, 0 to 1; 0 where frames hold two moments or half the lines."""
    woven = video.field_order != "progressive" and not deinterlaces(video, treatment)
    return 0.0 if woven or video.single_fields else treatment.stability or 0.0


def treatment_notes(
    video: VideoInfo, treatment: Treatment, scorer: ScorerIdentity
) -> tuple[str, ...]:
    """Say in the report what was done with interlaced pictures and HDR, and why."""
    notes = [
        _interlaced_note(video, treatment),
        _hdr_note(video, treatment, scorer),
        _stability_note(video, treatment),
        "masked: where the mask is black, pictures are the source's." if treatment.mask else "",
    ]
    return tuple(note for note in notes if note)


def _interlaced_note(video: VideoInfo, treatment: Treatment) -> str:
    asked = treatment.interlaced == "deinterlace"
    if video.single_fields:
        kept = " (deinterlace does not change that)" if asked else ""
        return (
            "interlaced, each field coded as a picture of its own: the decoder gives fields, so "
            f"they are scored and written one by one, at half the height{kept}."
        )
    if video.field_order == "progressive":
        if not asked:
            return ""
        return (
            "deinterlace: the video begins with progressive frames, which stay as they are; only "
            "frames further on that are flagged as interlaced would be changed."
        )
    first = f"interlaced, {video.field_order} field first"
    if deinterlaces(video, treatment):
        return (
            f"{first}: deinterlaced with bwdif, one picture for each frame, at the time of its "
            "first field; the output is progressive, half of its lines are interpolated and "
            "motion has half the rate that the fields had."
        )
    if asked:
        return f"{first}: kept as it is, because frames this small cannot be deinterlaced."
    mark = ""
    if not _can_be_interlaced(video):
        mark = f", but marked as progressive, because {video.height} lines do not make two fields"
    return (
        f"{first}: both fields are kept interleaved in each frame, as in the source{mark}; a model "
        "that moves or smooths pixels mixes two moments where there is motion, which "
        "--interlaced deinterlace (parameter interlaced) avoids."
    )


def _stability_note(video: VideoInfo, treatment: Treatment) -> str:
    if not treatment.stability:
        return ""
    if not stability(video, treatment):
        return (
            "not stabilised, because the two fields of a frame are of different moments; "
            "--interlaced deinterlace (parameter interlaced) makes whole pictures of most such "
            "videos."
        )
    return (
        f"stabilised, stability {treatment.stability:g}: each picture keeps what the one before "
        "shows of the same things; --stability 0 (parameter stability) gives the scorer's own."
    )


def _hdr_note(video: VideoInfo, treatment: Treatment, scorer: ScorerIdentity) -> str:
    if not is_hdr(video.color):
        return ""
    name = f"HDR, transfer {_TRANSFERS[video.color.transfer]}"
    if tone_maps(video, treatment):
        return (
            f"{name}: tone-mapped from {peak_cd_m2(video):.0f} to 100 cd/m2 (EETF of ITU-R "
            "BT.2390) and converted to BT.709, before the scorer; the output is SDR, and HDR "
            "metadata, which would be wrong there, is left out."
        )
    if scorer.takes_hdr:
        return ""
    return (
        f"{name}: passed on as it is, because hdr is {treatment.hdr!r}; the scorer "
        f"{scorer.name!r} took the encoded values for a standard picture."
    )
