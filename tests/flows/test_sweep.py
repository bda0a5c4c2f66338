"""What a sweep does with each video; the server is in tests/relay."""

import os
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image
from prefect.client.schemas.objects import State, StateType
from prefect.states import Cancelled, Completed, Crashed, Failed, Running, Scheduled

from flows import sweep as module
from flows.parameters import Look
from flows.sources import SUFFIXES, list_sources
from framewright.settings import get_settings
from framewright.storage import ObjectInfo, open_store

OLD = time.time() - 10_000
LOOK = Look(scorer="identity")
LOST = Cancelled(
    message="Deployment concurrency slot lost during provisioning - no slots available"
)


def place(path: Path, age: float) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"video")
    os.utime(path, (OLD + age, OLD + age))


class Server:
    """The runs that a server has, and those that are started on it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.states: dict[str, State[Any]] = {}
        self.known: set[str] = set()
        self.tries = 1
        """Of each run."""
        self.started: list[dict[str, Any]] = []
        self.gone_on: list[str] = []
        self.lets_go_on = True
        monkeypatch.setattr(module, "runs_of", self._runs_of)
        monkeypatch.setattr(module, "is_known", lambda _, video: video in self.known)
        monkeypatch.setattr(module, "score_deployment", lambda _: "id")
        monkeypatch.setattr(module, "tries", lambda *_: self.tries)
        monkeypatch.setattr(module, "go_on", self._go_on)
        monkeypatch.setattr(module, "start", lambda *_, **asked: self.started.append(asked))

    def has_tried(self, key: str, *states: State[Any] | None) -> None:
        """Have a run for each attempt at a version that has a state."""
        for name, state in zip(module.attempt_keys(key, len(states)), states, strict=True):
            if state is not None:
                self.states[name] = state

    def _go_on(self, _: Any, run: Any) -> bool:
        if self.lets_go_on:
            self.gone_on.append(run.key)
        return self.lets_go_on

    def _runs_of(self, _: Any, keys: Any) -> dict[str, Any]:
        states = self.states
        return {k: SimpleNamespace(state=states[k], key=k) for k in keys if k in states}


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    return Server(monkeypatch)


def swept(folder: Path, limit: int = 50, attempts: int = 2) -> module.Sweep:
    incoming, output = str(folder / "in"), str(folder / "out")
    sources = list(list_sources(incoming, [output], SUFFIXES))
    results = module.by_stem(open_store(output).list())
    client: Any = None
    return module._sweep(client, sources, results, incoming, output, LOOK, limit, attempts)


def test_the_oldest_are_started_first_and_not_too_many(server: Server, tmp_path: Path) -> None:
    for name, age in (("c", 0), ("x/a", 20), ("b", 10), ("d", 30)):
        place(tmp_path / f"in/{name}.mp4", age)
    done = swept(tmp_path, limit=3)
    assert [one["video"] for one in server.started] == [
        f"{tmp_path}/in/{name}.mp4" for name in ("c", "b", "x/a")
    ]
    assert server.started[2]["output"] == f"{tmp_path}/out/x/"
    assert server.started[0]["look"] == LOOK
    assert [Path(one).stem for one in done.left] == ["d"]


@pytest.mark.parametrize(
    ("first", "second", "where", "key"),
    [
        (None, None, "started", ""),
        (Scheduled(), None, "under_way", None),
        (Running(), None, "under_way", None),
        (Completed(), None, "finished", None),
        (Failed(), None, "started", "-2"),
        (Cancelled(), None, "given_up", None),
        (Failed(), Running(), "under_way", None),
        (Failed(), Completed(), "finished", None),
        (Failed(), Failed(), "given_up", None),
    ],
)
def test_what_is_done_depends_on_the_runs_so_far(
    server: Server,
    tmp_path: Path,
    first: State[Any] | None,
    second: State[Any] | None,
    where: str,
    key: str | None,
) -> None:
    place(tmp_path / "in/a.mp4", 0)
    [found] = list_sources(f"{tmp_path}/in", [], SUFFIXES)
    server.has_tried(found.key, first, second)
    done = swept(tmp_path)
    assert getattr(done, where) == [found.video]
    assert sum(map(len, vars(done).values())) == 1
    assert [one["key"] for one in server.started] == ([] if key is None else [found.key + key])
    assert server.gone_on == []


@pytest.mark.parametrize(
    ("first", "second", "tries", "attempts", "goes_on"),
    [
        (Crashed(), None, 1, 2, ""),
        (Crashed(), None, 2, 2, None),
        (Crashed(), None, 2, 3, ""),
        (LOST, None, 1, 2, ""),
        (LOST, None, 2, 2, None),
        (Failed(), LOST, 1, 3, "-2"),
        (Failed(), Crashed(), 1, 3, "-2"),
        (Failed(), Crashed(), 1, 2, None),
        (Failed(), None, 2, 2, None),  # it died, went on, and failed
    ],
)
def test_a_run_that_has_died_goes_on_and_is_no_second_one(
    server: Server,
    tmp_path: Path,
    first: State[Any],
    second: State[Any] | None,
    tries: int,
    attempts: int,
    goes_on: str | None,
) -> None:
    place(tmp_path / "in/a.mp4", 0)
    [found] = list_sources(f"{tmp_path}/in", [], SUFFIXES)
    server.has_tried(found.key, first, second)
    server.tries = tries
    done = swept(tmp_path, attempts=attempts)
    assert server.gone_on == ([] if goes_on is None else [found.key + goes_on])
    assert server.started == []
    assert (done.given_up if goes_on is None else done.started) == [found.video]


def test_a_dead_run_that_somebody_else_took_up_is_under_way(server: Server, tmp_path: Path) -> None:
    place(tmp_path / "in/a.mp4", 0)
    [found] = list_sources(f"{tmp_path}/in", [], SUFFIXES)
    server.states[found.key] = Crashed()
    server.lets_go_on = False
    done = swept(tmp_path)
    assert [done.started, done.under_way] == [[], [found.video]]


def test_no_more_go_on_than_are_started_at_most(server: Server, tmp_path: Path) -> None:
    for name in "abc":
        place(tmp_path / f"in/{name}.mp4", 0)
    for found in list_sources(f"{tmp_path}/in", [], SUFFIXES):
        server.states[found.key] = Crashed()
    done = swept(tmp_path, limit=2)
    assert [len(server.gone_on), len(done.started), len(done.left)] == [2, 2, 1]


@pytest.mark.parametrize(
    ("result", "age", "finished"),
    [
        ("a.v2.identity.mp4", 5, True),
        ("a.v2.identity.mkv", 5, True),
        ("a.v2.identity.mp4", -5, False),
        ("a.v2.fast-wave.mp4", 5, False),
        ("a.v2.identity.side-by-side.mp4", 5, False),
        ("a.identity.mp4", 5, False),
    ],
)
def test_a_result_of_which_no_run_is_known_counts_if_it_is_newer(
    server: Server, tmp_path: Path, result: str, age: float, finished: bool
) -> None:
    place(tmp_path / "in/x/a.v2.mp4", 0)
    place(tmp_path / "out/x" / result, age)
    assert bool(swept(tmp_path).finished) is finished
    server.started.clear()
    server.known.add(f"{tmp_path}/in/x/a.v2.mp4")
    assert not swept(tmp_path).finished, "it is the result of another version"


def test_a_painting_that_nobody_has_fitted_yet_is_fitted_by_the_run_not_here(
    server: Server, tmp_path: Path
) -> None:
    """Only the result's name is needed: a fit takes long, for each painting of a container."""
    place(tmp_path / "in/a.mp4", 0)
    Image.effect_mandelbrot((40, 30), (-2, -1.5, 1, 1.5), 50).save(tmp_path / "in/my sunset.png")
    (tmp_path / "in/framewright.yaml").write_text("style: my sunset.png\nscorer: fast\n")
    place(tmp_path / "out/a.fast-wave.mp4", 5)
    assert swept(tmp_path).started == [f"{tmp_path}/in/a.mp4"], "it has another style"
    server.started.clear()
    place(tmp_path / "out/a.fast-my-sunset-png.mp4", 5)
    assert swept(tmp_path).finished == [f"{tmp_path}/in/a.mp4"]
    assert not Path(get_settings().cache_folder).exists()


