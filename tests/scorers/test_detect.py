"""The scorer of objects: its options, its weights, and a run through the whole path."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import save_file
from torchvision.models import detection

from framewright.assets import assets_of
from framewright.cli import main
from framewright.errors import EnvironmentMismatch, ScorerOptionError
from framewright.score import score_unit
from framewright.scorers import RecordScorer, create, rebuild
from framewright.scorers.detect import DetectScorer
from framewright.stitch import stitch
from framewright.types import ScorerIdentity
from tests.moving import HEIGHT, WIDTH, moving_squares
from tests.support import plan_job
from tests.torture.tool import ffmpeg

ROOT = Path(__file__).parents[2]

MODEL = "ssdlite320_mobilenet_v3_large"
LABELS = ["background", "cup", "cat"]
COLUMNS = ["label", "name", "score", "x0", "y0", "x1", "y1"]


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights, from a seed, of a network that tells two things from the background.

    Its variances are made small, so that signals reach its end and scores differ.
    """
    torch.manual_seed(4)
    network = getattr(detection, MODEL)(weights=None, weights_backbone=None, num_classes=3)
    state = network.state_dict()
    for name in state:
        if name.endswith("running_var"):
            state[name] *= 0.02
    path = tmp_path_factory.mktemp("weights") / "tiny.pth"
    torch.save(state, path)
    return path


@pytest.fixture(scope="module")
def ready(weights: Path) -> DetectScorer:
    scorer = DetectScorer(str(weights), labels=LABELS, threshold="0.34", max_objects="7")  # type: ignore[arg-type]
    scorer.setup(torch.device("cpu"), 1)
    return scorer


def frames() -> torch.Tensor:
    torch.manual_seed(1)
    return torch.rand(2, 3, HEIGHT, WIDTH)


def test_records_are_what_torchvision_finds(ready: DetectScorer, weights: Path) -> None:
    """The same as the network alone, with everything it finds, sorted, cut and named."""
    network = getattr(detection, MODEL)(
        weights=None, weights_backbone=None, num_classes=3, score_thresh=0.34
    )
    network.load_state_dict(torch.load(weights, weights_only=True))
    network.eval()
    for rows, frame in zip(ready.record(frames()), frames(), strict=True):
        with torch.inference_mode():
            [found] = network([frame])
        best = found["scores"].argsort(descending=True, stable=True)[:7]
        assert len(rows) == 7
        assert rows[0]["score"] > rows[6]["score"]
        assert all(list(row) == COLUMNS for row in rows)
        assert [row["score"] for row in rows] == found["scores"][best].tolist()
        assert [[row[name] for name in COLUMNS[3:]] for row in rows] == found["boxes"][
            best
        ].tolist()
        assert [LABELS.index(str(row["name"])) for row in rows] == found["labels"][best].tolist()
        assert all(0 <= row["x0"] <= row["x1"] <= WIDTH for row in rows)  # type: ignore[operator]


def test_names_of_older_torchvision_are_understood(tmp_path: Path) -> None:
    """torchvision itself loads what was saved before it renamed a layer."""
    model = "fasterrcnn_mobilenet_v3_large_320_fpn"
    build = getattr(detection, model)
    torch.manual_seed(4)
    state = build(weights=None, weights_backbone=None, num_classes=3).state_dict()
    old = {name.replace("rpn.head.conv.0.0.", "rpn.head.conv."): one for name, one in state.items()}
    assert old.keys() != state.keys()
    found = []
    for name, weights in (("new", state), ("old", old)):
        torch.save(weights, tmp_path / f"{name}.pth")
        given = {"model": model, "num_classes": 3, "threshold": 0, "max_objects": 4}
        scorer = DetectScorer(weights=tmp_path / f"{name}.pth", **given)
        scorer.setup(torch.device("cpu"), 1)
        with torch.inference_mode():
            found.append(scorer.record(frames()[:1]))
    assert found[0] == found[1]
    assert len(found[0][0]) == 4
    del old["rpn.head.cls_logits.bias"]
    torch.save(old, tmp_path / "less.pth")
    with pytest.raises(ScorerOptionError, match=r"1 tensors are missing, 0 are .*cls_logits\.bias"):
        DetectScorer(weights=tmp_path / "less.pth", model=model, num_classes=3)


def test_a_frame_does_not_depend_on_its_batch(ready: DetectScorer) -> None:
    alone = [ready.record(frame[None])[0] for frame in frames()]
    assert list(ready.record(frames())) == alone


def test_safetensors_are_the_same(ready: DetectScorer, weights: Path, tmp_path: Path) -> None:
    """Also without the counters of batches, which torchvision's own weights do not have."""
    path = tmp_path / "tiny.safetensors"
    state = torch.load(weights, weights_only=True)
    save_file({k: v for k, v in state.items() if not k.endswith("num_batches_tracked")}, path)
    scorer = DetectScorer(path, labels=LABELS, threshold=0.34, max_objects=7)
    scorer.setup(torch.device("cpu"), 1)
    assert scorer.record(frames()[:1]) == ready.record(frames()[:1])


