"""HDR to SDR, for models and screens that know standard pictures only.

The steps, all on light and none between frames: transfer function to light in cd/m2 (SMPTE ST 2084
or ITU-R BT.2100 HLG for a display of 1000 cd/m2); primaries to BT.709 (ITU-R BT.2087), with colours
beyond it moved towards the grey of their own luminance as far as is needed; the tone curve of
Report ITU-R BT.2390, section 5.4.1 (EETF), to a display of 100 cd/m2, on the largest of R, G and B
and in proportion on the others, which keeps hue and stays in range (Burke, Smith and Zink, SMPTE
Motion Imaging Journal 129(4), 2020); the inverse of BT.1886.

Every function is a table of float64 origin and the square root picks the entry, so that a pixel
comes out the same whatever frame, batch or unit it is in, and on every processor.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from framewright.media.treatment import peak_cd_m2
from framewright.types import VideoInfo

__all__ = ["ToneMap", "bt1886_signal", "eetf_cd_m2", "hlg_scene_light", "pq_cd_m2", "pq_signal"]

Floats = NDArray[np.float64]

_HLG = 18
_SDR_CD_M2 = 100.0
_PQ_CD_M2 = 10_000.0
_M1, _M2 = 2610 / 16384, 2523 / 4096 * 128
_C1, _C2, _C3 = 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32
_HLG_A = 0.17883277
_HLG_B, _HLG_C = 1 - 4 * _HLG_A, 0.5 - _HLG_A * np.log(4 * _HLG_A)
_HLG_CD_M2, _HLG_GAMMA = 1000.0, 1.2
_TOP = 65_535
_DARKEST = 1e-12
"""Instead of nothing, where it is divided by."""
_STRIP_PIXELS = 1 << 15
"""So many at once stay in a core's cache."""
_CHROMATICITIES = {
    1: ((0.640, 0.330), (0.300, 0.600), (0.150, 0.060)),
    9: ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046)),
    11: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060)),
    12: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060)),
}
"""x and y of red, green and blue, by code point in ITU-T H.273; the white is D65 for all."""
_BT709, _BT2020 = 1, 9
_D65 = (0.3127, 0.3290)


def pq_cd_m2(signal: Floats) -> Floats:
    """SMPTE ST 2084 EOTF: signal in [0, 1] to luminance in cd/m2, up to 10000."""
    root = signal ** (1 / _M2)
    return _PQ_CD_M2 * (np.maximum(root - _C1, 0) / (_C2 - _C3 * root)) ** (1 / _M1)


def pq_signal(light: Floats) -> Floats:
    """SMPTE ST 2084, inverse EOTF: luminance in cd/m2 to signal in [0, 1]."""
    power = (light / _PQ_CD_M2) ** _M1
    return ((_C1 + _C2 * power) / (1 + _C3 * power)) ** _M2


def hlg_scene_light(signal: Floats) -> Floats:
    """ITU-R BT.2100 HLG, inverse OETF: signal in [0, 1] to scene light in [0, 1]."""
    high = (np.exp((signal - _HLG_C) / _HLG_A) + _HLG_B) / 12
    return np.where(signal <= 0.5, signal**2 / 3, high)


def eetf_cd_m2(light: Floats, peak_cd_m2: float) -> Floats:
    """Tone curve of ITU-R BT.2390, from a peak of at least 100 to 100 cd/m2; blacks stay black."""
    top = pq_signal(np.array(peak_cd_m2))
    signal = np.minimum(pq_signal(light) / top, 1)
    target = float(pq_signal(np.array(_SDR_CD_M2)) / top)
    knee = 1.5 * target - 0.5
    if knee >= 1:
        return np.minimum(light, peak_cd_m2)
    t = np.maximum(signal - knee, 0) / (1 - knee)
    curve = (
        (2 * t**3 - 3 * t**2 + 1) * knee
        + (t**3 - 2 * t**2 + t) * (1 - knee)
        + (-2 * t**3 + 3 * t**2) * target
    )
    return pq_cd_m2(np.where(signal < knee, signal, curve) * top)


def bt1886_signal(light: Floats) -> Floats:
    """ITU-R BT.1886 for a black of zero, inverse EOTF: light in [0, 1] to signal in [0, 1]."""
    return light ** (1 / 2.4)