@pytest.mark.parametrize(
    ("look", "params"),
    [
        (Look(style="az://media/styles/my sunset.jpg"), {"style": "my sunset.jpg"}),
        (Look(style="https://media.blob.core.windows.net/c/a%20b.jpg"), {"style": "a b.jpg"}),
        (
            Look(scorer_options={"style": ["wave", "az://media/styles/x=1.jpg=3"]}),
            {"style": "wave 0.25 + x=1.jpg 0.75"},
        ),
        (
            Look(scorer_options={"style": {"az://media/a/x.jpg": 1, "az://media/b/x.jpg": 1}}),
            {"style": "x.jpg 0.5 + x.jpg 0.5"},
        ),
        (Look(scorer="gatys", style="az://media/styles/x.jpg"), {"style": "x.jpg"}),
        (Look(scorer="detect", scorer_options={"weights": "az://ops/weights/x.pth"}), {}),
    ],
)
def test_what_names_a_result_is_not_fetched(look: Look, params: dict[str, str]) -> None:
    """There is no such storage."""
    identity = module._identity(look)
    assert (identity.name, identity.params) == (look.scorer, params)
    assert identity.result == ("records" if look.scorer == "detect" else "pictures")


def test_what_lies_with_a_video_decides_and_may_be_wrong(server: Server, tmp_path: Path) -> None:
    for name in ("good/a.mp4", "bad/b.mp4"):
        place(tmp_path / "in" / name, 0)
    (tmp_path / "in/good/framewright.yaml").write_text("scorer: fast\nstyle: wave\n")
    (tmp_path / "in/bad/b.framewright.yaml").write_text("style: [")
    done = swept(tmp_path)
    assert [one["look"] for one in server.started] == [Look(style="wave")]
    [words] = done.refused
    assert "b.framewright.yaml' is not YAML" in words
    page = module._page(done)
    assert "## Started: 1" in page
    assert "## Refused: what lies with them is wrong: 1" in page


