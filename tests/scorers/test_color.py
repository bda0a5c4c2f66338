"""Colour transfer: the statistics of the painting, the picture of the frame."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from framewright.errors import ScorerOptionError
from framewright.scorers import create, rebuild
from framewright.types import ScorerIdentity

CPU = torch.device("cpu")


@pytest.fixture
def painting(tmp_path: Path) -> Path:
    """A picture of muted colours: whatever is mapped onto it stays within [0, 1]."""
    dice = np.random.default_rng(1)
    mixing = np.array([[30, 5, 0], [10, 20, 5], [0, -8, 15]])
    pixels = dice.normal(size=(64, 64, 3)) @ mixing.T * 0.6 + [140, 110, 90]
    path = tmp_path / "painting.png"
    Image.fromarray(pixels.round().clip(0, 255).astype(np.uint8)).save(path)
    return path


def scored(frames: torch.Tensor, **options: object) -> torch.Tensor:
    scorer = create("color", options)
    scorer.setup(CPU, 1)
    return scorer.score(frames)


def scene(count: int = 2, height: int = 40, width: int = 60) -> torch.Tensor:
    torch.manual_seed(1)
    ramp = torch.linspace(0.2, 0.8, width).expand(count, 1, height, width)
    return (ramp + 0.05 * torch.randn(count, 3, height, width)).clamp(0, 1)


def statistics(frame: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    colors = frame.reshape(3, -1).double().numpy()
    return colors.mean(1), np.cov(colors, bias=True)


def test_each_frame_gets_the_paintings_statistics(painting: Path) -> None:
    wanted = np.asarray(Image.open(painting), np.float64).reshape(-1, 3) / 255
    for frame in scored(scene(), image=str(painting)):
        mean, covariance = statistics(frame)
        assert np.abs(mean - wanted.mean(0)).max() < 0.002
        assert np.abs(covariance - np.cov(wanted.T, bias=True)).max() < 0.0005


def test_the_picture_stays_the_same_picture(painting: Path) -> None:
    frames = scene()
    before, after = frames.mean(1).flatten(), scored(frames, image=str(painting)).mean(1).flatten()
    assert torch.corrcoef(torch.stack([before, after]))[0, 1] > 0.95


def test_a_frame_with_the_same_statistics_does_not_change(painting: Path) -> None:
    pixels = np.asarray(Image.open(painting)).transpose(2, 0, 1)
    frame = torch.from_numpy(pixels.copy()).float()[None] / 255
    assert (scored(frame, image=str(painting)) - frame).abs().max() < 0.01


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_a_flat_frame_becomes_the_mean_colour(value: float, painting: Path) -> None:
    result = scored(torch.full((1, 3, 9, 9), value), image=str(painting))
    mean = torch.from_numpy(np.asarray(Image.open(painting)).mean((0, 1)) / 255).float()
    assert torch.isfinite(result).all()
    assert (result - mean[None, :, None, None]).abs().max() < 0.01


def test_frames_do_not_depend_on_their_neighbours(painting: Path) -> None:
    frames = scene(3)
    together = scored(frames, image=str(painting))
    alone = torch.cat([scored(frame[None], image=str(painting)) for frame in frames])
    assert torch.allclose(together, alone, atol=1e-5)


def test_the_identity_is_enough_to_rebuild_it_elsewhere(painting: Path) -> None:
    scorer = create("color", {"image": str(painting)})
    text = scorer.identity.model_dump_json()
    painting.unlink()
    again = rebuild(ScorerIdentity.model_validate_json(text))
    assert again.identity == scorer.identity
    assert scorer.identity.params["image"] == "painting.png", "to be told, without its folder"
    scorer.setup(CPU, 1)
    again.setup(CPU, 1)
    assert torch.equal(scorer.score(scene()), again.score(scene()))


def test_the_identity_depends_on_the_colours_not_on_the_path(
    painting: Path, tmp_path: Path
) -> None:
    (tmp_path / "sub").mkdir()
    copy = shutil.copy(painting, tmp_path / "sub" / "painting.png")
    first = create("color", {"image": str(painting)}).identity
    assert create("color", {"image": copy}).identity == first
    Image.new("RGB", (8, 8), "red").save(copy)
    assert create("color", {"image": copy}).identity != first
    assert len(json.dumps(first.params)) < 500


@pytest.mark.parametrize(
    ("form", "mode"),
    [("PNG", "L"), ("PNG", "RGBA"), ("JPEG", "CMYK"), ("BMP", "RGB"), ("PNG", "P"),
     ("WEBP", "RGB"), ("TIFF", "RGB")],
)  # fmt: skip
def test_any_kind_of_image_file(form: str, mode: str, tmp_path: Path) -> None:
    path = tmp_path / "picture"
    Image.effect_mandelbrot((40, 30), (-2, -1.5, 1, 1.5), 50).convert(mode).save(path, form)
    assert torch.isfinite(scored(scene(), image=str(path))).all()


def test_an_image_of_one_pixel(tmp_path: Path) -> None:
    path = tmp_path / "dot.png"
    Image.new("RGB", (1, 1), (255, 128, 0)).save(path)
    result = scored(scene(1), image=str(path))
    assert torch.isfinite(result).all()
    assert (result.mean((0, 2, 3)) - torch.tensor([1.0, 128 / 255, 0.0])).abs().max() < 0.02


class TestRefused:
    @pytest.mark.parametrize("options", [{}, {"style": "", "image": ""}])
    def test_nothing_named(self, options: dict[str, str]) -> None:
        with pytest.raises(ScorerOptionError, match=r"needs one of: style \(.*starry_night.*image"):
            create("color", options)

    def test_an_image_as_style(self, painting: Path) -> None:
        as_style = create("color", {"style": str(painting)}).identity
        assert as_style == create("color", {"image": str(painting)}).identity

    def test_both_named(self, painting: Path) -> None:
        with pytest.raises(ScorerOptionError, match="needs one of"):
            create("color", {"style": "starry_night", "image": str(painting)})

    def test_a_style_that_is_not_known(self) -> None:
        with pytest.raises(
            ScorerOptionError, match=r"unknown style 'cubism'\. Styles: .*image file"
        ):
            create("color", {"style": "cubism"})

    def test_every_shipped_painting_works(self) -> None:
        from framewright.scorers.fast.weights import style_names

        for style in style_names():
            identity = create("color", {"style": style}).identity
            assert identity.params["style"] == style
            assert rebuild(identity).identity == identity
            assert torch.isfinite(scored(scene(1), style=style)).all()

    @pytest.mark.parametrize("content", [b"", b"not an image", b"\x89PNG\r\n\x1a\n" + b"\0" * 50])
    def test_a_file_that_is_no_image(self, content: bytes, tmp_path: Path) -> None:
        path = tmp_path / "painting.jpg"
        path.write_bytes(content)
        with pytest.raises(ScorerOptionError, match=r"painting\.jpg' cannot be read .*use a JPEG"):
            create("color", {"image": str(path)})

    def test_a_file_that_is_not_there(self, tmp_path: Path) -> None:
        with pytest.raises(ScorerOptionError, match="cannot be read"):
            create("color", {"image": str(tmp_path / "nothing.jpg")})

    def test_a_file_that_is_cut_off(self, tmp_path: Path) -> None:
        path = tmp_path / "cut.jpg"
        Image.effect_noise((200, 200), 90).save(path, quality=95)
        path.write_bytes(path.read_bytes()[:5000])
        with pytest.raises(ScorerOptionError, match="cannot be read"):
            create("color", {"image": str(path)})

    def test_an_image_that_claims_to_be_huge(self, tmp_path: Path) -> None:
        path = tmp_path / "bomb.png"
        data = bytearray()
        Image.new("1", (1, 1)).save(path)
        data[:] = path.read_bytes()
        data[16:24] = (60_000).to_bytes(4, "big") * 2
        import zlib

        data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
        path.write_bytes(data)
        with pytest.raises(ScorerOptionError, match=r"bomb\.png' cannot be read .*exceeds limit"):
            create("color", {"image": str(path)})

    @pytest.mark.parametrize(
        ("change", "said"),
        [
            ({"mean": None}, "mean and covariance together"),
            ({"covariance": None}, "mean and covariance together"),
            ({"mean": "0.5"}, r"mean of scorer 'color' is a list of 3 numbers .* not '0\.5'"),
            ({"mean": [1]}, "mean of scorer"),
            ({"mean": [0.1, 0.2, 1.2]}, "mean of scorer"),
            ({"mean": [0.1, 0.2, float("nan")]}, "mean of scorer"),
            ({"mean": [0.1, 0.2, "0.3"]}, "mean of scorer"),
            ({"mean": [0.1, 0.2, True]}, "mean of scorer"),
            ({"covariance": "1"}, "3 lists of 3 numbers.* not '1'"),
            ({"covariance": 1}, "3 lists of 3 numbers"),
            ({"covariance": [[1]]}, "3 lists of 3 numbers"),
            ({"covariance": [[0.1, 0.2, 0.3]]}, "3 lists of 3 numbers"),
            ({"covariance": [[0.1, 0, 0], [0.05, 0.1, 0], [0, 0, 0.1]]}, "symmetric"),
            ({"covariance": [[0.1, 0, 0], [0, 0.1, 0], [0, 0, -0.1]]}, "no negative eigenvalue"),
            ({"covariance": [[0.1, 0.2, 0], [0.2, 0.1, 0], [0, 0, 0.1]]}, "no negative"),
            ({"covariance": [[9, 0, 0], [0, 0.1, 0], [0, 0, 0.1]]}, r"variances of at most 0\.25"),
            ({"style": "garbage"}, "unknown style 'garbage'"),
            ({"style": "wave", "image": "wave.jpg"}, "needs one of"),
            ({"style": 5}, "style and image of scorer 'color' are texts, not 5 and ''"),
        ],
        ids=str,
    )
    def test_statistics_that_no_colours_have(self, change: dict[str, object], said: str) -> None:
        good: dict[str, object] = {
            "mean": [0.1, 0.5, 1],
            "covariance": [[0.1, 0.01, 0], [0.01, 0.1, 0], [0, 0, 0.1]],
        }
        assert create("color", good).identity.params["mean"] == [0.1, 0.5, 1.0]
        given = {key: value for key, value in (good | change).items() if value is not None}
        with pytest.raises(ScorerOptionError, match=said):
            create("color", given)

    def test_an_image_that_is_no_path(self) -> None:
        with pytest.raises(ScorerOptionError, match="are texts, not '' and 5"):
            create("color", {"image": 5})

    def test_an_option_it_does_not_take(self) -> None:
        with pytest.raises(ScorerOptionError, match="takes no option 'strength'"):
            create("color", {"strength": "1"})
