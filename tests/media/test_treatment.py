"""What becomes of interlaced and HDR pictures: one place decides, and the report says it."""

from __future__ import annotations

from pathlib import Path

import pytest

from framewright.errors import SourceRefused
from framewright.media.treatment import (
    check_treatment,
    deinterlaces,
    is_hdr,
    settled,
    stability,
    tone_maps,
    treated,
    treatment_notes,
)
from framewright.plan import split
from framewright.run import run
from framewright.scorers.identity import IdentityScorer
from framewright.storage import LocalStore
from framewright.types import HdrMetadata, ScorerIdentity, Treatment, VideoInfo
from tests.support import plan_job
from tests.test_types import VIDEO
from tests.torture.expect import Color, observe
from tests.torture.make import make
from tests.torture.tool import encode, x264

BLIND = ScorerIdentity(name="blind", version="1")
HDR_READY = ScorerIdentity(name="ready", version="1", takes_hdr=True)
DEINTERLACE, TONE_MAP = Treatment(interlaced="deinterlace"), Treatment(hdr="tone-map")
METADATA = HdrMetadata(content_light="1000,400")


def hdr(transfer: int = 16) -> VideoInfo:
    color = VIDEO.color.model_copy(update={"transfer": transfer, "primaries": 9, "matrix": 9})
    return VIDEO.model_copy(update={"color": color, "hdr": METADATA})


def interlaced(**changes: object) -> VideoInfo:
    return VIDEO.model_copy(update={"field_order": "top", **changes})


class TestHdr:
    @pytest.mark.parametrize(
        ("transfer", "name"), [(16, "PQ (SMPTE ST 2084)"), (18, "HLG (ARIB STD-B67)")]
    )
    def test_refused_with_the_choices(self, transfer: int, name: str) -> None:
        with pytest.raises(SourceRefused) as caught:
            check_treatment(hdr(transfer), Treatment(), BLIND)
        assert caught.value.reason == "unsupported"
        for words in (name, "'blind'", "--hdr tone-map", "--hdr pass", "parameter hdr"):
            assert words in caught.value.message

    @pytest.mark.parametrize(
        ("video", "treatment", "scorer"),
        [
            (hdr(), Treatment(), HDR_READY),
            (hdr(), TONE_MAP, BLIND),
            (hdr(), Treatment(hdr="pass"), BLIND),
            (VIDEO, Treatment(), BLIND),
        ],
    )
    def test_not_refused(
        self, video: VideoInfo, treatment: Treatment, scorer: ScorerIdentity
    ) -> None:
        check_treatment(video, treatment, scorer)

    def test_refused_before_anything_is_written(self, clip_folder: Path, tmp_path: Path) -> None:
        path = make("hdr10", clip_folder).path
        with pytest.raises(SourceRefused, match="PQ"):
            split(
                path, scorer=BLIND, scratch=tmp_path / "split", store=LocalStore(tmp_path / "work")
            )
        assert [item for item in tmp_path.rglob("*") if item.is_file()] == []

    @pytest.mark.parametrize(
        ("treatment", "scorer", "begins"),
        [
            (Treatment(), HDR_READY, None),
            (TONE_MAP, BLIND, "HDR, transfer PQ (SMPTE ST 2084): tone-mapped from 1000 to 100"),
            (TONE_MAP, HDR_READY, "HDR, transfer PQ (SMPTE ST 2084): tone-mapped"),
            (Treatment(hdr="pass"), BLIND, "HDR, transfer PQ (SMPTE ST 2084): passed on as it is"),
        ],
    )
    def test_what_was_done_is_said(
        self, treatment: Treatment, scorer: ScorerIdentity, begins: str | None
    ) -> None:
        notes = treatment_notes(hdr(), treatment, scorer)
        assert [note.startswith(begins or "?") for note in notes] == [True] * bool(begins)

    def test_the_output_of_tone_mapping_is_bt709(self) -> None:
        assert tone_maps(hdr(), TONE_MAP)
        output = treated(hdr(), TONE_MAP)
        color = output.color
        assert (color.primaries, color.transfer, color.matrix, color.range_tag) == (1, 1, 1, 1)
        assert (color.matrix_used, color.full_range, output.hdr) == ("ITU709", False, None)
        assert output.pixel_format == VIDEO.pixel_format

    def test_standard_pictures_are_never_mapped(self) -> None:
        assert not is_hdr(VIDEO.color)
        assert treated(VIDEO, TONE_MAP) == VIDEO
        assert treatment_notes(VIDEO, TONE_MAP, BLIND) == ()

    def test_passed_on_hdr_stays_hdr(self) -> None:
        assert treated(hdr(), Treatment(hdr="pass")) == hdr()

    def test_a_finished_file_of_each_kind(self, clip_folder: Path, tmp_path: Path) -> None:
        path = make("hdr10", clip_folder).path
        for treatment, tags in (
            (TONE_MAP, Color(1, 1, 1, 1)),
            (Treatment(), Color(1, 9, 16, 9)),
        ):
            output = tmp_path / f"{treatment.hdr}.mp4"
            run(path, str(output), IdentityScorer.identity, treatment=treatment, workers=1)
            source, seen = observe(path), observe(output)
            assert seen.pix_fmt == source.pix_fmt == "yuv420p10le"
            assert seen.color == tags
            kept = treatment.hdr == "refuse"
            assert (seen.mastering == source.mastering) == kept
            assert (seen.light_level == source.light_level) == kept
            assert seen.pts == source.pts

    def test_hlg_of_8_bits(self, clip_folder: Path, tmp_path: Path) -> None:
        path, output = clip_folder / "hlg8.mp4", tmp_path / "sdr.mp4"
        tags = "colorprim=bt2020:transfer=arib-std-b67:colormatrix=bt2020nc"
        encode(path, *x264(tags), count=5)
        report = run(path, str(output), IdentityScorer.identity, treatment=TONE_MAP, workers=1)
        assert observe(output).pix_fmt == "yuv420p"
        assert any("transfer HLG (ARIB STD-B67): tone-mapped" in w for w in report.warnings)


