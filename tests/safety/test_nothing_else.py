"""Whatever file is given, no other file and no network address is opened because of it.

Every kind of file that can name others, at every door through which the engine reads media; and
each kind, where any program follows it, once followed, to show that this would be noticed.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import ffmpeg
import imageio_ffmpeg
import pytest
from av.container import InputContainer
from PIL import Image

from framewright.cli import main
from framewright.errors import SourceRefused
from framewright.files import file_sha256
from framewright.media.compare import side_by_side
from framewright.media.ffmpeg import convert_stream, local_input, run_graph
from framewright.media.mux import mux
from framewright.media.probe import probe
from framewright.media.source import file_url, open_media, open_source
from framewright.media.thumbnails import thumbnails
from framewright.media.verify import verify_output
from framewright.score import score_unit
from framewright.settings import Settings
from framewright.stitch import stitch
from framewright.storage import Store
from framewright.types import Manifest
from tests.safety.disguises import DISGUISES, NAME, Disguise, Place
from tests.safety.watch import Addresses, Watch
from tests.support import clip_key, plan_job
from tests.torture.kinds import sample_mp4
from tests.torture.tool import ffmpeg as run_ffmpeg


class Room:
    """What the doors need besides the file: a good video, its finished job, a folder to write."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.good = folder / "good.mp4"
        self.good.write_bytes(sample_mp4())
        self.out = folder / "out"
        self.out.mkdir()
        self.store: Store
        self.manifest: Manifest
        self.store, self.manifest = plan_job(self.good, folder)
        for unit in self.manifest.units:
            score_unit(self.store, self.manifest.job_key, unit.index)
        for unit in self.manifest.units:
            key = clip_key(self.store, self.manifest, unit.index)
            self.store.download(key, self.clip(unit.index))

    def clip(self, index: int) -> Path:
        """Path of a unit's clip."""
        return self.out / f"unit{index}.mp4"

    def of(self, path: Path) -> Manifest:
        """Return the good video's job, as if ``path`` were its source."""
        source = self.manifest.source.model_copy(
            update={"sha256": file_sha256(path), "size_bytes": path.stat().st_size}
        )
        return self.manifest.model_copy(update={"source": source})

    def mux(self, source: Path, clip: Callable[[int], Path]) -> None:
        """Write an output from any source and any clips."""
        out = self.out / "muxed.mp4"
        mux(
            *(source, self.manifest, clip, 2, out, ".mp4", self.out),
            *(Settings(), lambda _: None),
        )


def consume(container: InputContainer) -> None:
    """Read all packets, decode the first picture."""
    for _ in container.decode(video=0):
        break
    container.seek(0)
    for _ in container.demux():
        pass


def _open_stream(path: Path) -> None:
    with path.open("rb") as stream, open_media(stream) as container:
        consume(container)


def _open(path: Path) -> None:
    with open_source(path, Settings()) as container:
        consume(container)


def _verify(path: Path, room: Room) -> None:
    verify_output(path, room.manifest.pts.unpack(), room.manifest.video.time_base, [None], None)


def _command(*arguments: str) -> None:
    if main(list(arguments)):
        raise SourceRefused("unreadable", "the command says so")


DOORS: dict[str, Callable[[Path, Room], object]] = {
    "open_source": lambda path, room: _open(path),
    "open_media": lambda path, room: _open_stream(path),
    "probe": lambda path, room: probe(path, Settings()),
    "split": lambda path, room: plan_job(path, room.out),
    "convert_stream": lambda path, room: convert_stream(path, 1, "flac", {}, room.out / "a.mkv"),
    "local_input": lambda path, room: run_graph(
        ffmpeg.output(local_input(path), file_url(room.out / "b.mp4"))
    ),
    "side_by_side, before": lambda path, room: side_by_side(path, room.good, room.out / "c.mp4"),
    "side_by_side, after": lambda path, room: side_by_side(room.good, path, room.out / "d.mp4"),
    "thumbnails, before": lambda path, room: thumbnails(path, room.good),
    "thumbnails, after": lambda path, room: thumbnails(room.good, path),
    "mux, source": lambda path, room: room.mux(path, room.clip),
    "mux, unit": lambda path, room: room.mux(room.good, lambda _: path),
    "stitch": lambda path, room: stitch(room.store, room.of(path), path, room.out / "e.mp4"),
    "verify": _verify,
    "plan": lambda path, room: _command("plan", "--scorer", "identity", str(path)),
    "score": lambda path, room: _command(
        *("score", "--scorer", "identity", "--quiet", str(path), str(room.out / "f.mp4"))
    ),
}
"""Every function that reads a media file, by name; ``plan`` and ``score`` are the commands."""

REFUSING = ("open_source", "open_media", "probe", "split", "local_input", "plan", "score")


@pytest.fixture(scope="module")
def addresses() -> Iterator[Addresses]:
    found = Addresses()
    yield found
    found.close()


