"""What the doctor says of addresses: in words, without secrets, and with what to do next."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from azure.storage.blob import ContainerClient, ContainerSasPermissions, StandardBlobTier
from azure.storage.blob import generate_container_sas as generate

from framewright.access import examine_address, shown_address
from framewright.cli import main
from framewright.doctor import Finding
from framewright.settings import get_settings
from framewright.storage.sign_in import read_token
from tests.azurite import ACCOUNT, KEY, Azurite


def looked(address: str, *, write: bool = False) -> dict[str, Finding]:
    findings = examine_address(address, write=write)
    assert all(one.advice for one in findings if one.verdict != "ok")
    assert not any("sig=" in one.found + one.advice for one in findings)
    return {one.what: one for one in findings}


def verdicts(found: dict[str, Finding]) -> dict[str, str]:
    return {what: one.verdict for what, one in found.items()}


ALL = ("reach", "kind", "sign-in", "list", "read", "write")


@pytest.fixture
def container(azure: str, azurite: Azurite) -> ContainerClient:
    """The container of ``azure``; this test signs in as that fixture says."""
    return azurite.container_named(azure.split("/")[3])


@pytest.fixture
def base(container: ContainerClient) -> str:
    return f"az://{ACCOUNT}/{container.container_name}"


class TestBlobs:
    def test_a_container(self, base: str, container: ContainerClient) -> None:
        found = looked(base, write=True)
        assert tuple(found) == ALL
        assert {what for what, one in found.items() if one.verdict != "ok"} == {"sign-in"}
        assert ", permissions rcwdl, until " in found["sign-in"].found
        assert found["kind"].found.startswith("container ")
        assert found["list"].found == "yes; nothing is there"
        assert found["read"].found == "yes; no blob was there to read"
        assert found["write"].found == "yes; what was written is deleted"
        assert list(container.list_blobs()) == []

    def test_a_blob_and_what_is_named_like_a_folder(
        self, base: str, container: ContainerClient
    ) -> None:
        container.upload_blob("a b/c?.mp4", b"12345")
        https = f"https://{ACCOUNT}.blob.core.windows.net/{container.container_name}"
        blob = looked(f"{https}/a%20b/c%3F.mp4", write=True)
        assert blob["kind"].found.startswith("blob, 5 bytes, written 20")
        assert blob["read"].found == "yes, its first byte came"
        assert blob["write"].verdict == "ok"
        assert [one.name for one in container.list_blobs()] == ["a b/c?.mp4"]
        assert looked(f"{base}/a b/")["kind"] == Finding("kind", "ok", "folder")
        assert "with '/' at its end" in looked(f"{base}/a b")["kind"].advice
        for nothing in ("A B", "a b/x.mp4", "none/"):
            assert looked(f"{base}/{nothing}")["kind"].found == "nothing is there yet"

    def test_it_writes_only_when_it_is_told_to(self, base: str, container: ContainerClient) -> None:
        before = container.get_container_properties().last_modified
        found = looked(base)["write"]
        assert found.found == "not tried; the token allows it"
        assert "--write" in found.advice
        assert container.get_container_properties().last_modified == before

    @pytest.mark.parametrize(
        ("rights", "listed", "read", "write"),
        [
            ("rl", "ok", "ok", "problem"),
            ("r", "note", "ok", "problem"),
            ("l", "ok", "problem", "problem"),
            ("cw", "note", "note", "note"),  # what was written stays
            ("rcw", "note", "ok", "note"),
            ("cwd", "note", "note", "ok"),
        ],
    )
    def test_what_is_not_allowed_is_named_and_what_to_ask_for(
        self,
        rights: str,
        listed: str,
        read: str,
        write: str,
        base: str,
        container: ContainerClient,
        azurite: Azurite,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        sas = azurite.sas(str(container.container_name), rights)
        monkeypatch.setenv("FRAMEWRIGHT_AZURE_SAS", sas)
        get_settings.cache_clear()
        found = looked(base, write=True)
        assert [found[what].verdict for what in ("list", "read", "write")] == [listed, read, write]
        assert f"permissions {rights}" in found["sign-in"].found
        for what in ("list", "read", "write"):
            if found[what].verdict == "problem":
                assert f"The right to {what} is missing" in found[what].found
                assert "Storage Blob Data" in found[what].advice
        left = [blob.name for blob in container.list_blobs()]
        assert len(left) == (write == "note")
        assert all(name in found["write"].advice for name in left)

    @pytest.mark.parametrize(
        ("rights", "name", "kind"),
        [
            ("r", "there.mp4", "blob, 1 bytes, written 20"),
            ("r", "not-there.mp4", "no blob is there"),
            ("r", "folder/", "not to be told: it may not be listed"),
            ("l", "there.mp4", "not to be told: it may not be read"),
            ("l", "folder/", "folder"),
            ("l", "none/", "nothing is there yet"),
            ("cw", "there.mp4", "not to be told: it may not be read"),
            ("cw", "folder/", "not to be told: it may not be listed"),
        ],
    )
    def test_what_cannot_be_seen_is_not_said_to_be_missing(
        self,
        rights: str,
        name: str,
        kind: str,
        base: str,
        container: ContainerClient,
        azurite: Azurite,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        for there in ("there.mp4", "folder/a.mp4"):
            container.upload_blob(there, b"1")
        sas = azurite.sas(str(container.container_name), rights)
        monkeypatch.setenv("FRAMEWRIGHT_AZURE_SAS", sas)
        get_settings.cache_clear()
        assert looked(f"{base}/{name}")["kind"].found.startswith(kind)

    def test_a_container_that_is_not_there(
        self, base: str, azurite: Azurite, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("FRAMEWRIGHT_AZURE_SAS", azurite.sas("nowhere", "rl"))
        get_settings.cache_clear()
        found = looked(f"az://{ACCOUNT}/nowhere")
        assert verdicts(found) == {"reach": "problem"}
        assert "there is no container 'nowhere'" in found["reach"].found

    def test_storage_that_does_not_answer(self, base: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("FRAMEWRIGHT_AZURE_ENDPOINT", "http://127.0.0.1:1/{account}")
        monkeypatch.setenv("FRAMEWRIGHT_AZURE_RETRY_SECONDS", "0.5")
        get_settings.cache_clear()
        found = looked(base)
        assert verdicts(found) == {"reach": "problem"}
        assert "firewall" in found["reach"].advice

    def test_a_blob_in_the_archive_tier(self, base: str, container: ContainerClient) -> None:
        container.upload_blob("old.mp4", b"12345")
        container.set_standard_blob_tier_blobs(StandardBlobTier.ARCHIVE, "old.mp4")
        found = looked(f"{base}/old.mp4")["read"]
        assert found.verdict == "problem"
        assert "is in the archive tier" in found.found
        assert "az storage blob set-tier" in found.found

    def test_an_account_key(
        self, base: str, azurite: Azurite, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("FRAMEWRIGHT_AZURE_SAS")
        monkeypatch.setenv("FRAMEWRIGHT_AZURE_CONNECTION_STRING", azurite.connection_string)
        get_settings.cache_clear()
        found = looked(base, write=True)
        assert found["sign-in"].verdict == "note"
        assert "development only" in found["sign-in"].advice
        assert found["write"].verdict == "ok"
        assert KEY not in str(found)


class TestTokens:
    @pytest.mark.parametrize(
        ("minutes", "verdict", "words"),
        [
            (-5, "problem", ", expired 20"),
            (30, "note", "in 0 h 29 min"),
            (49 * 60 + 1, "ok", "in 2 days 1 h"),
        ],
    )
    def test_the_date_of_a_token(
        self,
        minutes: int,
        verdict: str,
        words: str,
        base: str,
        container: ContainerClient,
        azurite: Azurite,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        sas = azurite.sas(str(container.container_name), "rl", minutes)
        monkeypatch.setenv("FRAMEWRIGHT_AZURE_SAS", sas)
        get_settings.cache_clear()
        found = looked(base)
        assert found["sign-in"].verdict == verdict
        assert words in found["sign-in"].found
        assert tuple(found) == (ALL[:3] if minutes < 0 else ALL)

    def test_one_that_is_not_valid_yet(
        self, base: str, container: ContainerClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        now = datetime.now(UTC)
        sas = generate(
            ACCOUNT,
            str(container.container_name),
            account_key=KEY,
            permission=ContainerSasPermissions(read=True),
            start=now + timedelta(hours=1),
            expiry=now + timedelta(hours=2),
        )
        monkeypatch.setenv("FRAMEWRIGHT_AZURE_SAS", sas)
        get_settings.cache_clear()
        found = looked(base)
        assert found["sign-in"].verdict == "problem"
        assert ", not before 20" in found["sign-in"].found

    @pytest.mark.parametrize(
        ("token", "kind", "rights"),
        [
            ("sv=1&sr=c&sp=rl&se=2099-01-01&sig=x", "service SAS of a container", "rl"),
            ("sv=1&sr=b&sp=r&skoid=1&sktid=2&sig=x", "user-delegation SAS of one blob", "r"),
            ("sv=1&ss=b&srt=co&sp=rwdl&se=2099-01-01T00:00:00Z&sig=x", "account SAS", "rwdl"),
            ("si=policy&sr=c&sig=x", "service SAS of a container", ""),
            ("anything", "service SAS of a place that is not named in it", ""),
        ],
    )
    def test_what_a_token_says_of_itself(self, token: str, kind: str, rights: str) -> None:
        found = read_token(token)
        assert (found.kind, found.rights) == (kind, rights)
        assert (found.expires is None) == ("2099" not in token)
        assert found.expires is None or found.expires == datetime(2099, 1, 1, tzinfo=UTC)

    def test_one_ends_with_the_key_that_signs_it(self) -> None:
        found = read_token("sr=c&skoid=1&se=2099-01-09T00:00:00Z&ske=2099-01-07T00:00:00Z&sp=r")
        assert found.expires == datetime(2099, 1, 7, tzinfo=UTC)

    def test_nobody_sees_one(
        self,
        base: str,
        container: ContainerClient,
        azurite: Azurite,
        monkeypatch: pytest.MonkeyPatch,
        capfd: pytest.CaptureFixture[str],
    ) -> None:
        monkeypatch.delenv("FRAMEWRIGHT_AZURE_SAS")
        name = str(container.container_name)
        token = azurite.sas(name, "rl")
        address = f"https://{ACCOUNT}.blob.core.windows.net/{name}"
        assert main(["doctor", f"{address}?{token}", f"{address}/x?{token}", "-v"]) == 0
        said = "".join(capfd.readouterr())
        assert said.count("the SAS token of the address: service SAS of a container") == 2
        assert token.rpartition("sig=")[2] not in said
        assert shown_address(f"https://me:secret@host/a?{token}") == "https://host/a"
        assert shown_address(f"{ACCOUNT}.blob.core.windows.net/a?{token}").endswith("net/a")


def allowed(path: Path, **options: Any) -> dict[str, str]:
    return verdicts(looked(str(path), **options))


class TestFiles:
    def test_a_file_a_folder_and_nothing(self, tmp_path: Path) -> None:
        (tmp_path / "a.mp4").write_bytes(b"123")
        file = looked(f"file://{tmp_path}/a.mp4", write=True)
        assert tuple(file) == ("reach", "kind", "sign-in", "read", "write")
        assert file["kind"].found == "file, 3 bytes"
        assert set(verdicts(file).values()) == {"ok"}
        assert allowed(tmp_path, write=True)["list"] == "ok"
        nothing = looked(f"{tmp_path}/new/b.mp4", write=True)
        assert f"nothing is there yet; {str(tmp_path)!r} is" in nothing["kind"].found
        assert nothing["write"].verdict == "ok"
        assert os.listdir(tmp_path) == ["a.mp4"], "what was written is gone"
        assert allowed(tmp_path)["write"] == "note"

    @pytest.mark.parametrize("name", ["what now?.mp4", "a@b?c.mp4"])
    def test_a_question_mark_is_one_of_the_name(
        self, name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (tmp_path / name).write_bytes(b"123")
        for address in (f"{tmp_path}/{name}", f"file://{tmp_path}/{name}"):
            assert main(["doctor", address]) == 0
            assert capsys.readouterr().out.splitlines()[0] == address

    def test_what_cannot_be_written_or_is_no_file(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe")
        assert allowed(tmp_path / "pipe")["kind"] == "problem"
        assert allowed(Path("/proc/self"), write=True)["write"] == "problem"

    @pytest.mark.parametrize("address", ["s3://bucket/x", "az://media", "https://example.org/x"])
    def test_what_is_not_understood(
        self, address: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
    ) -> None:
        assert main(["doctor", address, str(tmp_path)]) == 1
        said = capsys.readouterr().out
        assert said.startswith(f"{address}\nBAD  reach: ")
        assert f"{tmp_path}\nok   reach: on this machine" in said


def test_writing_needs_an_address(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--write"]) == 2
    assert "none is given: name one" in capsys.readouterr().err
