"""Finds objects: torchvision's detection networks, with weights that the user gives.

Records instead of pictures: a row per object, with its class, score and box. Nothing is downloaded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from framewright.errors import ScorerOptionError
from framewright.scorers.asset import asset, local_path
from framewright.scorers.base import Column, Row
from framewright.types import ScorerIdentity

if TYPE_CHECKING:
    import torch

__all__ = ["DetectScorer"]

_MODELS = {
    "ssdlite320_mobilenet_v3_large": ("score_thresh", "detections_per_img"),
    "ssd300_vgg16": ("score_thresh", "detections_per_img"),
    "fasterrcnn_mobilenet_v3_large_320_fpn": ("box_score_thresh", "box_detections_per_img"),
    "fasterrcnn_mobilenet_v3_large_fpn": ("box_score_thresh", "box_detections_per_img"),
    "fasterrcnn_resnet50_fpn_v2": ("box_score_thresh", "box_detections_per_img"),
    "retinanet_resnet50_fpn_v2": ("score_thresh", "detections_per_img"),
    "fcos_resnet50_fpn": ("score_thresh", "detections_per_img"),
}
"""torchvision's builders, with what they call the least score and the most objects."""

_COCO_CLASSES = 91
_MAX_CLASSES = 10_000
_MAX_OBJECTS = 1_000
_MAX_LABEL_LETTERS = 200
_MAX_LABELS_BYTES = 1 << 20
_MAX_WEIGHTS_BYTES = 4 << 30
_ADVICE = "Give the num_classes or labels that they were trained with."


class DetectScorer:
    """Finds objects and records the class, score and box of each."""

    context_frames = 0
    columns = (
        Column("label", "int64", "number of the class, as the model has it"),
        Column("name", "string", "name of the class"),
        Column("score", "float32", "how sure the model is, from 0 to 1"),
        Column("x0", "float32", "left edge of the box, in pixels of the frame as shown"),
        Column("y0", "float32", "upper edge of the box, in pixels of the frame as shown"),
        Column("x1", "float32", "right edge of the box, in pixels of the frame as shown"),
        Column("y1", "float32", "lower edge of the box, in pixels of the frame as shown"),
    )

    def __init__(
        self,
        weights: str | Path,
        model: str = "ssdlite320_mobilenet_v3_large",
        num_classes: int = 0,
        labels: str | Path | Sequence[str] = "",
        threshold: float = 0.5,
        max_objects: int = 100,
    ) -> None:
        """Name a model and its weights; they are compared before anything is scored.

        Args:
            weights: file of a state dict, by ``torch.save`` or as safetensors.
            model: name of torchvision's builder.
            num_classes: classes that the weights tell apart, the background included where the
                model has one; that many labels, or the 91 of COCO, if 0.
            labels: names of the classes from number 0 on: a text file with one on each line, or a
                list. Those of COCO if empty and there are 91; else the numbers are the names.
            threshold: least score of an object, in [0, 1].
            max_objects: most objects in a frame, 1 to 1000; those with the highest scores stay.

        Raises:
            ScorerOptionError: an option is out of range, or the weights are not the model's.
        """
        if model not in _MODELS:
            raise ScorerOptionError(
                f"unknown model {model!r} of scorer 'detect'. Models: {', '.join(_MODELS)}."
            )
        self._model_name = model
        self._labels = _labels(labels)
        count = int(_number("num_classes", num_classes, int, 0, _MAX_CLASSES))
        self._num_classes = count or len(self._labels) or _COCO_CLASSES
        if self._labels and len(self._labels) != self._num_classes:
            raise ScorerOptionError(
                f"scorer 'detect' was given {len(self._labels)} labels for num_classes="
                f"{self._num_classes}: name each class from number 0 on, the background, too."
            )
        self._threshold = float(_number("threshold", threshold, float, 0, 1))
        self._max_objects = int(_number("max_objects", max_objects, int, 1, _MAX_OBJECTS))
        self._weights = asset(weights, _MAX_WEIGHTS_BYTES)
        self.assets = (self._weights,)
        _check_fit(_state_of(self._weights.path), self._build("meta"), self._weights.path, model)
        self.identity = self._identity()

    def _identity(self) -> ScorerIdentity:
        return ScorerIdentity(
            name="detect",
            version="1",
            weights_sha256=self._weights.sha256,
            params={
                "weights": self._weights.reference,
                "model": self._model_name,
                "num_classes": self._num_classes,
                "labels": self._labels,
                "threshold": self._threshold,
                "max_objects": self._max_objects,
            },
            result="records",
        )

    def setup(self, device: torch.device, threads: int) -> None:
        """Build the model with its weights on a device."""
        self._names = self._labels or _default_names(self._num_classes)
        network = self._build("cpu")
        network.load_state_dict(_state_of(self._weights.path))
        self._network = network.eval().to(device)
        self._alone = device.type == "cpu"

    def record(self, frames: torch.Tensor) -> Sequence[Sequence[Row]]:
        """Find the objects of each frame, those with the highest scores first.

        On a CPU frames go through the network one by one, so that a frame's records do not depend
        on its batch, bit by bit.
        """
        if self._alone:
            found = [self._network([frame])[0] for frame in frames]
        else:
            found = self._network(list(frames))
        return [self._rows(objects) for objects in found]

    def _rows(self, objects: Mapping[str, torch.Tensor]) -> list[Row]:
        scores, labels = objects["scores"], objects["labels"]
        order = scores.argsort(descending=True, stable=True)[: self._max_objects]
        kept = order[scores[order] >= self._threshold]
        values = zip(
            labels[kept].tolist(),
            scores[kept].tolist(),
            objects["boxes"][kept].tolist(),
            strict=True,
        )
        return [
            {
                "label": label,
                "name": self._names[label],
                "score": score,
                **dict(zip(("x0", "y0", "x1", "y1"), box, strict=True)),
            }
            for label, score, box in values
        ]

    def _build(self, device: str) -> torch.nn.Module:
        import torch
        from torchvision.models import detection

        least, most = _MODELS[self._model_name]
        options = {least: self._threshold, most: self._max_objects}
        with torch.device(device):
            network: torch.nn.Module = getattr(detection, self._model_name)(
                weights=None, weights_backbone=None, num_classes=self._num_classes, **options
            )
        return network