@pytest.fixture(scope="module")
def targets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What can be pointed at: a video as MP4 and as TS, a text."""
    folder = tmp_path_factory.mktemp("targets")
    (folder / "one.mp4").write_bytes(sample_mp4())
    run_ffmpeg("-i", folder / "one.mp4", "-c", "copy", folder / "one.ts")
    for name in ("secret.txt", "video.sub", "ASSETMAP.xml"):
        (folder / name).write_text("sixteen letters!" * 8)
    return folder


@pytest.fixture
def place(targets: Path, tmp_path: Path, addresses: Addresses) -> Place:
    folder, elsewhere = tmp_path / "here", tmp_path / "elsewhere"
    shutil.copytree(targets, folder)
    shutil.copytree(targets, elsewhere)
    return Place(folder, elsewhere, addresses)


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Room:
    return Room(tmp_path_factory.mktemp("rooms") / "room")


def written(disguise: Disguise, place: Place) -> Path:
    path = place.folder / NAME
    path.write_bytes(disguise.build(place))
    return path


def watch(place: Place, name: str = NAME) -> Watch:
    return Watch([place.folder, place.elsewhere], name, place.addresses)


@pytest.mark.parametrize("disguise", DISGUISES.values(), ids=DISGUISES)
def test_nothing_else_is_opened(disguise: Disguise, place: Place, room: Room) -> None:
    path = written(disguise, place)
    for name, door in DOORS.items():
        accepted = False
        with watch(place) as watched, contextlib.suppress(Exception):  # only what it opens counts
            door(path, room)
            accepted = True
        assert watched.seen == [], f"{name} of {disguise.name}"
        if name in REFUSING and disguise.video:
            assert accepted or name == "local_input" or disguise.name == "mov_alias", name
        elif name in REFUSING:
            assert not accepted, name


FOLLOWED = {name: disguise for name, disguise in DISGUISES.items() if disguise.follow is not None}


@pytest.mark.parametrize("disguise", FOLLOWED.values(), ids=FOLLOWED)
def test_the_watch_notices_a_program_that_follows(disguise: Disguise, place: Place) -> None:
    path = written(disguise, place)
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", *(disguise.follow or ())]
    command += ["-protocol_whitelist", "file,http,tcp,udp,rtp,crypto,data,subfile,concat"]
    command += ["-i", str(path), "-f", "null", "-"]
    for seconds in (0.7, 10):  # some wait for an answer that does not come
        with watch(place) as watched, contextlib.suppress(subprocess.TimeoutExpired):
            subprocess.run(
                command, stdin=subprocess.DEVNULL, capture_output=True, timeout=seconds, check=False
            )
        if watched.seen:
            break
    assert watched.seen, disguise.name


def test_a_stream_is_followed_without_the_lists(place: Place) -> None:
    """Against a file object PyAV follows just as well, which `open_media` prevents."""
    path = written(DISGUISES["concat_relative"], place)
    with watch(place) as watched, path.open("rb") as stream, av.open(stream) as container:
        consume(container)
    assert watched.seen == ["file one.mp4"]


NAMES = [
    "concat:one.mp4|one.ts",
    "subfile,,start,0,end,64,,:secret.txt",
    "data:video/mp4;base64,R0A=",
    "pipe:0",
    "crypto:one.ts",
    "cache:one.ts",
    "async:one.ts",
    "http:{tcp}",
    "-",
]
"""What FFmpeg takes for a protocol, here as the name of a text that exists and is no video."""


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_no_protocol(
    name: str, place: Place, room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = name.format(tcp=f"127.0.0.1:{place.addresses.tcp}")
    monkeypatch.chdir(place.folder)
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).write_text("This is not a video.")
    for title, door in DOORS.items():
        with watch(place, name) as watched, contextlib.suppress(Exception):
            door(Path(name), room)
        assert watched.seen == [], title
    with pytest.raises(SourceRefused, match="not a video file that can be read"):
        DOORS["open_source"](Path(name), room)


def test_a_name_is_a_protocol_without_the_prefix(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place.folder)
    name = NAMES[0]
    with watch(place, name) as watched, av.open(name) as container:
        consume(container)
    assert set(watched.seen) == {"file one.mp4", "file one.ts"}


@pytest.fixture
def numbered(place: Place) -> Path:
    """A picture whose name is a pattern, and the pictures that the pattern means."""
    for number in range(3):
        Image.new("RGB", (64, 48)).save(place.folder / f"{number:05d}.png")
    path = place.folder / "%05d.png"
    Image.new("RGB", (64, 48)).save(path)
    return path


@pytest.mark.parametrize("suffix", ["png", "mp4"])
def test_a_name_is_no_pattern(suffix: str, numbered: Path, place: Place, room: Room) -> None:
    path = numbered.with_suffix(f".{suffix}")
    numbered.rename(path)
    for name, door in DOORS.items():
        with watch(place, path.name) as watched, contextlib.suppress(Exception):
            door(path, room)
        assert watched.seen == [], name


def test_a_name_is_a_pattern_without_the_lists(numbered: Path, place: Place) -> None:
    with watch(place, numbered.name) as watched, av.open(str(numbered)) as container:
        consume(container)
    assert watched.seen == ["file 00000.png", "file 00001.png", "file 00002.png"]


def test_a_video_is_read_without_any_notice(place: Place, room: Room) -> None:
    path = place.folder / NAME
    path.write_bytes(sample_mp4())
    for name, door in DOORS.items():
        if name != "mux, unit":
            with watch(place) as watched:
                door(path, room)
            assert watched.seen == [], name
