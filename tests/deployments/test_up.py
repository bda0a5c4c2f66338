"""What `make up` keeps for itself, without starting it; tests/e2e/test_arrival.py does the rest."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from deployments import emulator, local_stack, up
from deployments.local_stack import Stack, StackError
from deployments.private import read_private, write_private, write_secret


@pytest.fixture
def home(tmp_path: Path) -> Path:
    up._keep_password(tmp_path)
    return tmp_path


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_secret_is_the_users_alone_whatever_was_there_before(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("old, and open to all")
    path.chmod(0o644)
    before = os.umask(0)
    try:
        write_secret(path, "new")
    finally:
        os.umask(before)
    assert path.read_text() == "new"
    assert mode(path) == 0o600
    assert [one.name for one in tmp_path.iterdir()] == ["secret"]


def test_the_password_is_made_once_and_known_to_every_part(home: Path) -> None:
    password = (home / up.PASSWORD_FILE).read_text()
    user, _, secret = password.partition(":")
    assert user == "framewright"
    assert len(secret) >= 32
    up._keep_password(home)
    assert (home / up.PASSWORD_FILE).read_text() == password
    stack = Stack(str(home), "http://127.0.0.1:9/api", "tcp://127.0.0.1:9")
    for name in ("", "prefect server", "prefect worker", "dask workers", "relay"):
        assert stack.environment(name)["PREFECT_API_AUTH_STRING"] == password
    assert stack.environment("prefect server")["PREFECT_SERVER_API_AUTH_STRING"] == password
    assert "PREFECT_SERVER_API_AUTH_STRING" not in stack.environment("relay")


def test_each_service_sees_its_own_secrets_only(home: Path) -> None:
    write_private(
        home,
        {"all": {"OF_ALL": "1"}, "relay": {"OF_RELAY": "2"}, "prefect worker": {"OF_WORKER": "3"}},
    )
    stack = Stack(str(home), "http://127.0.0.1:9/api", "tcp://127.0.0.1:9")
    worker = stack.environment("prefect worker")
    assert (worker["OF_ALL"], worker["OF_WORKER"]) == ("1", "3")
    assert "OF_RELAY" not in worker
    assert read_private(home / "nothing here") == {}


def test_accounts_keep_their_keys_for_what_is_stored_with_them() -> None:
    keys = emulator._keys({})
    assert sorted(keys) == ["media", "ops"]
    kept = {"AZURITE_ACCOUNTS": ";".join(f"{name}:{key}" for name, key in keys.items())}
    assert emulator._keys(kept) == keys
    assert emulator._keys({}) != keys


def test_scoring_may_not_touch_media_and_the_relay_may_not_write() -> None:
    assert set(emulator.RIGHTS["dask workers"]) == {"ops/work"}
    assert all(set(rights) <= set("rl") for rights in emulator.RIGHTS["relay"].values())
    assert set(emulator.RIGHTS["prefect worker"]["media/incoming"]) == set("rl")


@pytest.mark.parametrize(
    ("name", "style", "words"),
    [
        ("", "", r"'\.' is not a file: name a video, make put VIDEO=my\.mp4"),
        ("gone.mp4", "", r"gone\.mp4' is not a file"),
        ("empty.mp4", "", r"empty\.mp4' is empty"),
        ("my.mp4", "stary_night", "'stary_night' is neither an image file nor .* starry_night, "),
        ("my.mp4", "/nowhere/my.jpg", r"'/nowhere/my\.jpg' is neither an image file nor"),
    ],
)
def test_what_would_start_no_run_or_a_bad_one_is_not_put(
    name: str, style: str, words: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(home)
    monkeypatch.setattr(local_stack, "attach", lambda _: "one runs")
    (home / "my.mp4").write_bytes(b"video")
    (home / "empty.mp4").touch()
    with pytest.raises(StackError, match=words):
        up.put(home, Path(name), style)


def test_what_is_no_source_is_put_and_told(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(up, "put", lambda _, file, style: f"az://media/incoming/{file.name}")
    assert up.main(["put", "a.mp4", "a.mask.mp4", "framewright.yaml", "--home", str(home)]) == 0
    [source, mask, note] = capsys.readouterr().out.splitlines()
    assert source == "az://media/incoming/a.mp4"
    assert mask.startswith("az://media/incoming/a.mask.mp4: starts no run")
    assert "starts no run" in note


def test_nothing_is_put_where_nothing_runs(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(StackError, match=r"no stack runs in .*: make up"):
        up.put(home, home / "my.mp4")
    assert up.main(["put", "my.mp4", "--home", str(home)]) == 1
    assert up.main(["status", "--home", str(home)]) == 1
    assert "not running" in capsys.readouterr().out
    assert up.main(["down", "--home", str(home)]) == 0
