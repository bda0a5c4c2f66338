"""Frame to RGB and back, with the matrix and the range named both ways.

Chroma goes up by POINT and down by AREA with accurate rounding, which is exactly invertible:
luma keeps more than 95 dB through a round trip of 8-bit frames. The default path (no rounding,
tags ignored on the way back) loses 50 dB and more.
"""

from __future__ import annotations

from typing import cast

import numpy as np
from av.video.format import VideoFormat
from av.video.frame import VideoFrame
from av.video.plane import VideoPlane
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter
from numpy.typing import DTypeLike, NDArray

from framewright.media.fields import FieldMarker
from framewright.types import ColorSpec

__all__ = ["FrameToRgb", "Pixels", "RgbToFrame", "encodable_format"]

Pixels = NDArray[np.uint8] | NDArray[np.uint16]
"""Samples as decoded, full range: 8 bits, or 16 for deeper sources."""

_EXACT = Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT | Interpolation.FULL_CHR_H_INP
_UP = Interpolation.POINT | _EXACT
_DOWN = Interpolation.AREA | _EXACT
_COLORSPACE = {
    "ITU601": Colorspace.ITU601,
    "ITU709": Colorspace.ITU709,
    "BT2020": Colorspace.BT2020,
    "RGB": Colorspace.ITU709,
}
_PLANES_RGB = (2, 0, 1)
"""FFmpeg's planar formats store G, B, R."""
_LEAST_LINES = 4
"""A field of 4:2:0 needs two lines for its line of chroma."""
_WHITE = 0xFFFF
_SWSCALE_WHITE = 0xFF00
"""Beside YUV, swscale takes 255 * 256 for white in 16-bit RGB, not 65535."""


def _range(color: ColorSpec) -> ColorRange:
    return ColorRange.JPEG if color.full_range else ColorRange.MPEG


class FrameToRgb:
    """Converts decoded frames to RGB arrays. Not shared between threads.

    Args:
        color: how the samples are to be read.
        interlaced: whether lines of vertically subsampled chroma belong to the two fields in turn,
            not to pairs of lines. Then each field is converted for itself.
    """

    def __init__(self, color: ColorSpec, *, interlaced: bool = False) -> None:
        self._interlaced = interlaced
        # swscale, too, converts frames that are marked as interlaced by fields, but not exactly.
        self._unmark = FieldMarker("progressive")
        self._colorspace = _COLORSPACE[color.matrix_used]
        self._range = ColorRange.JPEG if color.matrix_used == "RGB" else _range(color)
        self._reformatter = VideoReformatter()

    def __call__(self, frame: VideoFrame) -> Pixels:
        """Return an array of shape (3, H, W), full range: uint8, or uint16 above 8 bits."""
        if frame.interlaced_frame:
            frame = self._unmark(frame)
        if self._interlaced and _shares_chroma_lines(frame):
            return _woven([self._converted(field) for field in _fields(frame)])
        return self._converted(frame)

    def _converted(self, frame: VideoFrame) -> Pixels:
        bits = max(component.bits for component in frame.format.components)
        deep = bits > 8
        if frame.format.name.startswith("gray"):
            frame = _with_chroma(frame, bits)
        rgb = self._reformatter.reformat(
            frame,
            format="gbrp16le" if deep else "gbrp",
            src_colorspace=self._colorspace,
            src_color_range=self._range,
            dst_color_range=ColorRange.JPEG,
            interpolation=_UP,
            threads=1,
        )
        dtype = np.uint16 if deep else np.uint8
        pixels = cast(Pixels, np.stack([_plane(rgb, index, dtype) for index in _PLANES_RGB]))
        return _rescaled(pixels, self._white(bits), _WHITE) if deep else pixels

    def _white(self, bits: int) -> int:
        """What swscale makes of white: its own for limited range, else the sample shifted up."""
        if self._range == ColorRange.MPEG:
            return _SWSCALE_WHITE
        return _WHITE >> max(0, 16 - bits) << max(0, 16 - bits)


class RgbToFrame:
    """Converts RGB arrays to frames of the output's pixel format. Not shared between threads."""

    def __init__(self, color: ColorSpec, pixel_format: str, *, interlaced: bool = False) -> None:
        self._by_fields = interlaced and "420" in pixel_format
        self._colorspace = _COLORSPACE[color.matrix_used]
        self._range = _range(color)
        self._format = pixel_format
        self._reformatter = VideoReformatter()

    def __call__(self, rgb: Pixels) -> VideoFrame:
        """Return a frame from an array of shape (3, H, W), full range, uint8 or uint16."""
        if not self._by_fields or rgb.shape[1] < _LEAST_LINES:
            return self._converted(rgb)
        return _woven_frame([self._converted(rgb[:, first::2]) for first in (0, 1)])

    def _converted(self, rgb: Pixels) -> VideoFrame:
        _, height, width = rgb.shape
        if rgb.dtype == np.uint16:
            rgb = _rescaled(rgb, _WHITE, _SWSCALE_WHITE)
        frame = VideoFrame(width, height, "gbrp16le" if rgb.dtype == np.uint16 else "gbrp")
        for channel, index in zip(rgb, _PLANES_RGB, strict=True):
            _plane(frame, index, rgb.dtype)[:] = channel
        return self._reformatter.reformat(
            frame,
            format=self._format,
            dst_colorspace=self._colorspace,
            src_color_range=ColorRange.JPEG,
            dst_color_range=self._range,
            interpolation=_DOWN,
            threads=1,
        )