def _number(name: str, value: Any, kind: type[int] | type[float], least: int, most: int) -> float:
    try:
        number = kind(value)
    except (TypeError, ValueError, OverflowError):
        number = kind(-1)
    if isinstance(value, bool) or not least <= number <= most or number != float(value):
        what = "a whole number" if kind is int else "a number"
        raise ScorerOptionError(
            f"option {name} of scorer 'detect' is {what} from {least} to {most}, not {value!r}."
        )
    return number


def _labels(labels: str | Path | Sequence[str]) -> list[str]:
    """Return names of classes: as they are given, or the lines of a file."""
    if isinstance(labels, str | Path):
        if not str(labels):
            return []
        path = local_path(labels)
        try:
            if path.stat().st_size > _MAX_LABELS_BYTES:
                raise ScorerOptionError(
                    f"the labels {str(path)!r} are larger than {_MAX_LABELS_BYTES} bytes."
                )
            names = path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise ScorerOptionError(
                f"the labels {str(path)!r} cannot be read ({error}); use a text file in UTF-8 with "
                "a name on each line."
            ) from error
    else:
        names = list(labels)
    if len(names) > _MAX_CLASSES or not all(
        isinstance(name, str) and len(name) <= _MAX_LABEL_LETTERS for name in names
    ):
        raise ScorerOptionError(
            f"labels of scorer 'detect' are at most {_MAX_CLASSES} texts of at most "
            f"{_MAX_LABEL_LETTERS} letters."
        )
    return names


def _default_names(num_classes: int) -> list[str]:
    """Names of COCO's classes, which torchvision's own weights tell apart, or mere numbers."""
    from torchvision.models.detection import FasterRCNN_ResNet50_FPN_V2_Weights as Coco

    coco: list[str] = Coco.DEFAULT.meta["categories"]
    return coco if num_classes == len(coco) else [str(number) for number in range(num_classes)]


def _state_of(path: Path) -> dict[str, torch.Tensor]:
    """Read a state dict; nothing of the file is run."""
    import torch

    from framewright.perceptual.weights_file import load_weights_file

    try:
        state = load_weights_file(path, _MAX_WEIGHTS_BYTES)
    except ValueError as error:
        raise ScorerOptionError(
            f"the weights {path.name!r} cannot be used: {error}. Save them by "
            "torch.save(model.state_dict(), ...) or as safetensors."
        ) from error
    if not isinstance(state, dict) or not all(
        isinstance(key, str) and isinstance(value, torch.Tensor) for key, value in state.items()
    ):
        raise ScorerOptionError(
            f"the weights {path.name!r} hold something else than a state dict: save them by "
            "torch.save(model.state_dict(), ...)."
        )
    return state


def _check_fit(
    state: Mapping[str, torch.Tensor], network: torch.nn.Module, path: Path, model: str
) -> None:
    """Refuse weights of another network or of another number of classes."""
    wanted = network.state_dict()
    counters = {name for name in wanted if name.endswith("num_batches_tracked")}  # not used
    unlike = [n for n, one in state.items() if n in wanted and one.shape != wanted[n].shape]
    fitting = {name: one for name, one in state.items() if name not in unlike}
    # torchvision renames what its older releases called otherwise.
    try:
        result = network.load_state_dict(fitting, strict=False, assign=True)
    except RuntimeError as error:
        raise ScorerOptionError(
            f"the weights {path.name!r} do not fit {model}: {error}. {_ADVICE}"
        ) from error
    missing = set(result.missing_keys) - counters - set(unlike)
    extra = result.unexpected_keys
    if missing or extra:
        raise ScorerOptionError(
            f"the weights {path.name!r} are not those of {model}: {len(missing)} tensors are "
            f"missing, {len(extra)} are unknown, such as {min(missing or extra)!r}. Name the model "
            "that they were made for."
        )
    for name in unlike:
        raise ScorerOptionError(
            f"the weights {path.name!r} do not fit {model}: {name!r} has the shape "
            f"{tuple(state[name].shape)}, and {tuple(wanted[name].shape)} is expected. {_ADVICE}"
        )
