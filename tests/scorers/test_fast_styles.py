"""How a painting is named, fitted once, and travels to the workers."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from PIL import Image

from framewright.cli import main
from framewright.errors import ScorerOptionError
from framewright.outputs import resolve_output
from framewright.scorers import create, describe, outline, rebuild
from framewright.scorers.fast import fit
from framewright.scorers.fast.network import STYLE_LENGTH
from framewright.scorers.fast.vector import text_of, vector_of
from framewright.scorers.fast.weights import load_weights, style_names
from framewright.scorers.styles import parse_style
from framewright.settings import get_settings
from framewright.types import Progress, ScorerIdentity
from tests.torture.make import Clip


@pytest.fixture
def painting(tmp_path: Path) -> Path:
    path = tmp_path / "my painting, 2.png"
    Image.effect_mandelbrot((80, 60), (-2, -1.5, 1, 1.5), 50).save(path)
    return path


@pytest.fixture
def fits(monkeypatch: pytest.MonkeyPatch) -> list[torch.Tensor]:
    """Lets a fit take no time: the vector of a shipped style, made the painting's own.

    Returns what was fitted so far.
    """
    seen: list[torch.Tensor] = []

    def quick(painting: torch.Tensor, progress: object) -> torch.Tensor:
        seen.append(painting)
        assert callable(progress)
        progress(1, 1)
        return load_weights()[1]["wave"] * (1 + painting.mean())

    monkeypatch.setattr(fit, "fit_style", quick)
    return seen


@pytest.fixture
def cache() -> Iterator[Path]:
    return Path(get_settings().cache_folder) / "styles"


def identity_of(style: object, **options: object) -> ScorerIdentity:
    return create("fast", {"style": style, **options}).identity


class TestNamed:
    def test_a_shipped_one_travels_by_its_name(self) -> None:
        assert identity_of("wave").params == {"style": "wave"}
        assert create("fast", {}).identity.params == {"style": "starry_night"}

    def test_an_image_travels_as_numbers(self, painting: Path, fits: list[torch.Tensor]) -> None:
        identity = identity_of(str(painting))
        text = identity.model_dump_json()
        assert len(text) < 6000
        painting.unlink()
        again = rebuild(ScorerIdentity.model_validate_json(text))
        assert again.identity == identity
        assert len(fits) == 1
        vector = load_weights()[1]["wave"] * (1 + fits[0].mean())
        assert torch.equal(vector_of(identity.params["numbers"]), vector.half().float())

    def test_it_is_called_after_its_file(
        self, painting: Path, fits: list[torch.Tensor], tmp_path: Path
    ) -> None:
        identity = identity_of(str(painting))
        assert identity.params["style"] == "my painting, 2.png"
        result = resolve_output(f"{tmp_path}/", Path("clip.mp4"), ".mp4", identity)
        assert result.name == "clip.fast-my-painting-2-png.mp4"

    @pytest.mark.parametrize(
        "style", ["{}", ["{}", "wave"], ["wave", "{}=0.5"], {"{}": 3, "wave": 1}]
    )
    def test_what_it_is_called_is_known_without_a_fit(
        self, style: object, painting: Path, fits: list[torch.Tensor]
    ) -> None:
        style = json.loads(json.dumps(style).replace("{}", str(painting)))
        before = outline("fast", {"style": style})
        assert fits == []
        assert before is not None
        assert before.params["style"] == identity_of(style).params["style"]

    def test_where_it_lies_does_not_matter(
        self,
        painting: Path,
        fits: list[torch.Tensor],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.chdir(painting.parent)
        monkeypatch.setenv("HOME", str(painting.parent))
        names: list[str | Path] = [painting, painting.name, f"./{painting.name}"]
        names += [f"~/{painting.name}", str(painting)]
        identities = [identity_of(name) for name in names]
        assert all(one == identities[0] for one in identities)

    def test_a_file_called_like_a_shipped_one(
        self, painting: Path, fits: list[torch.Tensor], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(painting.parent)
        painting.rename("wave")
        assert identity_of("wave").params == {"style": "wave"}
        assert identity_of("./wave").params["images"]

    def test_a_worker_opens_no_file(self, painting: Path, fits: list[torch.Tensor]) -> None:
        named = create("fast", {}).identity.model_copy(update={"params": {"style": str(painting)}})
        with pytest.raises(ScorerOptionError, match="a worker opens only files"):
            rebuild(named)
        assert not fits


class TestBlended:
    def test_weights_are_shares(self) -> None:
        wave, scream = (load_weights()[1][name] for name in ("wave", "the_scream"))
        params = identity_of(["wave=3", "the_scream"]).params
        expected = (0.75 * wave + 0.25 * scream).half().float()
        assert torch.equal(vector_of(params["numbers"]), expected)
        assert params["style"] == "wave 0.75 + the_scream 0.25"
        assert params["images"] == []
        assert identity_of({"wave": 0.3, "the_scream": 0.1}).params == params

    def test_a_worker_gets_the_same(self, painting: Path, fits: list[torch.Tensor]) -> None:
        identity = identity_of([str(painting), "wave"])
        again = rebuild(ScorerIdentity.model_validate_json(identity.model_dump_json()))
        assert again.identity == identity
        given = {str(painting): 2, "wave": 2.0}
        assert identity_of(given) == identity
        assert len(fits) == 1

    @pytest.mark.parametrize("name", ["a=0.5.png", "a=0.5", "x,y:0.3.png"])
    def test_file_names_with_signs(
        self, name: str, painting: Path, fits: list[torch.Tensor], tmp_path: Path
    ) -> None:
        path = str(painting.rename(tmp_path / name))
        assert parse_style(path) == [(Path(path), 1)]
        assert parse_style([f"{path}=3", "wave"]) == [(Path(path), 0.75), ("wave", 0.25)]
        assert parse_style({path: 1}) == [(Path(path), 1)]

    def test_what_has_no_weight_is_left_out(self) -> None:
        assert parse_style({"wave": 1, "minotaur": 0}) == [("wave", 1)]
        assert identity_of(["wave=1", "minotaur=0"]).params == {"style": "wave"}

    def test_one_of_itself_is_itself(self) -> None:
        numbers = identity_of(["wave", "wave"]).params["numbers"]
        assert torch.equal(vector_of(numbers), load_weights()[1]["wave"])


class TestRefused:
    @pytest.mark.parametrize(
        ("style", "said"),
        [
            ("cubism", r"unknown style 'cubism'\. Styles: .*starry_night.*path of an image"),
            ("nothing.jpg", r"image 'nothing\.jpg' does not exist\. Styles: .*starry_night"),
            ("no/where", "image 'no/where' does not exist"),
            ("./", r"image '\./' is a folder"),
            ("~nobody-has-this-name/x.jpg", "nobody-has-this-name"),
            ("a\0b", "is not the path of a file"),
            ("x" * 5000, "unknown style 'xxx"),
            ("wave=0.5", "only 'wave' is given; for less of it, use the option strength"),
            ("wave=much", "weight of style 'wave' is a number from 0 up, not 'much'"),
            (["wave", "minotaur=-1"], "weight of style 'minotaur' .* not '-1'"),
            (["wave", "minotaur=nan"], "weight of style 'minotaur'"),
            ({"wave": True, "minotaur": 1}, "weight of style 'wave' .* not True"),
            ({"wave": None}, "weight of style 'wave'"),
            ({"wave": 0, "minotaur": 0}, "all weights of the styles are 0"),
            (["wave"] * 17, "17 styles are given; from 1 to 16"),
            ([5], "5 is no style"),
            (5, "5 is no style"),
            (["wave", "cubism"], "unknown style 'cubism'"),
        ],
        ids=lambda value: str(value)[:30],
    )
    def test_what_is_no_style(self, style: object, said: str) -> None:
        with pytest.raises(ScorerOptionError, match=said):
            identity_of(style)

    @pytest.mark.parametrize("content", [b"", b"not an image", b"\x89PNG\r\n\x1a\n" + b"\0" * 50])
    def test_a_file_that_is_no_image(
        self, content: bytes, painting: Path, fits: list[torch.Tensor]
    ) -> None:
        painting.write_bytes(content)
        with pytest.raises(ScorerOptionError, match=r"2\.png' cannot be read .*use a JPEG"):
            identity_of(str(painting))
        assert not fits

    @pytest.mark.parametrize(
        "change",
        [
            {"numbers": "AAAA"},
            {"numbers": "not base64"},
            {"numbers": "ä"},
            {"numbers": 5},
            {"numbers": text_of(torch.full((STYLE_LENGTH,), float("inf")))},
            {"images": "abc"},
            {"style": ["wave"]},
        ],
        ids=lambda value: str(value)[:30],
    )
    def test_numbers_that_are_no_style(self, change: dict[str, object]) -> None:
        good = identity_of(["wave", "minotaur"]).params
        with pytest.raises(ScorerOptionError, match="numbers"):
            create("fast", good | change)

    def test_a_job_planned_with_weights_of_version_2(self) -> None:
        old = {"style": "sunset", "numbers": text_of(torch.ones(1568)), "images": ["0" * 64]}
        planned = ScorerIdentity(name="fast", version="2", weights_sha256="0" * 64, params=old)
        said = r"holds 1568 numbers, not 1584: another release made it\. Install the same release"
        with pytest.raises(ScorerOptionError, match=said):
            rebuild(planned)


class TestCache:
    def test_a_painting_is_fitted_once(
        self, painting: Path, fits: list[torch.Tensor], cache: Path, tmp_path: Path
    ) -> None:
        first = identity_of(str(painting))
        assert identity_of(str(painting)) == first
        copy = tmp_path / "copy.png"
        copy.write_bytes(painting.read_bytes())
        assert identity_of(str(copy)).params["numbers"] == first.params["numbers"]
        assert len(fits) == 1
        assert len(os.listdir(cache)) == 1

    def test_another_painting_or_fit_is_another(
        self,
        painting: Path,
        fits: list[torch.Tensor],
        cache: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        first = identity_of(str(painting))
        Image.new("RGB", (80, 60), "red").save(painting)
        assert identity_of(str(painting)).params["images"] != first.params["images"]
        monkeypatch.setattr(fit, "FIT_VERSION", "other")
        identity_of(str(painting))
        assert len(fits) == 3
        assert len(os.listdir(cache)) == 3

    @pytest.mark.parametrize("damage", ["cut", "empty", "other", "swapped", "folder"])
    def test_what_does_not_read_back_is_fitted_again(
        self,
        damage: str,
        painting: Path,
        fits: list[torch.Tensor],
        cache: Path,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        first = identity_of(str(painting))
        (entry,) = cache.iterdir()
        text = entry.read_text()
        if damage == "cut":
            entry.write_text(text[:2000])
        elif damage == "empty":
            entry.write_text("")
        elif damage == "other":
            entry.write_text(json.dumps(json.loads(text) | {"key": "0" * 64}))
        elif damage == "swapped":
            numbers = json.loads(text)["numbers"]
            entry.write_text(text.replace(numbers[:8], numbers[8:16]))
        else:
            entry.unlink()
            entry.mkdir()
        assert identity_of(str(painting)) == first
        assert len(fits) == 2
        assert "is fitted again" in caplog.text
        if damage != "folder":
            assert entry.read_text() == text
        assert os.listdir(cache) == [entry.name], "nothing half-written stays"

    def test_a_cache_that_cannot_be_written_to(
        self,
        painting: Path,
        fits: list[torch.Tensor],
        cache: Path,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        cache.parent.mkdir(parents=True, exist_ok=True)
        cache.touch()
        assert identity_of(str(painting)) == identity_of(str(painting))
        assert len(fits) == 2
        assert "could not be kept" in caplog.text

    def test_the_steps_are_told(
        self, painting: Path, fits: list[torch.Tensor], caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO, "framewright")
        told: list[Progress] = []
        create("fast", {"style": str(painting)}, told.append)
        assert told == [Progress("fit", 1, 1)]
        assert "fitting the style of my painting, 2.png, once" in caplog.text
        assert "fitted in 0." in caplog.text
        assert "progress" not in describe("fast")
        with pytest.raises(ScorerOptionError, match="takes no option 'progress'"):
            create("fast", {"progress": "x"})


class TestCommand:
    def test_a_clip_in_the_style_of_an_image(
        self,
        painting: Path,
        fits: list[torch.Tensor],
        cfr25: Clip,
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """The workers are other processes, in which nothing is replaced: they get the numbers."""
        arguments = ["--style", str(painting), "--style", "wave=3", "--option", "strength=0.9"]
        report = tmp_path / "report.json"
        where = [str(cfr25.path), f"{tmp_path}/out/", "--workers", "1", "--report", str(report)]
        assert main(["score", *where, *arguments]) == 0, capsys.readouterr().err
        (result,) = (tmp_path / "out").iterdir()
        assert result.name == "cfr25.fast-my-painting-2-png-0-25-wave-0-75.mp4"
        scorer = json.loads(report.read_text())["scorer"]
        assert scorer["params"]["strength"] == 0.9
        assert len(scorer["params"]["images"]) == 1

    def test_an_image_that_is_not_there(
        self, cfr25: Clip, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        out = str(tmp_path / "out.mp4")
        assert main(["score", str(cfr25.path), out, "--style", "/no/such.jpg"]) == 2
        said = capsys.readouterr().err
        assert "the image '/no/such.jpg' does not exist" in said
        assert all(name in said for name in style_names())
