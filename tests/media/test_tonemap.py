"""HDR to SDR: against the published values, and the same for a pixel wherever it is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch

from framewright import score as score_module
from framewright.media import tonemap
from framewright.media.tonemap import ToneMap, eetf_cd_m2, hlg_scene_light, pq_cd_m2, pq_signal
from framewright.scorers.identity import IdentityScorer
from framewright.types import HdrMetadata, Treatment, VideoInfo
from tests.support import register_watch, score_watched
from tests.test_types import VIDEO
from tests.torture.make import make

Floats = npt.NDArray[np.float64]

PQ, HLG = 16, 18
TONE_MAP = Treatment(hdr="tone-map")
TO_BT709 = [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]]
"""BT.2020 to BT.709, as Report ITU-R BT.2407 prints it."""
TO_BT2020 = [[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]]
"""BT.709 to BT.2020, as Recommendation ITU-R BT.2087 prints it."""
LUMINANCE_709 = np.array([0.2126, 0.7152, 0.0722])
PRODUCTION_LEVELS = [(26, 38, 38), (162, 56, 71), (179, 57, 73), (203, 58, 75)]
"""cd/m2, per cent of PQ, per cent of HLG: table 1 of Report ITU-R BT.2408."""


def video(transfer: int, peak: int = 0, light: str = "", primaries: int = 9) -> VideoInfo:
    color = VIDEO.color.model_copy(
        update={"transfer": transfer, "primaries": primaries, "matrix": 9, "matrix_used": "BT2020"}
    )
    mastering = f"G(1,2)B(3,4)R(5,6)WP(7,8)L({peak * 10000},50)" if peak else ""
    hdr = HdrMetadata(mastering_display=mastering, content_light=light)
    return VIDEO.model_copy(update={"color": color, "hdr": hdr if mastering or light else None})


def converted(signal: Floats, described: VideoInfo) -> Floats:
    """Convert pixels, shape (n, 3); signal in, signal out."""
    frames = torch.from_numpy(signal.T[None, :, None, :].astype(np.float32))
    result = ToneMap(described, torch.device("cpu"))(frames)
    return result[0, :, 0].numpy().T.astype(np.float64)


def grey(signal: Floats) -> Floats:
    return np.repeat(np.asarray(signal, np.float64)[:, None], 3, 1)


class TestTransfers:
    @pytest.mark.parametrize(
        ("signal", "cd_m2"),
        [(0.0, 0.0), (0.5, 92.25), (0.5081, 100.0), (0.7518, 1000.0), (0.9026, 4000.0), (1, 1e4)],
    )
    def test_pq(self, signal: float, cd_m2: float) -> None:
        assert pq_cd_m2(np.array(signal)) == pytest.approx(cd_m2, rel=1e-3, abs=1e-9)
        assert pq_signal(np.array(cd_m2)) == pytest.approx(signal, abs=1e-4)

    @pytest.mark.parametrize(
        ("signal", "light"), [(0.0, 0.0), (0.25, 1 / 48), (0.5, 1 / 12), (1.0, 1.0)]
    )
    def test_hlg(self, signal: float, light: float) -> None:
        assert hlg_scene_light(np.array(signal)) == pytest.approx(light, abs=1e-6)

    @pytest.mark.parametrize(("cd_m2", "pq_percent", "hlg_percent"), PRODUCTION_LEVELS)
    def test_levels_of_production(self, cd_m2: int, pq_percent: int, hlg_percent: int) -> None:
        assert round(100 * float(pq_signal(np.array(cd_m2)))) == pq_percent
        lowest, highest = (
            1000 * hlg_scene_light(np.array((hlg_percent + e) / 100)) ** 1.2 for e in (-0.5, 0.5)
        )
        assert lowest <= cd_m2 <= highest

    def test_matrices(self) -> None:
        matrix = ToneMap(video(PQ), torch.device("cpu"))._matrix
        assert np.abs(np.array(matrix) - TO_BT709).max() < 1e-4
        same = ToneMap(video(PQ, primaries=1), torch.device("cpu"))._matrix
        assert np.allclose(same, np.eye(3))


class TestToneCurve:
    def test_its_ends_and_its_straight_part(self) -> None:
        for peak in (400.0, 1000.0, 4000.0, 10_000.0):
            assert eetf_cd_m2(np.array(peak), peak) == pytest.approx(100, rel=1e-6)
            assert eetf_cd_m2(np.array(0.0), peak) == 0
        assert eetf_cd_m2(np.array(20.0), 1000.0) == pytest.approx(20, rel=1e-9)

    def test_half_way_up_the_shoulder(self) -> None:
        """The Hermite spline of BT.2390 at T = 1/2, by hand from the published PQ values."""
        target = 0.50808 / 0.75183
        knee = 1.5 * target - 0.5
        before, after = (1 + knee) / 2, knee / 2 + (1 - knee) / 8 + target / 2
        light = pq_cd_m2(np.array(before * 0.75183))
        assert float(pq_signal(eetf_cd_m2(light, 1000.0))) == pytest.approx(
            after * 0.75183, abs=1e-4
        )

    def test_no_curve_where_there_is_nothing_to_compress(self) -> None:
        light = np.linspace(0, 100, 50)
        assert np.allclose(eetf_cd_m2(light, 100.0), light)

    @pytest.mark.parametrize(
        ("described", "peak"),
        [
            (video(PQ), 1000),
            (video(PQ, peak=4000), 4000),
            (video(PQ, peak=4000, light="1200,400"), 1200),
            (video(PQ, peak=600, light="2000,400"), 600),
            (video(PQ, peak=4000, light="0,0"), 4000),
            (video(PQ, light="60,20"), 100),
            (video(HLG, peak=4000), 1000),
        ],
    )
    def test_the_peak_is_what_the_source_says(self, described: VideoInfo, peak: float) -> None:
        assert tonemap.peak_cd_m2(described) == peak


class TestPictures:
    @pytest.mark.parametrize("transfer", [PQ, HLG])
    def test_grey_stays_grey_and_rises(self, transfer: int) -> None:
        result = converted(grey(np.linspace(0, 1, 4096)), video(transfer))
        assert np.ptp(result, axis=1).max() < 1e-4
        assert (np.diff(result[:, 1]) >= -2e-5).all()
        assert result[0].max() == 0
        assert result[-1].min() == pytest.approx(1, abs=1e-6)

    def test_dark_grey_is_as_light_as_it_was(self) -> None:
        for cd_m2 in (1.0, 5.0, 18.0):
            (result,) = converted(grey(pq_signal(np.array([cd_m2]))), video(PQ))
            assert 100 * result**2.4 == pytest.approx([cd_m2] * 3, rel=2e-3)

    def test_white_of_100_cd_m2_of_a_display_of_100_is_white(self) -> None:
        (result,) = converted(grey(pq_signal(np.array([100.0]))), video(PQ, peak=100))
        assert result == pytest.approx([1, 1, 1], abs=2e-5)

    def test_pq_and_hlg_of_the_same_light_come_out_the_same(self) -> None:
        signal = np.random.default_rng(3).uniform(0.05, 1, (400, 3))
        scene = hlg_scene_light(signal)
        light = 1000 * scene * (scene @ [0.2627, 0.6780, 0.0593])[:, None] ** 0.2
        by_hlg, by_pq = converted(signal, video(HLG)), converted(pq_signal(light), video(PQ))
        assert np.abs(by_hlg - by_pq).max() < 2e-3

    def test_colours_of_bt709_are_what_they_were(self) -> None:
        light = np.random.default_rng(5).uniform(0, 0.2, (200, 3))
        wide = np.maximum(light @ np.array(TO_BT2020).T, 0)
        result = converted(pq_signal(100 * wide), video(PQ))
        assert np.abs(result**2.4 - light).max() < 2e-4

    def test_colours_beyond_bt709_keep_their_luminance(self) -> None:
        green, red = pq_signal(np.array([[0, 20, 0], [20, 0, 0]], np.float64))
        result = converted(np.stack([green, red]), video(PQ))
        assert (result >= 0).all() and (result <= 1).all()
        luminance = result**2.4 @ LUMINANCE_709
        assert luminance == pytest.approx([0.2 * 0.6780, 0.2 * 0.2627], rel=3e-3)

    def test_bright_colours_keep_their_hue(self) -> None:
        """A lamp ten times as bright as another of its colour comes out in the same proportions."""
        lamp = np.array([[20.0, 12, 8], [600, 360, 240]])
        dim, bright = converted(pq_signal(lamp), video(PQ)) ** 2.4
        assert bright / bright.max() == pytest.approx(dim / dim.max(), abs=2e-3)

    @pytest.mark.parametrize("transfer", [PQ, HLG])
    def test_a_pixel_is_the_same_wherever_it_is(self, transfer: int) -> None:
        frames = torch.rand((3, 3, 37, 41), generator=torch.Generator().manual_seed(1))
        tone_map = ToneMap(video(transfer), torch.device("cpu"))
        whole = tone_map(frames)
        assert torch.equal(whole[1:2], tone_map(frames[1:2]))
        assert torch.equal(whole[..., 5:20, 3:30], tone_map(frames[..., 5:20, 3:30].contiguous()))

    def test_noise_stays_in_range(self) -> None:
        noise = np.random.default_rng(7).integers(0, 2, (64, 3)).astype(np.float64)
        for transfer in (PQ, HLG):
            result = converted(noise, video(transfer))
            assert np.isfinite(result).all() and (result >= 0).all() and (result <= 1).all()


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[npt.NDArray[np.float32]]]:
    yield register_watch(monkeypatch)
    score_module._loaded_scorer.cache_clear()


def test_the_model_sees_sdr_however_the_clip_is_cut(
    clip_folder: Path, tmp_path: Path, seen: list[npt.NDArray[np.float32]]
) -> None:
    path = make("hdr10", clip_folder).path
    score_watched(path, tmp_path / "passed", 1000, Treatment(hdr="pass"))
    passed, seen[:] = np.stack(seen), []
    score_watched(path, tmp_path / "whole", 1000, TONE_MAP)
    expected, seen[:] = np.stack(seen), []
    manifest = score_watched(path, tmp_path / "cut", 7, TONE_MAP, batch=3)
    assert len(manifest.units) > 5
    assert np.array_equal(np.stack(seen), expected)
    with torch.inference_mode():
        by_hand = ToneMap(manifest.video, torch.device("cpu"))(torch.from_numpy(passed))
    assert np.array_equal(by_hand.numpy(), expected)


def test_an_explicit_wish_also_counts_where_the_scorer_takes_hdr(
    clip_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert IdentityScorer.identity.takes_hdr
    given = register_watch(monkeypatch, takes_hdr=True)
    path = make("hdr10", clip_folder).path
    score_watched(path, tmp_path / "kept", 1000, Treatment())
    kept, given[:] = np.stack(given), []
    manifest = score_watched(path, tmp_path / "made", 1000, TONE_MAP)
    assert np.abs(np.stack(given) - kept).mean() > 0.01
    assert any("tone-mapped from 1000 to 100" in note for note in manifest.video.warnings)