@pytest.mark.parametrize(
    "note",
    [
        b"unit_seconds: !!timestamp soon",
        b"comparison: !!bool foo",
        b"scorer_options: {a: !!binary /w==}",
        b"scorer_options: {a: " + b"[" * 270 + b"]" * 270 + b"}",
    ],
)
def test_a_bad_note_beside_the_oldest_video_stops_no_other(
    server: Server, tmp_path: Path, note: bytes
) -> None:
    for name, age in (("old", 0), ("new", 10)):
        place(tmp_path / f"in/{name}.mp4", age)
    (tmp_path / "in/old.framewright.yaml").write_bytes(note)
    done = swept(tmp_path)
    assert [one["video"] for one in server.started] == [f"{tmp_path}/in/new.mp4"]
    [words] = done.refused
    assert "'old.framewright.yaml'" in words


def test_a_page_stays_small(tmp_path: Path) -> None:
    done = module.Sweep(started=["x" * 100] * 1000, finished=["y"] * 1000)
    page = module._page(done)
    assert len(page) < 30_000
    assert "- and 800 more" in page
    assert "more" not in module._page(module.Sweep(finished=["/in/a.mp4"])), "they are only counted"


def test_results_are_found_by_every_stem_of_their_names() -> None:
    info = ObjectInfo("x.y/a.v2.fast.mp4", 1, "e", 0.0)
    assert set(module.by_stem([info])) == {"x.y/a", "x.y/a.v2", "x.y/a.v2.fast"}


def test_all_ends_of_a_run_are_known() -> None:
    """A state that Prefect adds would count as failed."""
    ends = {kind for kind in StateType if State(type=kind).is_final()}
    assert {kind.value for kind in ends} == {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}
