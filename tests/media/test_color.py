"""Frame to RGB and back: the right matrix, the right range, nothing lost."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pytest
from av.video.frame import VideoFrame

from framewright.media.color import FrameToRgb, RgbToFrame, encodable_format
from framewright.media.fields import FieldMarker
from framewright.types import ColorSpec
from tests.support import psnr_db

Floats = npt.NDArray[np.float64]

KR_KB = {"ITU601": (0.299, 0.114), "ITU709": (0.2126, 0.0722), "BT2020": (0.2627, 0.0593)}
CODES = {"ITU601": 6, "ITU709": 1, "BT2020": 9, "RGB": 0}
FIELD_SIZES = [(64, 48), (65, 49), (33, 47), (2, 4), (64, 4)]
SIZES = [(64, 48), (65, 49), (33, 17), (2, 2), (1, 1), (130, 4)]


@dataclass(frozen=True)
class Layout:
    """Planes of a pixel format."""

    across: int
    down: int
    bits: int

    @property
    def name(self) -> str:
        sampling = {(2, 2): "420", (2, 1): "422", (1, 1): "444"}[self.across, self.down]
        return f"yuv{sampling}p" + (f"{self.bits}le" if self.bits > 8 else "")


LAYOUTS = [Layout(a, d, b) for a, d in ((2, 2), (2, 1), (1, 1)) for b in (8, 10)]
DEEPER = [Layout(2, 2, 12), Layout(1, 1, 12)]


def spec(matrix: str, full: bool) -> ColorSpec:
    code = CODES[matrix]
    return ColorSpec(
        primaries=code or 1,
        transfer=1,
        matrix=code,
        matrix_used=matrix,  # type: ignore[arg-type]
        full_range=full,
        range_tag=2 if full else 1,
    )


def noise(layout: Layout, width: int, height: int, full: bool) -> list[npt.NDArray[np.uint16]]:
    """Random planes whose every colour lies inside RGB, whatever luma meets whatever chroma."""
    dice = np.random.default_rng(width * 1000 + height)
    step = 1 << (layout.bits - 8)
    low, high = (64, 190) if full else (68, 180)
    chroma = (-(-height // layout.down), -(-width // layout.across))
    return [
        dice.integers(low * step, high * step, (height, width), np.uint16),
        dice.integers(106 * step, 150 * step, chroma, np.uint16),
        dice.integers(106 * step, 150 * step, chroma, np.uint16),
    ]


def to_frame(planes: list[npt.NDArray[np.uint16]], layout: Layout) -> VideoFrame:
    height, width = planes[0].shape
    frame = VideoFrame(width, height, layout.name)
    for plane, values in zip(frame.planes, planes, strict=True):
        rows = np.frombuffer(plane, np.uint16 if layout.bits > 8 else np.uint8)
        line = plane.line_size // rows.itemsize
        rows = rows[: line * plane.height].reshape(plane.height, line)
        rows[:, : plane.width] = values
    return frame


def plane_of(frame: VideoFrame, index: int, bits: int) -> npt.NDArray[np.uint16]:
    plane = frame.planes[index]
    rows = np.frombuffer(plane, np.uint16 if bits > 8 else np.uint8)
    line = plane.line_size // rows.itemsize
    return (
        rows[: line * plane.height].reshape(plane.height, line)[:, : plane.width].astype(np.uint16)
    )


def textbook(planes: list[npt.NDArray[np.uint16]], layout: Layout, color: ColorSpec) -> Floats:
    """R, G, B in [0, 1] by the definition of the matrix, chroma samples repeated."""
    step = float(1 << (layout.bits - 8))
    height, width = planes[0].shape
    y, u, v = (plane.astype(np.float64) for plane in planes)
    u, v = (c.repeat(layout.across, 1).repeat(layout.down, 0)[:height, :width] for c in (u, v))
    top = (1 << layout.bits) - 1
    if color.full_range:
        y, u, v = y / top, (u - 128 * step) / top, (v - 128 * step) / top
    else:
        y = (y - 16 * step) / (219 * step)
        u, v = ((c - 128 * step) / (224 * step) for c in (u, v))
    kr, kb = KR_KB[color.matrix_used]
    r, b = y + 2 * (1 - kr) * v, y + 2 * (1 - kb) * u
    return np.stack([r, (y - kr * r - kb * b) / (1 - kr - kb), b])


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("full", [False, True], ids=["limited", "full"])
@pytest.mark.parametrize("matrix", KR_KB)
@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.name)
def test_luma_survives_the_round_trip(
    layout: Layout, matrix: str, full: bool, size: tuple[int, int]
) -> None:
    color = spec(matrix, full)
    planes = noise(layout, *size, full)
    rgb = FrameToRgb(color)(to_frame(planes, layout))
    back = RgbToFrame(color, layout.name)(rgb)
    assert (back.width, back.height, back.format.name) == (*size, layout.name)
    luma = plane_of(back, 0, layout.bits)
    assert psnr_db(planes[0], luma, (1 << layout.bits) - 1) >= 95


@pytest.mark.parametrize("full", [False, True], ids=["limited", "full"])
@pytest.mark.parametrize("matrix", KR_KB)
@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.name)
def test_chroma_survives_nearly(layout: Layout, matrix: str, full: bool) -> None:
    color = spec(matrix, full)
    planes = noise(layout, 64, 48, full)
    back = RgbToFrame(color, layout.name)(FrameToRgb(color)(to_frame(planes, layout)))
    for index in (1, 2):
        found = plane_of(back, index, layout.bits)
        assert psnr_db(planes[index], found, (1 << layout.bits) - 1) >= 50


@pytest.mark.parametrize("full", [False, True], ids=["limited", "full"])
@pytest.mark.parametrize("matrix", KR_KB)
@pytest.mark.parametrize("layout", LAYOUTS + DEEPER, ids=lambda layout: layout.name)
def test_rgb_is_what_the_textbook_says(layout: Layout, matrix: str, full: bool) -> None:
    color = spec(matrix, full)
    planes = noise(layout, 66, 50, full)
    rgb = FrameToRgb(color)(to_frame(planes, layout))
    top = 65535 if layout.bits > 8 else 255
    assert rgb.dtype == (np.uint16 if layout.bits > 8 else np.uint8)
    error = np.abs(rgb / top - textbook(planes, layout, color)) * 255
    assert error.max() <= (0.5 if layout.bits > 8 else 1.0)
    assert error.mean() <= (0.2 if layout.bits > 8 else 0.35)


@pytest.mark.parametrize("full", [False, True], ids=["limited", "full"])
@pytest.mark.parametrize("bits", [8, 10])
def test_black_white_and_grey_are_exact(bits: int, full: bool) -> None:
    layout = Layout(2, 2, bits)
    step = 1 << (bits - 8)
    color = spec("ITU709", full)
    black, white = (0, (1 << bits) - 1) if full else (16 * step, 235 * step)
    luma = np.full((8, 16), black, np.uint16)
    luma[:, 8:] = white
    grey = np.full((4, 8), 128 * step, np.uint16)
    rgb = FrameToRgb(color)(to_frame([luma, grey, grey], layout))
    top = 65535 if bits > 8 else 255
    assert rgb[:, :, :8].max() <= top * 0.001
    assert rgb[:, :, 8:].min() >= top * 0.999
    back = RgbToFrame(color, layout.name)(rgb)
    assert np.array_equal(plane_of(back, 0, bits), luma)


def test_the_wrong_matrix_would_be_noticed() -> None:
    layout = Layout(1, 1, 8)
    planes = noise(layout, 64, 48, False)
    frame = to_frame(planes, layout)
    right, wrong = (FrameToRgb(spec(m, False))(frame) for m in ("ITU709", "ITU601"))
    assert np.abs(right.astype(int) - wrong).max() > 3
    back = RgbToFrame(spec("ITU709", False), "yuv444p")(wrong)
    assert psnr_db(planes[0], plane_of(back, 0, 8), 255) < 60


def test_rgb_sources_pass_unchanged() -> None:
    dice = np.random.default_rng(3)
    pixels = dice.integers(0, 256, (20, 30, 3), np.uint8)
    rgb = FrameToRgb(spec("RGB", True))(VideoFrame.from_ndarray(pixels, "rgb24"))
    assert np.array_equal(rgb, pixels.transpose(2, 0, 1))


@pytest.mark.parametrize("name", ["gbrp10le", "gbrp12le", "gbrp16le"])
def test_deep_rgb_sources_reach_white(name: str) -> None:
    frame = VideoFrame(32, 16, name)
    bits = frame.format.components[0].bits
    for plane in frame.planes:
        np.frombuffer(plane, np.uint16)[:] = (1 << bits) - 1
    rgb = FrameToRgb(spec("RGB", True))(frame)
    assert rgb.min() >= 65534
    back = RgbToFrame(spec("ITU709", False), "yuv444p10le")(rgb)
    assert set(plane_of(back, 0, 10).ravel()) == {940}


@pytest.mark.parametrize("full", [False, True], ids=["limited", "full"])
@pytest.mark.parametrize("bits", [8, 10])
def test_frames_without_chroma_keep_their_luma(bits: int, full: bool) -> None:
    step = 1 << (bits - 8)
    luma = np.linspace(16 * step, 235 * step, 16 * 51).astype(np.uint16).reshape(16, 51)
    frame = VideoFrame(51, 16, "gray10le" if bits > 8 else "gray")
    rows = np.frombuffer(frame.planes[0], np.uint16 if bits > 8 else np.uint8)
    rows.reshape(16, -1)[:, :51] = luma
    color = spec("ITU709", full)
    rgb = FrameToRgb(color)(frame)
    assert np.ptp(rgb.astype(int), axis=0).max() <= (260 if bits > 8 else 1)
    back = RgbToFrame(color, "yuv420p10le" if bits > 8 else "yuv420p")(rgb)
    assert np.array_equal(plane_of(back, 0, bits), luma)


@pytest.mark.parametrize(
    ("source", "size", "codec", "wanted"),
    [
        ("yuv420p", (64, 48), "libx264", "yuv420p"),
        ("yuvj420p", (64, 48), "libx264", "yuv420p"),
        ("yuv420p", (65, 48), "libx264", "yuv444p"),
        ("yuv420p", (64, 49), "libx264", "yuv444p"),
        ("yuv420p", (65, 49), "libvpx-vp9", "yuv420p"),
        ("yuv422p10le", (64, 48), "libx264", "yuv422p10le"),
        ("yuv422p", (64, 49), "libx264", "yuv422p"),
        ("yuv422p", (65, 48), "libx264", "yuv444p"),
        ("yuv444p12le", (65, 49), "libx264", "yuv444p10le"),
        ("yuv410p", (64, 48), "libx264", "yuv420p"),
        ("yuv411p", (64, 48), "libx264", "yuv422p"),
        ("yuv440p", (64, 48), "libx264", "yuv444p"),
        ("yuva444p10le", (64, 48), "libx264", "yuv444p10le"),
        ("nv12", (64, 48), "libx264", "yuv420p"),
        ("p010le", (64, 48), "libx264", "yuv420p10le"),
        ("gray", (64, 48), "libx264", "yuv420p"),
        ("gbrp", (64, 48), "libx264", "yuv444p"),
        ("rgb24", (64, 48), "libx264", "yuv444p"),
        ("pal8", (64, 48), "libx264", "yuv444p"),
        ("bgra", (64, 48), "libx264", "yuv444p"),
    ],
)
def test_the_output_keeps_most_of_the_samples(
    source: str, size: tuple[int, int], codec: str, wanted: str
) -> None:
    assert encodable_format(source, *size, codec) == wanted


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.name)
@pytest.mark.parametrize("size", FIELD_SIZES)
def test_fields_survive_and_do_not_share_chroma(size: tuple[int, int], layout: Layout) -> None:
    width, height = size
    color = spec("ITU709", False)
    planes = noise(layout, width, height, False)
    frame = FieldMarker("top")(to_frame(planes, layout))
    rgb = FrameToRgb(color, interlaced=True)(frame)
    for first in (0, 1):  # what a field says for itself is in its lines, and nothing else
        field = to_frame([plane[first::2] for plane in planes], layout)
        assert np.array_equal(rgb[:, first::2], FrameToRgb(color)(field))
    if height % 4 == 0:
        back = RgbToFrame(color, layout.name, interlaced=True)(rgb)
        for index, plane in enumerate(planes):
            error = psnr_db(plane, plane_of(back, index, layout.bits), (1 << layout.bits) - 1)
            assert error > 95


def test_a_mark_alone_changes_nothing() -> None:
    layout, color = LAYOUTS[0], spec("ITU709", False)
    frame = to_frame(noise(layout, 64, 48, False), layout)
    marked = FieldMarker("bottom")(frame)
    assert np.array_equal(FrameToRgb(color)(frame), FrameToRgb(color)(marked))