class ToneMap:
    """Converts RGB pictures of a PQ or HLG video to BT.709.

    Args:
        video: its transfer, primaries and HDR metadata.
        device: where the pictures are.
    """

    def __init__(self, video: VideoInfo, device: torch.device) -> None:
        self._device = device
        self._hlg = video.color.transfer == _HLG
        self._peak = peak_cd_m2(video)
        primaries = video.color.primaries
        primaries = primaries if primaries in _CHROMATICITIES else _BT2020
        source, target = _to_xyz(primaries), _to_xyz(_BT709)
        self._matrix: list[list[float]] = (np.linalg.inv(target) @ source).tolist()
        self._source_luminance: list[float] = source[1].tolist()
        self._luminance: list[float] = target[1].tolist()
        steps = np.linspace(0, 1, _TOP + 1)
        to_light = hlg_scene_light if self._hlg else pq_cd_m2
        self._light = self._table(to_light(steps))
        # The tables below are entered with the square root of light.
        self._ootf = self._table(_HLG_CD_M2 * steps ** (2 * (_HLG_GAMMA - 1)))
        self._tone = self._table(eetf_cd_m2(steps**2 * self._peak, self._peak) / _SDR_CD_M2)
        self._signal = self._table(bt1886_signal(steps**2))

    def _table(self, values: Floats) -> torch.Tensor:
        return torch.from_numpy(values.astype(np.float32)).to(self._device)

    def __call__(self, frames: torch.Tensor) -> torch.Tensor:
        """Return pictures of the same shape, (N, 3, H, W), RGB signal in [0, 1] as it goes in."""
        if self._device.type != "cpu":
            return torch.stack([self._convert(frame) for frame in frames])
        lines = max(1, _STRIP_PIXELS // frames.shape[3])
        result = torch.empty_like(frames)
        for frame, out in zip(frames, result, strict=True):
            for strip, into in zip(frame.split(lines, 1), out.split(lines, 1), strict=True):
                into.copy_(self._convert(strip))
        return result

    def _convert(self, rgb: torch.Tensor) -> torch.Tensor:
        """Convert one picture, or some of its lines: shape (3, H, W)."""
        light = _entry(self._light, rgb)
        if self._hlg:
            light = light * _entry(self._ootf, _weighted(light, self._source_luminance).sqrt())
        light = torch.stack([_weighted(light, row) for row in self._matrix])
        light = self._in_gamut(light / self._peak)
        largest = torch.maximum(torch.maximum(light[0], light[1]), light[2])
        toned = _entry(self._tone, largest.clamp(max=1.0).sqrt())
        share = light / largest.clamp(min=_DARKEST)
        return _entry(self._signal, (share * toned).clamp_(0.0, 1.0).sqrt_())

    def _in_gamut(self, light: torch.Tensor) -> torch.Tensor:
        """Move colours that BT.709 has not towards the grey of their luminance, to its border."""
        grey = _weighted(light, self._luminance)
        least = torch.minimum(torch.minimum(light[0], light[1]), light[2])
        share = (grey / (grey - least).clamp(min=_DARKEST)).clamp_(0.0, 1.0)
        return torch.where(least < 0, grey + share * (light - grey), light)


def _entry(table: torch.Tensor, place: torch.Tensor) -> torch.Tensor:
    """Look up places, which are in [0, 1], at the nearest entry."""
    index = (place * _TOP + 0.5).to(torch.int32)
    return table.index_select(0, index.reshape(-1)).view(place.shape)


def _weighted(rgb: torch.Tensor, weights: list[float]) -> torch.Tensor:
    return rgb[0] * weights[0] + rgb[1] * weights[1] + rgb[2] * weights[2]


def _to_xyz(primaries: int) -> Floats:
    """Matrix from linear RGB to CIE XYZ, white of luminance 1 (SMPTE RP 177)."""
    columns = np.array([[x / y, 1.0, (1 - x - y) / y] for x, y in _CHROMATICITIES[primaries]]).T
    x, y = _D65
    white = np.array([x / y, 1.0, (1 - x - y) / y])
    scaled: Floats = columns * np.linalg.solve(columns, white)
    return scaled