def test_keeps_the_protocol(ready: DetectScorer, weights: Path) -> None:
    assert isinstance(ready, RecordScorer)
    assert [column.name for column in ready.columns] == COLUMNS
    identity = ready.identity
    again = ScorerIdentity.model_validate_json(identity.model_dump_json())
    assert rebuild(again, lambda asset: weights).identity == identity
    other = identity.model_copy(update={"version": "0"})
    with pytest.raises(EnvironmentMismatch, match="scorer 'detect' was planned as version 0"):
        rebuild(other, lambda asset: weights)
    with pytest.raises(ScorerOptionError, match="scorer 'detect' takes no option 'nonsense'"):
        create("detect", {"nonsense": 1})


def test_labels_come_from_a_file_and_go_with_the_job(weights: Path, tmp_path: Path) -> None:
    path = tmp_path / "labels.txt"
    path.write_text("\n".join(LABELS))
    identity = create("detect", {"weights": str(weights), "labels": str(path)}).identity
    assert identity.params["labels"] == LABELS
    assert identity.params["num_classes"] == 3
    assert str(tmp_path) not in identity.model_dump_json()


class Harm:
    def __reduce__(self) -> tuple[Any, ...]:
        return print, ("run",)


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"no weights", b"a text file", b"\x80\x02", b".", b"PK\x03\x04"),
        *(pickle.dumps({"a": Harm()}, 2), pickle.dumps({"a": 1.0}, 2)[:-6]),
    ],
)
def test_a_file_that_is_no_state_dict_is_refused(
    content: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "bad.pth"
    path.write_bytes(content)
    with pytest.raises(ScorerOptionError, match=r"bad\.pth"):
        DetectScorer(path, labels=LABELS)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"model": "yolo"}, "unknown model 'yolo' .* Models: ssdlite320"),
        ({"model": "fasterrcnn_mobilenet_v3_large_fpn"}, "are not those of fasterrcnn"),
        ({"num_classes": 91}, "has the shape .*, and .* is expected. Give the num_classes"),
        ({"num_classes": 2, "labels": LABELS}, "3 labels for num_classes=2"),
        ({"num_classes": 2.5}, "num_classes .* a whole number from 0 to 10000, not 2.5"),
        ({"threshold": "high"}, "threshold .* a number from 0 to 1, not 'high'"),
        ({"threshold": float("nan")}, "threshold .* a number from 0 to 1, not nan"),
        ({"max_objects": 0}, "max_objects .* from 1 to 1000, not 0"),
        ({"labels": "/nowhere/labels.txt"}, "labels '/nowhere/labels.txt' cannot be read"),
        ({"labels": [1, 2, 3]}, "labels of scorer 'detect' are at most"),
    ],
)
def test_options_out_of_range_are_refused(
    options: dict[str, Any], said: str, weights: Path
) -> None:
    with pytest.raises(ScorerOptionError, match=said):
        DetectScorer(weights, **options)


def test_the_whole_path(weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The command, a scoring process of its own, weights from the store, a table at the end."""
    source = moving_squares(tmp_path / "clip.mp4", count=3)
    labels = tmp_path / "labels.txt"
    labels.write_text("\n".join(LABELS))
    command = ["score", str(source), f"{tmp_path}/out/", "--scorer", "detect", "--workers", "1"]
    for option in (f"weights={weights}", f"labels={labels}", "threshold=0", "max_objects=5"):
        command += ["--option", option]
    assert main(command) == 0
    out = tmp_path / "out" / "clip.detect.parquet"
    table = pq.read_table(out)
    assert table.column_names == ["frame", "pts", "time", "held", *COLUMNS]
    assert table["frame"].to_pylist() == [0] * 5 + [1] * 5 + [2] * 5
    assert set(table["name"].to_pylist()) <= {"cup", "cat"}
    said = capsys.readouterr().out
    assert "3 frames in, 15 records out" in said
    assert f"output: {out}" in said


def test_another_architecture_on_a_real_clip_however_it_is_cut(tmp_path: Path) -> None:
    """In three units or one the table is the same, byte by byte."""
    model = "fasterrcnn_mobilenet_v3_large_320_fpn"
    torch.manual_seed(4)
    network = getattr(detection, model)(weights=None, weights_backbone=None)
    torch.save(network.state_dict(), tmp_path / "random.pth")
    options = {"weights": tmp_path / "random.pth", "model": model, "threshold": 0.01}
    scorer = create("detect", {**options, "max_objects": 3})
    source = tmp_path / "lake.mp4"
    ffmpeg("-i", ROOT / "demo/sample.mp4", "-frames:v", "5", "-an", "-c:v", "libx264", source)
    tables = []
    for seconds, units in ((0.1, 3), (10, 1)):
        folder = tmp_path / str(units)
        store, manifest = plan_job(
            source,
            folder,
            unit_seconds=seconds,
            scorer=scorer.identity,
            assets=assets_of(scorer),
        )
        for unit in manifest.units:
            score_unit(store, manifest.job_key, unit.index)
        stitch(store, manifest, source, folder / "out.parquet")
        assert len(manifest.units) == units
        tables.append(folder / "out.parquet")
    rows = pq.read_table(tables[0])
    assert tables[0].read_bytes() == tables[1].read_bytes()
    assert rows["frame"].to_pylist() == [frame for frame in range(5) for _ in range(3)]
    assert rows["time"].to_pylist()[::3] == pytest.approx([frame / 24 for frame in range(5)])