class TestInterlaced:
    def test_deinterlaced_pictures_are_progressive(self) -> None:
        assert treated(interlaced(), DEINTERLACE).field_order == "progressive"
        assert treated(interlaced(), Treatment()).field_order == "top"

    @pytest.mark.parametrize(
        ("changes", "possible"),
        [({}, True), ({"width": 2}, False), ({"height": 2}, False), ({"single_fields": 1}, False)],
    )
    def test_when_it_is_possible(self, changes: dict[str, object], possible: bool) -> None:
        assert deinterlaces(interlaced(**changes), DEINTERLACE) == possible
        assert not deinterlaces(interlaced(**changes), Treatment())

    @pytest.mark.parametrize(
        ("video", "treatment", "words"),
        [
            (interlaced(), Treatment(), "both fields are kept interleaved in each frame"),
            (interlaced(), DEINTERLACE, "deinterlaced with bwdif, one picture for each frame"),
            (interlaced(height=2, width=2), DEINTERLACE, "frames this small cannot"),
            (interlaced(height=50), Treatment(), "50 lines do not make two fields"),
            (VIDEO, DEINTERLACE, "begins with progressive frames"),
            (interlaced(single_fields=True), Treatment(), "each field coded as a picture of its"),
            (interlaced(single_fields=True), DEINTERLACE, "deinterlace does not change that"),
        ],
    )
    def test_what_was_done_and_why_is_said(
        self, video: VideoInfo, treatment: Treatment, words: str
    ) -> None:
        (note,) = treatment_notes(video, treatment, BLIND)
        assert words in note

    def test_nothing_to_say_of_progressive_video(self) -> None:
        assert treatment_notes(VIDEO, Treatment(), BLIND) == ()

    def test_an_odd_number_of_lines_of_4_2_2_makes_no_two_fields(self) -> None:
        assert treated(interlaced(pixel_format="yuv422p", height=49), Treatment()).field_order == (
            "progressive"
        )
        ntsc = interlaced(pixel_format="yuv422p10le", width=720, height=486)
        assert treated(ntsc, Treatment()).field_order == "top"


def test_notes_come_with_the_manifest(clip_folder: Path, tmp_path: Path) -> None:
    path = make("interlaced_mpeg2", clip_folder).path
    _, manifest = plan_job(path, tmp_path)
    assert manifest.video.warnings[0].startswith("interlaced, top field first: both fields")


class TestStability:
    def test_follows_the_scorer_unless_told(self) -> None:
        calm = BLIND.model_copy(update={"flickers": False})
        assert settled(Treatment(), calm).stability == 0
        assert settled(Treatment(), BLIND).stability == 0.95
        for scorer in (calm, BLIND):
            assert settled(Treatment(stability=0.4), scorer).stability == 0.4

    def test_leaves_woven_fields_alone_and_says_so(self) -> None:
        asked = Treatment(stability=0.4)
        whole = asked.model_copy(update={"interlaced": "deinterlace"})
        assert stability(VIDEO, asked) == stability(interlaced(), whole) == 0.4
        assert stability(interlaced(), asked) == stability(interlaced(height=50), asked) == 0
        assert stability(VIDEO.model_copy(update={"single_fields": True}), asked) == 0
        assert any("not stabilised" in note for note in treatment_notes(interlaced(), asked, BLIND))
        (note,) = treatment_notes(VIDEO, asked, BLIND)
        assert note.startswith("stabilised, stability 0.4")

    @pytest.mark.parametrize("value", [-0.1, 1.1, float("nan")])
    def test_out_of_range_is_refused(self, value: float) -> None:
        with pytest.raises(ValueError, match="stability"):
            Treatment(stability=value)
