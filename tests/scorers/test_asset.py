"""Files of the user's, by their content: named on the driver, found on a worker."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from framewright.errors import EnvironmentMismatch, ScorerOptionError
from framewright.scorers import asset as asset_module
from framewright.scorers import create, rebuild
from framewright.scorers.asset import Asset, asset, fetched_by, references
from framewright.scorers.base import HasAssets
from framewright.types import ScorerIdentity
from tests.support import Weighted, register

HASH = hashlib.sha256(b"weights").hexdigest()


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    path = tmp_path / "My model.PTH"
    path.write_bytes(b"weights")
    return path


def test_a_file_is_named_by_its_content(weights: Path) -> None:
    found = asset(weights)
    assert found == Asset(HASH, ".pth", weights)
    assert found.reference == f"asset:{HASH}.pth"
    assert found.key == f"assets/{HASH[:2]}/{HASH}"
    assert asset(str(weights)) == found


@pytest.mark.parametrize("name", ["weights", "weights.tar gz", "weights.ü", "weights." + "a" * 17])
def test_a_suffix_of_letters_and_digits_or_none(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"weights")
    assert asset(tmp_path / name).reference == f"asset:{HASH}"


def test_a_file_is_hashed_once_and_again_when_it_changes(
    weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Path] = []
    known = asset_module.file_sha256

    def counted(path: Path) -> str:
        read.append(path)
        return known(path)

    monkeypatch.setattr(asset_module, "file_sha256", counted)
    assert asset(weights) == asset(weights)
    assert len(read) == 1
    weights.write_bytes(b"other weights")
    assert asset(weights).sha256 == hashlib.sha256(b"other weights").hexdigest()


def test_what_is_no_file_is_refused(tmp_path: Path, weights: Path) -> None:
    (tmp_path / "empty").touch()
    for given, said in (
        (tmp_path / "nothing.pth", r"nothing\.pth' cannot be read \(No such file"),
        (tmp_path, "is not a file"),
        (tmp_path / "empty", "has 0 bytes; from 1 to"),
        ("", "is not the path of a file"),
        (3, "is not the path of a file"),
        ("a\0b", "is not the path of a file"),
        ("~no-such-user/x.png", "its user has no home folder here; give the path without '~'"),
        (f"asset:{HASH}.pth", "cannot be read"),
    ):
        with pytest.raises(ScorerOptionError, match=said):
            asset(given)  # type: ignore[arg-type]
    with pytest.raises(ScorerOptionError, match="has 7 bytes; from 1 to 6 are accepted"):
        asset(weights, max_bytes=6)


def test_references_are_found_at_any_depth() -> None:
    one, two = f"asset:{'a' * 64}.onnx", f"asset:{'b' * 64}"
    params = {"x": one, "y": [1, {"z": (two, "asset:short")}], "w": f" {one}"}
    assert [found.reference for found in references(params)] == [one, two]


def test_a_worker_finds_the_same_bytes_elsewhere(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(monkeypatch, Weighted, "weighted")
    planned = create("weighted", {"weights": str(weights)})
    assert isinstance(planned, HasAssets)
    (tmp_path / "elsewhere").write_bytes(b"weights")
    identity = ScorerIdentity.model_validate_json(planned.identity.model_dump_json())
    rebuilt = rebuild(identity, lambda _: tmp_path / "elsewhere")
    assert rebuilt.identity == planned.identity
    assert isinstance(rebuilt, HasAssets)
    assert [one.path for one in rebuilt.assets] == [tmp_path / "elsewhere"]
    with pytest.raises(ScorerOptionError, match=f"no store from which to fetch asset:{HASH}.pth"):
        rebuild(identity)


@pytest.mark.parametrize(
    "reference",
    [
        *("{path}", "asset:{path}", "asset:{hash}.pth/../x", "asset:{hash}.", "asset:{hash}.pth\n"),
        *("asset:{HASH}.pth", "asset:{hash}.PTH", "file:{path}", " asset:{hash}", ""),
    ],
)
def test_a_manifest_makes_a_worker_open_no_other_file(
    reference: str, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(monkeypatch, Weighted, "weighted")
    text = reference.format(path=weights, hash=HASH, HASH=HASH.upper())
    identity = ScorerIdentity(name="weighted", version="1", params={"weights": text})
    asked: list[Asset] = []

    def fetch(one: Asset) -> Path:
        asked.append(one)
        return weights

    def read(path: Path) -> str:
        pytest.fail(f"{path} was read")

    monkeypatch.setattr(asset_module, "file_sha256", read)
    with pytest.raises(ScorerOptionError, match="opens only files that the driver has put"):
        rebuild(identity, fetch)
    assert asked == []


def test_nor_does_the_scorer_color(tmp_path: Path) -> None:
    (tmp_path / "secret.png").write_bytes(b"no image: opening it would give another message")
    params = {"image": str(tmp_path / "secret.png")}
    with pytest.raises(ScorerOptionError, match="opens only files that the driver has put"):
        rebuild(ScorerIdentity(name="color", version="1", params=params))


def test_a_worker_that_builds_a_scorer_changes_nothing_for_others(weights: Path) -> None:
    with pytest.raises(EnvironmentMismatch), fetched_by(lambda _: weights):
        assert asset(f"asset:{HASH}.pth").path == weights
        raise EnvironmentMismatch("whatever")
    assert asset(weights).path == weights
