"""Masks: frame k is masked by picture k however the clip is cut, and black leaves the source."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
import pytest
import torch
from av.video.frame import VideoFrame
from PIL import Image

from framewright import score as score_module
from framewright.errors import InputError, ManifestError, ScorerOptionError, SourceRefused
from framewright.media.mask import Masking, mask_range, shares_of
from framewright.score import score_unit
from framewright.scorers.asset import asset
from framewright.scorers.base import Scorer
from framewright.scorers.identity import IdentityScorer
from framewright.settings import Settings
from framewright.storage import Store
from framewright.types import Footage, Manifest, ScorerIdentity, Treatment
from tests.moving import Finder
from tests.support import Double, clip_key, plan_job, register
from tests.torture.make import make

Frames = Sequence[npt.NDArray[np.uint8]]

WIDTH, HEIGHT, COUNT = 96, 64, 60
LOSSLESS = Settings(quality_crf=0)


class Inverts(Double):
    """Makes a negative; wants to see three frames before a unit."""

    identity = ScorerIdentity(name="inverts", version="1", flickers=False)
    context_frames = 3

    def score(self, frames: torch.Tensor) -> torch.Tensor:
        return 1 - frames


class Large(Inverts):
    """Makes a negative of twice the size."""

    identity = ScorerIdentity(name="large", version="1", flickers=False)

    def score(self, frames: torch.Tensor) -> torch.Tensor:
        return Double.score(self, 1 - frames)


@pytest.fixture(autouse=True)
def _scorers(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    register(monkeypatch, Inverts, "inverts")
    register(monkeypatch, Large, "large")
    yield
    score_module._loaded_scorer.cache_clear()


def write(path: Path, frames: Frames, keyframes: int = 25) -> Path:
    """Write frames (H, W, 3) as H.264 with B-frames, 25 frames a second."""
    with av.open(str(path), "w") as out:
        stream: Any = out.add_stream("libx264", rate=25)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.options = {"crf": "12", "x264-params": f"keyint={keyframes}:scenecut=0:threads=1"}
        for number, pixels in enumerate(frames):
            frame = VideoFrame.from_ndarray(pixels, format="rgb24").reformat(format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


def box(number: int) -> npt.NDArray[np.bool_]:
    """Where the mask of a frame is black: another place in each frame of the clip."""
    black = np.zeros((HEIGHT, WIDTH), np.bool_)
    y, x = 8 * (number // 10), 8 * (number % 10)
    black[y : y + 16, x : x + 16] = True
    return black


def masks(count: int = COUNT) -> Frames:
    return [
        np.where(box(number), 0, 255)[..., None].repeat(3, 2).astype(np.uint8)
        for number in range(count)
    ]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clip, ``clip.mp4``, and a mask of it, ``mask.mp4``, cut at other keyframes."""
    folder = tmp_path_factory.mktemp("masks")
    colors = np.random.default_rng(3).integers(0, 256, (HEIGHT // 8, WIDTH // 8, 3), np.uint8)
    picture = colors.repeat(8, 0).repeat(8, 1)
    write(folder / "clip.mp4", [np.roll(picture, 2 * number, 1) for number in range(COUNT)])
    write(folder / "mask.mp4", masks(), keyframes=9)
    return folder


def planned(
    clip: Path,
    work: Path,
    mask: Path | None = None,
    scorer: type[Scorer] = Inverts,
    unit_seconds: float = 0.4,
    **wishes: Any,
) -> tuple[Store, Manifest]:
    found = asset(mask) if mask else None
    return plan_job(
        clip,
        work,
        unit_seconds=unit_seconds,
        scorer=scorer.identity,
        settings=LOSSLESS,
        treatment=Treatment(mask=found.reference if found else "", **wishes),
        assets={found.reference: found.path} if found else {},
    )


def clips(*arguments: Any, **options: Any) -> list[bytes]:
    """The scored clips of a job that is planned with these arguments, in order."""
    store, manifest = planned(*arguments, **options)
    for unit in manifest.units:
        score_unit(store, manifest.job_key, unit.index, settings=LOSSLESS)
    return [store.read(clip_key(store, manifest, unit.index)) for unit in manifest.units]


def shown(clips: Sequence[bytes], folder: Path) -> list[npt.NDArray[np.int64]]:
    """The frames of clips, one after the other, as RGB (H, W, 3)."""
    path, frames = folder / "unit.mp4", []
    for clip in clips:
        path.write_bytes(clip)
        with av.open(str(path)) as container:
            frames += [frame.to_ndarray(format="rgb24").astype(int) for frame in container.decode()]
    return frames


@pytest.mark.parametrize("unit_seconds", [0.4, 0.28, 10])
@pytest.mark.parametrize("stability", [0.0, 0.9])
def test_each_frame_has_its_own_picture_of_the_mask(
    unit_seconds: float, stability: float, folder: Path, tmp_path: Path
) -> None:
    """Also at the borders of units, with frames before them that are scored and dropped."""
    black = write(tmp_path / "black.mp4", [np.zeros((HEIGHT, WIDTH, 3), np.uint8)] * COUNT)
    made = clips(
        black, tmp_path, folder / "mask.mp4", unit_seconds=unit_seconds, stability=stability
    )
    assert len(made) > (1 if unit_seconds < 1 else 0)
    frames = shown(made, tmp_path)
    assert len(frames) == COUNT
    for number, frame in enumerate(frames):
        assert np.array_equal(frame[..., 1] < 128, box(number)), f"frame {number}"


def test_black_is_the_source_and_white_the_scorers(folder: Path, tmp_path: Path) -> None:
    clip = folder / "clip.mp4"
    masked = shown(clips(clip, tmp_path / "a", folder / "mask.mp4"), tmp_path)
    source = shown(clips(clip, tmp_path / "b", scorer=IdentityScorer), tmp_path)
    scored = shown(clips(clip, tmp_path / "c"), tmp_path)
    for number in range(COUNT):
        black = box(number)
        assert np.array_equal(masked[number][black], source[number][black])
        assert np.array_equal(masked[number][~black], scored[number][~black])
        assert not np.array_equal(source[number][black], scored[number][black])


@pytest.mark.parametrize(
    ("kind", "wishes"),
    [
        ("rotated90", {}),
        ("hdr10", {"hdr": "tone-map"}),
        ("h264_10bit", {}),
    ],
)
def test_a_mask_all_black_leaves_what_a_scorer_that_changes_nothing_would(
    kind: str, wishes: dict[str, str], clip_folder: Path, tmp_path: Path
) -> None:
    """Byte by byte, whatever is done to the frames before and after."""
    clip = make(kind, clip_folder).path
    Image.new("L", (5, 7), 0).save(tmp_path / "black.png")
    Image.new("L", (5, 7), 255).save(tmp_path / "white.png")
    source = clips(clip, tmp_path / "a", scorer=IdentityScorer, **wishes)
    assert clips(clip, tmp_path / "b", tmp_path / "black.png", **wishes) == source
    scored = clips(clip, tmp_path / "c", **wishes)
    assert clips(clip, tmp_path / "d", tmp_path / "white.png", **wishes) == scored
    assert source != scored


def test_a_picture_that_is_larger_than_the_frame(folder: Path, tmp_path: Path) -> None:
    made = clips(folder / "clip.mp4", tmp_path, folder / "mask.mp4", scorer=Large, unit_seconds=10)
    source = shown(clips(folder / "clip.mp4", tmp_path / "b", scorer=IdentityScorer), tmp_path)
    for number, frame in enumerate(shown(made, tmp_path)):
        assert frame.shape == (2 * HEIGHT, 2 * WIDTH, 3)
        black = box(number).repeat(2, 0).repeat(2, 1)
        before = source[number].repeat(2, 0).repeat(2, 1)
        for place, wanted, other in ((black, before, 255 - before), (~black, 255 - before, before)):
            apart = [np.abs(frame - one)[place].mean() for one in (wanted, other)]
            assert apart[0] < apart[1] / 2


@pytest.mark.parametrize("size", [(1, 1), (300, 20), (WIDTH, HEIGHT)])
def test_one_picture_is_for_all_frames(size: tuple[int, int], folder: Path, tmp_path: Path) -> None:
    """As an image, and as a video; grey is mixed."""
    Image.new("L", size, 178).save(tmp_path / "grey.png")
    made = shown(clips(folder / "clip.mp4", tmp_path, tmp_path / "grey.png"), tmp_path)
    source = shown(clips(folder / "clip.mp4", tmp_path / "b", scorer=IdentityScorer), tmp_path)
    share = (178 - 8) / (247 - 8)
    for after, before in zip(made, source, strict=True):
        wanted = before + share * (255 - 2 * before)
        assert np.abs(after - wanted).mean() < 3


def test_levels_near_black_and_white_are_wholly_so() -> None:
    """What encoders leave of noise must not be seen, and nothing of grey is lost."""
    levels = np.array([[0, 8, 9, 127.5, 246, 247, 255]], np.float32) / 255
    frame = np.zeros((3, 1, 7), np.uint16)
    mixed = Masking(iter([levels]))(frame, frame + 65535)[0, 0] / 65535
    assert list(mixed[[0, 1, 3, 5, 6]]) == pytest.approx([0, 0, 0.5, 1, 1], abs=1e-4)
    assert 0 < mixed[2] < 0.01 < 0.99 < mixed[4] < 1


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("rotation", [0, 90, 180, -90])
def test_a_mask_lies_over_the_frame_as_it_is_shown(
    rotation: int, mirrored: bool, folder: Path, tmp_path: Path
) -> None:
    store, manifest = planned(folder / "clip.mp4", tmp_path, folder / "mask.mp4", unit_seconds=10)
    assert manifest.mask
    turned = {"rotation": rotation, "mirrored": mirrored}
    source = manifest.video.model_copy(update=turned)
    bundles = [lambda key=one.key: store.open(key) for one in manifest.mask.bundles]
    [shares] = shares_of(manifest.mask, bundles, range(7, 8), source)
    coded = torch.from_numpy(shares.copy())
    upright = torch.rot90(coded.flip(1) if mirrored else coded, round(rotation / 90) % 4, (0, 1))
    assert np.array_equal(upright.numpy() < 0.5, box(7))
    # and the same way round where the mask itself is one that a player turns
    mask = manifest.mask.model_copy(update={"video": manifest.mask.video.model_copy(update=turned)})
    [shares] = shares_of(mask, bundles, range(7, 8), source)
    assert np.array_equal(shares < 0.5, box(7))


def test_only_the_pictures_of_the_unit_are_asked_for(folder: Path, tmp_path: Path) -> None:
    _, manifest = planned(folder / "clip.mp4", tmp_path, folder / "mask.mp4")
    assert manifest.mask
    assert manifest.mask.frames == COUNT
    assert len(manifest.mask.bundles) > 1
    assert mask_range(manifest.mask, 24, 36) == range(24, 36)


def test_the_job_is_named_by_the_content_of_the_mask(folder: Path, tmp_path: Path) -> None:
    def key(mask: Path | None) -> str:
        return planned(folder / "clip.mp4", tmp_path, mask)[1].job_key

    same = tmp_path / "same.mp4"
    same.write_bytes((folder / "mask.mp4").read_bytes())
    other = write(tmp_path / "other.mp4", masks()[::-1])
    assert key(same) == key(folder / "mask.mp4")
    assert len({key(same), key(other), key(None)}) == 3


def test_bundles_of_the_mask_that_are_gone_are_made_again(folder: Path, tmp_path: Path) -> None:
    store, manifest = planned(folder / "clip.mp4", tmp_path, folder / "mask.mp4")
    assert manifest.mask
    lost = manifest.mask.bundles[-1].key
    store.delete(lost)
    with pytest.raises(ManifestError, match="is gone from the store"):
        score_unit(store, manifest.job_key, len(manifest.units) - 1, settings=LOSSLESS)
    planned(folder / "clip.mp4", tmp_path, folder / "mask.mp4")
    assert store.stat(lost) is not None


class TestRefused:
    @pytest.mark.parametrize("count", [2, COUNT - 1, COUNT + 1])
    def test_another_number_of_pictures(self, count: int, folder: Path, tmp_path: Path) -> None:
        mask = write(tmp_path / "mask.mp4", masks(count))
        said = rf"the mask 'mask.mp4' has {count} pictures, and the video {COUNT} frames: give it"
        with pytest.raises(InputError, match=said):
            planned(folder / "clip.mp4", tmp_path, mask)

    @pytest.mark.parametrize(
        ("content", "said"),
        [
            (b"ffconcat version 1.0\nfile /etc/passwd\n", "the mask 'mask.mp4' is a playlist"),
            (b"no video at all", "the mask 'mask.mp4' is not a video file .* or a JPEG, PNG"),
        ],
    )
    def test_what_is_no_video(
        self, content: bytes, said: str, folder: Path, tmp_path: Path
    ) -> None:
        (tmp_path / "mask.mp4").write_bytes(content)
        with pytest.raises(SourceRefused, match=said):
            planned(folder / "clip.mp4", tmp_path, tmp_path / "mask.mp4")

    def test_a_damaged_video(self, folder: Path, tmp_path: Path) -> None:
        data = bytearray((folder / "mask.mp4").read_bytes())
        media = data.index(b"mdat") + 1500
        data[media : media + 300] = bytes(300)
        (tmp_path / "mask.mp4").write_bytes(data)
        with pytest.raises(SourceRefused, match=r"the mask 'mask\.mp4' is damaged; export it"):
            planned(folder / "clip.mp4", tmp_path, tmp_path / "mask.mp4", on_damage="hold")

    def test_a_damaged_image(self, folder: Path, tmp_path: Path) -> None:
        (tmp_path / "mask.png").write_bytes(b"\x89PNG\r\n\x1a\n and no more")
        with pytest.raises(ScorerOptionError, match=r"mask\.png' cannot be read"):
            planned(folder / "clip.mp4", tmp_path, tmp_path / "mask.png")

    def test_records(self, folder: Path, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="the scorer 'finder' makes records: leave out --mask"):
            planned(folder / "clip.mp4", tmp_path, folder / "mask.mp4", scorer=Finder)

    def test_a_manifest_whose_mask_is_too_short(self, folder: Path, tmp_path: Path) -> None:
        _, manifest = planned(folder / "clip.mp4", tmp_path, folder / "mask.mp4")
        assert manifest.mask
        first = manifest.mask.bundles[0]
        steps = manifest.mask.pts.runs[0][0]
        short = Footage(
            source=manifest.mask.source,
            video=manifest.mask.video,
            pts={"first": 0, "runs": [(steps, first.stop_frame - 1)]},
            bundles=(first,),
        )
        whole = manifest.model_dump(mode="json") | {"mask": short.model_dump(mode="json")}
        with pytest.raises(ValueError, match=rf"the mask has {first.stop_frame} pictures for 60"):
            Manifest.model_validate(whole)