def _shares_chroma_lines(frame: VideoFrame) -> bool:
    """Whether two lines have one line of chroma, and there are enough lines for two fields."""
    components = frame.format.components
    halved = len(components) >= 3 and components[1].height == (frame.height + 1) // 2
    return halved and frame.height >= _LEAST_LINES


def _fields(frame: VideoFrame) -> list[VideoFrame]:
    """Take a frame apart: its even lines, then its odd ones."""
    fields = []
    for first in (0, 1):
        field = VideoFrame(frame.width, (frame.height + 1 - first) // 2, frame.format.name)
        for source, target in zip(frame.planes, field.planes, strict=True):
            lines = _lines(source)[first::2]
            row = min(lines.shape[1], target.line_size)
            _lines(target)[: len(lines), :row] = lines[:, :row]
        fields.append(field)
    return fields


def _woven(fields: list[Pixels]) -> Pixels:
    """Put the lines of two fields, each of shape (3, h, W), in turn."""
    top, bottom = fields
    lines = top.shape[1] + bottom.shape[1]
    whole = np.empty((3, lines, top.shape[2]), top.dtype)
    whole[:, 0::2], whole[:, 1::2] = top, bottom
    return cast(Pixels, whole)


def _woven_frame(fields: list[VideoFrame]) -> VideoFrame:
    """Put the lines of two fields of equal size in turn, in every plane."""
    top = fields[0]
    frame = VideoFrame(top.width, sum(field.height for field in fields), top.format.name)
    for first, field in enumerate(fields):
        for source, target in zip(field.planes, frame.planes, strict=True):
            row = min(source.line_size, target.line_size)
            _lines(target)[first::2, :row] = _lines(source)[:, :row]
    return frame


def _lines(plane: VideoPlane) -> NDArray[np.uint8]:
    """Return a view of a plane's bytes, shape (lines, bytes of a line with its padding)."""
    whole = np.frombuffer(plane, np.uint8)  # type: ignore[call-overload]
    lines: NDArray[np.uint8] = whole[: plane.line_size * plane.height]
    return lines.reshape(plane.height, plane.line_size)


def _with_chroma(frame: VideoFrame, bits: int) -> VideoFrame:
    """Return a grey frame as YUV: swscale reads grey as full range, whatever it is told."""
    dtype = np.uint16 if bits > 8 else np.uint8
    name = frame.format.name.replace("gray", "yuv444p")
    with_chroma = VideoFrame(frame.width, frame.height, name)
    _plane(with_chroma, 0, dtype)[:] = _plane(frame, 0, dtype)
    for index in (1, 2):
        _plane(with_chroma, index, dtype)[:] = 1 << (bits - 1)
    return with_chroma


def _rescaled(pixels: Pixels, old: int, new: int) -> Pixels:
    """Scale 16-bit samples so that ``old`` becomes ``new``."""
    if old == new:
        return pixels
    scaled = pixels.astype(np.float32) * np.float32(new / old)
    return cast(Pixels, np.rint(scaled, out=scaled).clip(0, _WHITE).astype(np.uint16))


def _plane(frame: VideoFrame, index: int, dtype: DTypeLike) -> Pixels:
    """Return a view of one plane's pixels, shape (H, W)."""
    plane = frame.planes[index]
    samples = np.frombuffer(plane, dtype=dtype)  # type: ignore[call-overload]
    row = plane.line_size // samples.itemsize
    lines = samples[: row * plane.height].reshape(plane.height, row)
    return cast(Pixels, lines[:, : plane.width])


_SAMPLINGS = {
    (2, 2): "420",
    (2, 1): "422",
    (1, 1): "444",
    (4, 1): "422",
    (1, 2): "444",
}
"""What holds every chroma sample, by the pixels across and down that share one."""


def encodable_format(source: str, width: int, height: int, codec: str) -> str:
    """Return the pixel format in which an encoder keeps most of a source's samples.

    Args:
        source: the source's pixel format.
        width: output width in pixels.
        height: output height in pixels.
        codec: ``libx264`` or ``libvpx-vp9``.
    """
    format_ = VideoFormat(source, width, height)
    deep = max(component.bits for component in format_.components) > 8
    planar_yuv = format_.name.startswith(("yuv", "nv", "p0", "uyvy", "yuyv", "gray"))
    sampling = "444"
    if planar_yuv and len(format_.components) >= 3:
        chroma = format_.components[1]
        across = round(width / chroma.width)
        down = round(height / chroma.height)
        sampling = _SAMPLINGS.get((across, down), "420")
    elif planar_yuv:
        sampling = "420"
    if codec == "libx264" and (
        (sampling == "420" and (width % 2 or height % 2)) or (sampling == "422" and width % 2)
    ):
        sampling = "444"  # H.264 cannot crop its chroma to an odd number of samples
    return f"yuv{sampling}p10le" if deep else f"yuv{sampling}p"
