"""The ``gatys`` scorer: every frame is optimised to have a painting's texture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from framewright.errors import ScorerOptionError
from framewright.scorers.fast.weights import style_names, weights_sha256
from framewright.scorers.gatys.options import (
    checked_number,
    checked_switch,
    encoder_asset,
    open_encoder,
    packed,
    unpacked,
)
from framewright.types import ScorerIdentity, fingerprint

if TYPE_CHECKING:
    import torch

    from framewright.scorers.gatys.optimise import Plain, Remembered, Steady

__all__ = ["GatysScorer"]

_STEPS, _COMPAT_STEPS = 8, 300
_CONTEXT_FRAMES = 40
"""So that a frame that is optimised alone comes eight frames or more before the stabiliser's."""


class GatysScorer:
    """Optimises every frame until a network sees the texture of a painting in it; slow."""

    worker_options = ("painting",)

    def __init__(
        self,
        style: str | Path = "",
        strength: float = 0.5,
        steps: int = 0,
        short_side: int = 360,
        encoder: str | Path = "small",
        compat: bool = False,
        painted_start: bool = True,
        painting: str = "",
    ) -> None:
        """Choose the painting and how much to do.

        Args:
            style: path of an image file; with painting just its name, and not read.
            strength: 0 for the video as it is, 0.5 for the balance of the 2018 reference, 1 for
                texture alone.
            steps: evaluations of the loss for each frame, 1 to 2000; the first frame of a scene
                gets four times as many, and from 128 lines on as many again at half its size;
                every 32nd gets that besides its own. 0 for 8, or for 300 with compat.
            short_side: pixels of the shorter side at which larger frames are optimised, 64 to
                2160; strokes are as large in the frame as they are in the painting.
            encoder: ``small``, which is shipped; ``vgg19``, which is downloaded; or a file.
            compat: do what the 2018 reference did: every frame alone, from itself, in a square.
            painted_start: start half from pictures of the network that ``fast`` ships: broader
                strokes. Without it from frames in the painting's colours alone.
            painting: the image as text, which workers get.

        Raises:
            ScorerOptionError: no image, or a value that is not possible.
        """
        self._strength = checked_number("strength", strength, 0, 1, whole=False)
        chosen = int(checked_number("steps", steps, 0, 2000, whole=True))
        self._side = int(checked_number("short_side", short_side, 64, 2160, whole=True))
        self._compat = checked_switch("compat", compat)
        self._painted = checked_switch("painted_start", painted_start)
        if self._compat and str(encoder) == "small":
            raise ScorerOptionError("compat compares with VGG-19: use encoder=vgg19 or its file.")
        if self._compat and self._strength != 0.5:
            raise ScorerOptionError("compat has the reference's weights: leave strength as it is.")
        self._painting = _checked(painting) if painting else packed(_image(style))
        self._weights = encoder_asset(str(encoder))
        self.assets = () if self._weights is None else (self._weights,)
        self._steps = chosen or (_COMPAT_STEPS if self._compat else _STEPS)
        self.context_frames = 0 if self._compat or not self._strength else _CONTEXT_FRAMES
        self.identity = self._identity(Path(style).name)

    def _identity(self, style: str) -> ScorerIdentity:
        from framewright.perceptual.small import encoder_sha256

        params: dict[str, Any] = {
            "style": style,
            "strength": self._strength,
            "steps": self._steps,
            "short_side": self._side,
            "encoder": "small" if self._weights is None else self._weights.reference,
            "compat": self._compat,
            "painted_start": self._painted,
            "painting": self._painting,
        }
        return ScorerIdentity(
            name="gatys",
            version="4",
            weights_sha256=fingerprint([weights_sha256(), encoder_sha256()]),
            params=params,
            flickers=self._strength > 0,
        )

    @staticmethod
    def label(style: str | Path = "", **_: object) -> str:
        """Say what the painting is called, without reading it; see ``Labelled``."""
        return Path(_image(style)).name

    def setup(self, device: torch.device, threads: int) -> None:
        """Load the encoder and look at the painting."""
        import torch

        from framewright.perceptual.slices import VggEncoder
        from framewright.scorers.gatys.optimise import Plain, Steady

        torch.set_num_threads(threads)
        painting = unpacked(self._painting).to(device)
        encoder = open_encoder(self._weights).to(device)
        self._run: Plain | Steady
        if isinstance(encoder, VggEncoder) and self._compat:
            self._run = Plain(encoder, painting, self._steps, self._side)
        else:
            self._run = Steady(
                encoder, painting, self._strength, self._steps, self._side, self._painted
            )
        self.begin(0)

    def begin(self, first: int) -> None:
        """Forget the frame before; the next is number ``first`` of the video."""
        self._before: Remembered | None = None
        self._next = first

    def score(self, frames: torch.Tensor) -> torch.Tensor:
        """Optimise consecutive frames, shape (N, 3, H, W), one after the other.

        Without strength they are returned as they are.
        """
        import torch

        if not self._strength:
            return frames
        with torch.inference_mode(False), torch.enable_grad():
            before, pictures = self._before, []
            for number, frame in enumerate(torch.split(frames.clone(), 1), self._next):
                picture, before = self._run(frame, before, number)
                pictures.append(picture)
            result = torch.cat(pictures)
        self._before, self._next = before, self._next + len(frames)
        return result


def _image(style: str | Path) -> str | Path:
    """Return the path of an image; refuse what is none, or the name of a shipped style."""
    if not isinstance(style, str | Path) or not str(style):
        raise ScorerOptionError(
            "scorer 'gatys' needs an image: give the path of a JPEG, PNG, WebP, TIFF or BMP file "
            "as the option style."
        )
    if str(style) in style_names():
        raise ScorerOptionError(
            f"scorer 'gatys' looks at the painting itself, and {str(style)!r} is only a name: give "
            "the path of an image file as the option style, or use the scorer 'fast'."
        )
    return style


def _checked(painting: object) -> str:
    if not isinstance(painting, str):
        raise ScorerOptionError("option painting of scorer 'gatys' is text; give style instead.")
    unpacked(painting)
    return painting
