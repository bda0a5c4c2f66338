"""Interlaced pictures: their order is found, kept and marked, or one picture is made of two."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import pytest
from av.video.frame import VideoFrame

from framewright import score as score_module
from framewright.media.color import FrameToRgb
from framewright.media.fields import FieldMarker, deinterlaced, first_field
from framewright.media.probe import probe
from framewright.run import run
from framewright.scorers.identity import IdentityScorer
from framewright.settings import Settings
from framewright.types import Treatment
from tests.support import plan_job, psnr_db, register_watch, score_watched
from tests.torture.expect import observe
from tests.torture.fields import FLAGS, field_flags, interlaced, mixed
from tests.torture.tool import encode, x264, x265

Frames = list[npt.NDArray[np.float32]]

MPEG2 = ("-c:v", "mpeg2video", "-q:v", "4", "-g", "9", "-bf", "2", "-f", "mpegts")
MAKERS = {
    "h264_tff.mp4": (x264("tff=1", gop=10), "tff"),
    "h264_bff.mp4": (x264("bff=1", gop=10), "bff"),
    "mpeg2_tff.ts": (MPEG2, "tff"),
    "mpeg2_bff.ts": (MPEG2, "bff"),
    "prores_tff.mov": (("-c:v", "prores_ks", "-pix_fmt", "yuv422p10le"), "tff"),
    "prores_bff.mov": (("-c:v", "prores_ks", "-pix_fmt", "yuv422p10le"), "bff"),
    "ffv1_tff.mkv": (("-c:v", "ffv1", "-pix_fmt", "yuv420p"), "tff"),
    "ffv1_bff.mkv": (("-c:v", "ffv1", "-pix_fmt", "yuv420p"), "bff"),
    "uyvy_tff.mov": (("-c:v", "rawvideo", "-pix_fmt", "uyvy422"), "tff"),
    "v210_bff.mov": (("-c:v", "v210", "-pix_fmt", "yuv422p10le"), "bff"),
    "mpeg4_bff.avi": (("-c:v", "mpeg4", "-q:v", "4"), "bff"),
}
ORDER = {"tff": "top", "bff": "bottom"}
DEINTERLACE = Treatment(interlaced="deinterlace")


def clip(name: str, folder: Path) -> Path:
    codec, order = MAKERS[name]
    return interlaced(folder / name, codec, order, size=(128, 96))


def decoded(path: Path) -> list[VideoFrame]:
    with av.open(f"file:{path}") as container:
        return list(container.decode(video=0))


def luma(frame: VideoFrame) -> npt.NDArray[np.uint8]:
    plane = frame.planes[0]
    rows = np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)
    return rows[:, : plane.width].copy()


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> Iterator[Frames]:
    yield register_watch(monkeypatch)
    score_module._loaded_scorer.cache_clear()


class TestOrder:
    @pytest.mark.parametrize("name", MAKERS)
    def test_the_probe_sees_it_where_containers_mislead(self, name: str, clip_folder: Path) -> None:
        path = clip(name, clip_folder)
        assert probe(path, Settings()).field_order == ORDER[MAKERS[name][1]]

    @pytest.mark.parametrize("name", ["h264_tff.mp4", "h264_bff.mp4", "mpeg2_bff.ts"])
    def test_another_decoder_sees_it_in_the_output(
        self, name: str, clip_folder: Path, tmp_path: Path
    ) -> None:
        output = tmp_path / "kept.mp4"
        run(clip(name, clip_folder), str(output), IdentityScorer.identity, workers=1)
        assert field_flags(output) == ORDER[MAKERS[name][1]][0].upper() * 30

    def test_a_video_that_begins_progressive_is_found_out(self, clip_folder: Path) -> None:
        frames = decoded(mixed(clip_folder / "mixed.ts", clip_folder))
        assert [first_field(frame) for frame in frames[19:21]] == ["top", "progressive"]

    def test_marks_are_set_and_taken_away(self) -> None:
        frame = VideoFrame(64, 48, "yuv420p")
        top = FieldMarker("top")(frame)
        assert first_field(top) == "top"
        assert first_field(FieldMarker("bottom")(top)) == "bottom"
        assert first_field(FieldMarker("progressive")(top)) == "progressive"

    def test_hevc_codes_each_field_as_a_picture(self, clip_folder: Path, tmp_path: Path) -> None:
        path = clip_folder / "hevc_fields.mp4"
        encode(path, *x265("interlace=tff"), count=30)
        video = probe(path, Settings())
        assert (video.single_fields, video.field_order) == (True, "progressive")
        output = tmp_path / "fields.mp4"
        report = run(path, str(output), IdentityScorer.identity, treatment=DEINTERLACE, workers=1)
        assert field_flags(output) == "P" * 30
        assert any("each field coded as a picture of its own" in w for w in report.warnings)


class TestDeinterlaced:
    @pytest.mark.parametrize("name", MAKERS)
    def test_the_first_field_stays_and_the_other_is_made_anew(
        self, name: str, clip_folder: Path
    ) -> None:
        path = clip(name, clip_folder)
        frames = decoded(path)
        made = list(deinterlaced(frames))
        assert [frame.pts for frame in made] == [frame.pts for frame in frames]
        assert [frame.time_base for frame in made] == [frame.time_base for frame in frames]
        assert not any(frame.interlaced_frame for frame in made)
        first = 0 if MAKERS[name][1] == "tff" else 1
        to_rgb = FrameToRgb(probe(path, Settings()).color, interlaced=True)
        for frame, picture in zip(frames, made, strict=True):
            old, new = to_rgb(frame), to_rgb(picture)
            assert np.array_equal(old[:, first::2], new[:, first::2])
            assert not np.array_equal(old[:, 1 - first :: 2], new[:, 1 - first :: 2])

    @pytest.mark.parametrize("order", ["tff", "bff"])
    def test_a_picture_is_of_the_moment_of_its_first_field(
        self, order: str, clip_folder: Path
    ) -> None:
        """Against the pictures that were woven: nearer to the first field's than to the other's."""
        path = clip(f"ffv1_{order}.mkv", clip_folder)
        whole = clip_folder / "woven.mkv"
        encode(whole, "-c:v", "ffv1", "-pix_fmt", "yuv420p", count=60, rate="50")
        moments = [luma(frame) for frame in decoded(whole)]
        for number, picture in enumerate(deinterlaced(decoded(path))):
            at = [psnr_db(luma(picture)[24:], moments[2 * number + n][24:], 255) for n in (0, 1)]
            assert at[0] > at[1] + 3

    @pytest.mark.parametrize("number", [0, 1, 13, 28, 29])
    @pytest.mark.parametrize("name", ["h264_bff.mp4", "mpeg2_tff.ts"])
    def test_one_neighbour_either_side_is_enough(
        self, name: str, number: int, clip_folder: Path
    ) -> None:
        frames = decoded(clip(name, clip_folder))
        whole = list(deinterlaced(frames))
        start = max(0, number - 1)
        part = list(deinterlaced(frames[start : number + 2]))
        assert part[number - start].to_ndarray().tobytes() == whole[number].to_ndarray().tobytes()

    def test_a_single_frame(self, clip_folder: Path) -> None:
        (frame, *_) = decoded(clip("h264_tff.mp4", clip_folder))
        (made,) = deinterlaced([frame])
        assert np.array_equal(luma(frame)[::2], luma(made)[::2])
        assert not made.interlaced_frame

    def test_frames_not_flagged_are_left_alone(self, clip_folder: Path) -> None:
        frames = decoded(mixed(clip_folder / "mixed.ts", clip_folder))
        made = list(deinterlaced(frames))
        same = [np.array_equal(luma(a), luma(b)) for a, b in zip(frames, made, strict=True)]
        assert same == [False] * 20 + [True] * 20 + [False] * 20

    def test_a_change_of_pixel_format_is_survived(self, clip_folder: Path) -> None:
        one = decoded(clip("ffv1_tff.mkv", clip_folder))[:3]
        other = decoded(clip("prores_tff.mov", clip_folder))[:3]
        made = list(deinterlaced([*one, *other]))
        assert [frame.format.name for frame in made] == ["yuv420p"] * 3 + ["yuv422p10le"] * 3


class TestUnits:
    @pytest.mark.parametrize("frames_per_unit", [1, 7, 10])
    @pytest.mark.parametrize("name", ["h264_tff.mp4", "h264_bff.mp4", "mpeg2_bff.ts"])
    def test_the_model_sees_the_same_however_the_clip_is_cut(
        self, name: str, frames_per_unit: int, clip_folder: Path, tmp_path: Path, seen: Frames
    ) -> None:
        path = clip(name, clip_folder)
        whole = score_watched(path, tmp_path / "whole", 1000, DEINTERLACE)
        expected, seen[:] = seen[:], []
        cut = score_watched(path, tmp_path / "cut", frames_per_unit, DEINTERLACE, batch=3)
        assert len(whole.units) == 1
        assert len(cut.units) >= 30 // frames_per_unit
        assert len(seen) == 30
        for number, (one, other) in enumerate(zip(expected, seen, strict=True)):
            assert np.array_equal(one, other), number

    def test_mixed_material_however_it_is_cut(
        self, clip_folder: Path, tmp_path: Path, seen: Frames
    ) -> None:
        path = mixed(clip_folder / "mixed.ts", clip_folder)
        score_watched(path, tmp_path / "whole", 1000, DEINTERLACE)
        expected, seen[:] = seen[:], []
        score_watched(path, tmp_path / "cut", 3, DEINTERLACE)
        assert all(np.array_equal(a, b) for a, b in zip(expected, seen, strict=True))

    def test_a_progressive_source_is_not_changed(
        self, clip_folder: Path, tmp_path: Path, seen: Frames
    ) -> None:
        path = clip_folder / "progressive.mp4"
        encode(path, *x264(), count=30)
        score_watched(path, tmp_path / "kept", 10, Treatment())
        expected, seen[:] = seen[:], []
        manifest = score_watched(path, tmp_path / "made", 10, DEINTERLACE)
        assert all(np.array_equal(a, b) for a, b in zip(expected, seen, strict=True))
        assert any(w.startswith("deinterlace: the video begins") for w in manifest.video.warnings)


class TestOutput:
    def test_deinterlaced_is_marked_progressive_and_keeps_every_time_stamp(
        self, clip_folder: Path, tmp_path: Path
    ) -> None:
        path, output = clip("mpeg2_tff.ts", clip_folder), tmp_path / "made.mp4"
        report = run(
            path,
            str(output),
            IdentityScorer.identity,
            unit_seconds=0.4,
            treatment=DEINTERLACE,
            workers=1,
        )
        assert field_flags(output) == "P" * 30
        source, result = observe(path), observe(output)
        first = source.pts[0] or 0
        assert result.pts == [(tick or 0) - first + (result.pts[0] or 0) for tick in source.pts]
        assert any("deinterlaced with bwdif" in warning for warning in report.warnings)

    def test_the_manifest_describes_the_source(self, clip_folder: Path, tmp_path: Path) -> None:
        path = clip("h264_bff.mp4", clip_folder)
        for treatment, asked in ((Treatment(), True), (DEINTERLACE, False)):
            _, manifest = plan_job(path, tmp_path / str(asked), treatment=treatment)
            assert manifest.video.field_order == "bottom"
            assert ("bff=1" in manifest.encoder.options["x264-params"]) == asked

    def test_what_was_done_and_why_is_in_the_report(
        self, clip_folder: Path, tmp_path: Path
    ) -> None:
        _, manifest = plan_job(clip("h264_bff.mp4", clip_folder), tmp_path)
        (note,) = manifest.video.warnings
        assert note.startswith("interlaced, bottom field first: both fields are kept interleaved")
        assert "--interlaced deinterlace" in note

    def test_too_few_lines_for_two_fields_of_chroma(
        self, clip_folder: Path, tmp_path: Path
    ) -> None:
        path, output = clip_folder / "lines50.mkv", tmp_path / "kept.mp4"
        interlaced(path, ("-c:v", "ffv1", "-pix_fmt", "yuv420p"), "tff", frames=3, size=(96, 50))
        report = run(path, str(output), IdentityScorer.identity, workers=1)
        assert field_flags(output) == "PPP"
        assert any("50 lines do not make two fields" in warning for warning in report.warnings)

    def test_kept_fields_do_not_mix_their_chroma(self, clip_folder: Path, tmp_path: Path) -> None:
        """The top field is red, the bottom one blue; in 4:2:0 their chroma lines take turns."""
        path, output = clip_folder / "two_colours.mkv", tmp_path / "kept.mkv"
        red = "format=yuv420p,setfield=tff,geq=lum=100:cb=100:cr='if(mod(Y,2),90,160)'"
        encode(path, "-vf", red, "-c:v", "ffv1", "-pix_fmt", "yuv420p", *FLAGS, count=5)
        run(path, str(output), IdentityScorer.identity, workers=1)
        plane = decoded(output)[2].planes[2]
        chroma = np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)
        assert abs(chroma[0:48:2, :64].mean() - 160) < 2
        assert abs(chroma[1:48:2, :64].mean() - 90) < 2
