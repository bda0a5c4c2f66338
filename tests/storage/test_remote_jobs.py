"""Jobs whose source and result are in one account and whose work is in another, by the command.

Each container has a token of its own with no more rights than its part of the job needs.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

import pytest
from azure.storage.blob import BlobClient, ContainerClient, StandardBlobTier

from framewright.cli import main
from framewright.errors import InputError, ScorerOptionError, SourceRefused, StoreDenied
from framewright.run import run
from framewright.scorers.identity import IdentityScorer
from framewright.settings import Settings, get_settings
from framewright.sources import check_newest, fetch, find, local_mask, local_options
from framewright.storage import RemoteFile, open_store, place_of
from framewright.storage.azure import AzureStore
from framewright.types import Progress
from tests import azurite as azurite_module
from tests.azurite import Azurite, Media
from tests.torture.expect import observe
from tests.torture.make import Clip

PROJECT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azurite]:
    """An Azurite with two accounts."""
    if reason := azurite_module.why_not():
        if os.environ.get("FAIL_WITHOUT_AZURITE") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    with azurite_module.running(tmp_path_factory.mktemp("two"), accounts=True) as running:
        yield running


@dataclass
class Places:
    """Two containers of media, one of ops, and what a job may do there."""

    incoming: ContainerClient
    outgoing: ContainerClient
    work: ContainerClient
    tokens: dict[str, str]

    @property
    def secrets(self) -> list[str]:
        return [token.rpartition("sig=")[2] for token in self.tokens.values()]

    def put(self, name: str, data: bytes) -> str:
        """What a user does: upload a file. Returns its address."""
        self.incoming.upload_blob(name, data, overwrite=True)
        return self.address(name)

    def address(self, name: str) -> str:
        return f"az://media/{self.incoming.container_name}/{name}"

    @property
    def out(self) -> str:
        return f"az://media/{self.outgoing.container_name}/done/"

    def delete_work(self, end: str) -> None:
        """Lose the blob of the work store whose name has that end."""
        [name] = [blob.name for blob in self.work.list_blobs() if blob.name.endswith(end)]
        self.work.delete_blob(name)


@pytest.fixture
def places(two: Azurite, monkeypatch: pytest.MonkeyPatch) -> Places:
    incoming, outgoing = two.container(Media.MEDIA), two.container(Media.MEDIA)
    work = two.container(Media.OPS)
    names = [c.container_name for c in (incoming, outgoing, work)]
    tokens = {
        f"media/{names[0]}": two.sas(names[0], "r", account=Media.MEDIA),
        f"media/{names[1]}": two.sas(names[1], "rcw", account=Media.MEDIA),
        f"ops/{names[2]}": two.sas(names[2], "rcw", account=Media.OPS),
    }
    monkeypatch.setenv("FRAMEWRIGHT_AZURE_LOGINS", json.dumps(tokens))
    monkeypatch.setenv("FRAMEWRIGHT_AZURE_ENDPOINT", f"http://127.0.0.1:{two.port}/{{account}}")
    monkeypatch.setenv("FRAMEWRIGHT_AZURE_RETRY_SECONDS", "10")
    monkeypatch.setenv("FRAMEWRIGHT_WORK_STORE", f"az://ops/{names[2]}/work")
    get_settings.cache_clear()
    return Places(incoming, outgoing, work, tokens)


@dataclass
class Ran:
    status: int
    stdout: str
    shown: str
    """All that was printed or logged."""


Command = Callable[..., Ran]


@pytest.fixture
def framewright(capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> Command:
    """The command, with every log line there is."""
    caplog.set_level(logging.DEBUG)

    def run(*words: object) -> Ran:
        get_settings.cache_clear()
        caplog.clear()
        status = main([*map(str, words)])
        told = capfd.readouterr()
        return Ran(status, told.out, told.out + told.err + caplog.text)

    return run


SCORE = ("--scorer", "identity", "--unit-seconds", "1", "--workers", "1")


def all_bytes(container: ContainerClient) -> dict[str, bytes]:
    return {b.name: container.download_blob(b.name).readall() for b in container.list_blobs()}


def test_a_job_with_no_more_rights_than_it_needs_and_the_same_again(
    places: Places, cfr25: Clip, tmp_path: Path, framewright: Command
) -> None:
    source = places.put("in/my clip.mp4", cfr25.path.read_bytes())
    report = tmp_path / "report.json"
    first = framewright("score", source, places.out, *SCORE, "--report", report)
    assert first.status == 0, first.shown
    assert "3 of 3 units scored in this run" in first.stdout
    [blob] = list(places.outgoing.list_blobs(include=["metadata"]))
    assert blob.name == "done/my clip.identity.mp4"
    assert f"output: {places.out}my clip.identity.mp4" in first.stdout
    assert blob.content_settings.content_type == "video/mp4"
    (tmp_path / "x.mp4").write_bytes(places.outgoing.download_blob(blob.name).readall())
    assert observe(tmp_path / "x.mp4").codes == cfr25.codes
    told = json.loads(report.read_text())
    assert blob.metadata["framewright_source"] == source.replace(" ", "%20")
    assert blob.metadata["framewright_job"] == told["job_key"]
    assert blob.metadata["framewright_sha256"] == told["output_sha256"]

    second = framewright("score", source, places.out, *SCORE)
    assert "0 of 3 units scored in this run" in second.stdout, second.shown
    assert "is in its place, nothing is left to do" in second.shown
    assert "fetching" not in second.shown
    places.delete_work("units/00001.json")
    third = framewright("score", source, places.out, *SCORE)
    assert "1 of 3 units scored in this run" in third.stdout, third.shown
    assert [b.etag for b in places.outgoing.list_blobs()] == [blob.etag], "it was identical"
    places.outgoing.delete_blob(blob.name)
    fourth = framewright("score", source, places.out, *SCORE)
    assert "0 of 3 units scored in this run" in fourth.stdout, fourth.shown
    assert [b.name for b in places.outgoing.list_blobs()] == [blob.name]

    work = all_bytes(places.work)
    shown = [ran.shown for ran in (first, second, third, fourth)]
    shown += [report.read_text(), str(blob.metadata)]
    shown += [data.decode("latin-1") + name for name, data in work.items()]
    nobody_sees(shown, places.secrets)
    logs_tell_what_was_done(work)


def nobody_sees(shown: list[str], secrets: list[str]) -> None:
    for text in shown:
        assert not any(secret in text or unquote(secret) in text for secret in secrets)
        assert "sig=" not in text.replace("sig=...", "")


def logs_tell_what_was_done(work: dict[str, bytes]) -> None:
    logs = {name: data for name, data in work.items() if "/logs/" in name}
    assert {Path(name).name.split("-")[0] for name in logs} == {"run", "unit"}
    [unit] = [data.decode() for name, data in logs.items() if "/unit-00000-" in name]
    lines = [json.loads(line) for line in unit.splitlines()]
    batches = [line for line in lines if line["event"] == "batch"]
    assert (lines[0]["event"], lines[-1]["event"]) == ("begin", "end")
    assert [line["frame"] for line in batches] == list(range(25))
    assert all(line["model_seconds"] >= 0 and line["frames"] == 1 for line in batches)


def test_a_source_is_looked_up_once(
    places: Places, cfr25: Clip, monkeypatch: pytest.MonkeyPatch, framewright: Command
) -> None:
    """The command looks for it before a painting is fitted; the run takes what was found."""
    source = places.put("once.mp4", cfr25.path.read_bytes())
    assert framewright("score", source, places.out, *SCORE).status == 0
    looked: list[str] = []
    look = AzureStore.look
    monkeypatch.setattr(AzureStore, "look", lambda self, key: looked.append(key) or look(self, key))
    again = framewright("score", source, places.out, *SCORE)
    assert "nothing is left to do" in again.shown
    assert looked.count("once.mp4") == 1


def test_no_token_can_do_more(places: Places, two: Azurite) -> None:
    """The emulator checks rights as the service does: what is not in the token is refused."""
    names = (places.incoming, places.outgoing, places.work)
    places.put("a", b"x")
    for container, (place, token) in zip(names, places.tokens.items(), strict=True):
        blob = open_store(f"az://{place}", get_settings())
        with pytest.raises(StoreDenied, match="right to list is missing"):
            list(blob.list())
        with pytest.raises(StoreDenied, match="right to delete is missing"):
            blob.delete("a")
        for other in names:
            if other.container_name != container.container_name:
                address = f"{other.url}/a?{token}"
                with pytest.raises(Exception, match="Auth"):
                    BlobClient.from_blob_url(address, retry_total=0).upload_blob(b"y")
    with pytest.raises(StoreDenied, match="right to write is missing"):
        open_store(f"az://media/{places.incoming.container_name}").put("a", b"y")
    assert places.incoming.download_blob("a").readall() == b"x"


def test_a_token_in_an_address_is_taken_and_shown_to_nobody(
    places: Places,
    cfr25: Clip,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    framewright: Command,
) -> None:
    name = places.incoming.container_name
    token = places.tokens.pop(f"media/{name}")
    monkeypatch.setenv("FRAMEWRIGHT_AZURE_LOGINS", json.dumps(places.tokens))
    places.put("a b.mp4", cfr25.path.read_bytes())
    address = f"https://media.blob.core.windows.net/{name}/a%20b.mp4"
    done = framewright("score", f"{address}?{token}", f"{tmp_path}/", *SCORE)
    assert done.status == 0, done.shown
    assert observe(tmp_path / "a b.identity.mp4").codes == cfr25.codes
    again = framewright("score", f"{address}?{token}", f"{tmp_path}/", *SCORE)
    assert "nothing is left to do" in again.shown
    missing = framewright("plan", f"{address}x?{token}", "--scorer", "identity")
    assert missing.status == 2
    assert f"there is no blob 'az://media/{name}/a b.mp4x'" in missing.shown
    refused = framewright("plan", address, "--scorer", "identity")
    assert refused.status == 2, "nothing signs in"
    shown = [ran.shown for ran in (done, again, missing, refused)]
    shown += [data.decode("latin-1") for data in all_bytes(places.work).values()]
    nobody_sees(shown, [token.rpartition("sig=")[2]])


@pytest.mark.parametrize("remote", [False, True], ids=["to a folder", "to a container"])
def test_a_source_that_is_replaced_while_it_is_scored(
    remote: bool, places: Places, cfr25: Clip, tmp_path: Path
) -> None:
    """Its result gives way to that of the newer version, wherever results go."""
    data = cfr25.path.read_bytes()
    source, settings = places.put("a.mp4", data), get_settings()
    out = places.out if remote else f"{tmp_path}/out/"
    before = tmp_path / "out/a.identity.mp4"
    before.parent.mkdir()
    before.write_bytes(b"an older result")

    def overwrite(progress: Progress) -> None:
        if (progress.stage, progress.done) == ("stitch", progress.total):
            places.put("a.mp4", data)

    scorer = IdentityScorer.identity
    with pytest.raises(SourceRefused, match=r"superseded.*has been replaced while it was scored"):
        run(source, out, scorer, workers=1, settings=settings, progress=overwrite)
    assert list(places.outgoing.list_blobs()) == []
    assert list(before.parent.iterdir()) == [before]
    assert before.read_bytes() == b"an older result"
    report = run(source, out, scorer, workers=1, settings=settings)
    assert report.units_scored == 0, "these were the same bytes"
    assert report.output.startswith(out)


class TestFetch:
    def file(self, places: Places, data: bytes) -> RemoteFile:
        file = place_of(places.put("v.mp4", data), get_settings())
        assert isinstance(file, RemoteFile)
        return file

    def test_a_version_that_was_replaced_is_fetched_anew(
        self, places: Places, tmp_path: Path
    ) -> None:
        file = self.file(places, b"one" * 1000)
        origin = find(file, get_settings())
        places.put("v.mp4", b"other" * 1000)
        path, now = fetch(origin, tmp_path, get_settings())
        assert path.read_bytes() == b"other" * 1000
        assert (now.etag, now.size_bytes) == (find(file, get_settings()).etag, 5000)

    def test_only_the_newest_version_or_one_that_is_gone_is_delivered(self, places: Places) -> None:
        file = self.file(places, b"one")
        origin = find(file, get_settings())
        check_newest(origin)
        places.put("v.mp4", b"other")
        with pytest.raises(SourceRefused, match=r"superseded.*has been replaced"):
            check_newest(origin)
        places.incoming.delete_blob("v.mp4")
        check_newest(origin)

    def test_bytes_whose_md5_nobody_kept_are_verified_by_block(
        self, places: Places, tmp_path: Path
    ) -> None:
        data = os.urandom(9 << 20)
        with places.incoming.get_blob_client("v.mp4") as blob:
            blob.stage_block("YQ==", data)
            blob.commit_block_list(["YQ=="])
            assert blob.get_blob_properties().content_settings.content_md5 is None
        file = place_of(f"az://media/{places.incoming.container_name}/v.mp4", get_settings())
        path, _ = fetch(find(file, get_settings()), tmp_path, get_settings())
        assert path.read_bytes() == data

    @pytest.mark.parametrize(
        ("data", "limit", "words"),
        [(b"", 10, "is empty"), (b"x" * 11, 10, "has 11 bytes; at most 10")],
    )
    def test_refused_before_anything_is_transferred(
        self, data: bytes, limit: int, words: str, places: Places
    ) -> None:
        with pytest.raises(SourceRefused, match=words):
            find(self.file(places, data), Settings(max_source_bytes=limit))

    def test_a_video_in_the_archive_tier(self, places: Places, tmp_path: Path) -> None:
        origin = find(self.file(places, b"one"), get_settings())
        places.incoming.set_standard_blob_tier_blobs(StandardBlobTier.ARCHIVE, "v.mp4")
        with pytest.raises(InputError, match=r"in the archive tier.*az storage blob set-tier"):
            fetch(origin, tmp_path, get_settings())

    def test_a_full_disk(
        self, places: Places, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("shutil.disk_usage", lambda _: type("", (), {"free": 19})())
        origin = find(self.file(places, b"x" * 10), get_settings())
        with pytest.raises(InputError, match=r"has 10 bytes, and twice as many.*19 are free"):
            fetch(origin, tmp_path, get_settings())
        assert list(tmp_path.iterdir()) == []


class TestMask:
    def test_a_mask_may_come_from_wherever_videos_do(self, places: Places, tmp_path: Path) -> None:
        settings = get_settings()
        assert local_mask("", tmp_path, settings) is None
        mask = local_mask(places.put("mask.mp4", b"a video"), tmp_path / "mask", settings)
        assert mask
        assert (mask.path.name, mask.path.read_bytes()) == ("mask.mp4", b"a video")
        with pytest.raises(SourceRefused, match=r"no blob .*gone\.mp4"):
            local_mask(places.address("gone.mp4"), tmp_path, settings)


class TestTrust:
    PICTURE = PROJECT / "docs/pictures"

    def test_pictures_come_from_media_and_weights_do_not(
        self, places: Places, tmp_path: Path
    ) -> None:
        picture = next(path for path in self.PICTURE.iterdir() if path.suffix in (".jpg", ".png"))
        settings = get_settings()
        style = places.put(f"style{picture.suffix}", picture.read_bytes())
        found = local_options({"image": style, "count": 3}, tmp_path, settings)
        assert found["count"] == 3
        assert Path(found["image"]).read_bytes() == picture.read_bytes()
        blend = {style: 0.6, "wave": 0.4}
        [(one, share), other] = local_options({"style": blend}, tmp_path, settings)["style"].items()
        assert Path(one).read_bytes() == picture.read_bytes()
        assert (share, other) == (0.6, ("wave", 0.4))
        weighted = local_options({"style": ["wave", f"{style}=.5"]}, tmp_path, settings)["style"]
        assert weighted[0] == "wave"
        assert weighted[1].endswith(f"style{picture.suffix}=.5")
        weights = places.put("model.safetensors", b"\0" * 64)
        with pytest.raises(ScorerOptionError, match=r"no picture.*read from the account 'ops'"):
            local_options({"checkpoint": weights}, tmp_path, settings)
        assert not list(tmp_path.rglob("*.safetensors"))
        trusting = settings.model_copy(update={"ops_account": "media"})
        assert local_options({"checkpoint": weights}, tmp_path, trusting)
