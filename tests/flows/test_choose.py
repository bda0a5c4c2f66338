"""How one video is scored, decided by what lies with it; on both kinds of store."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from azure.storage.blob import ContainerClient
from prefect.client.schemas.objects import State
from prefect.logging import disable_run_logger

from flows.choose import MAX_NOTE_BYTES, Ours, _check_modest, choose
from flows.on_arrival import on_arrival
from flows.parameters import Look
from flows.score_folder import score_folder
from flows.score_video import score_video
from flows.sweep import sweep
from framewright.errors import InputError
from framewright.settings import Settings
from framewright.storage import LocalStore, ObjectInfo, RemoteFile, Store, place_of
from framewright.storage.azure import AzureStore
from framewright.storage.base import Label

DEFAULT = Look(scorer="fast", style="wave", unit_seconds=5.0)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return LocalStore(tmp_path / "incoming")


def test_nothing_there_leaves_the_default(store: Store) -> None:
    choice = choose(store, "a/b/harbour.mp4", DEFAULT)
    assert (choice.look, choice.notes) == (DEFAULT, ())


def test_what_is_nearer_to_the_video_wins(store: Store) -> None:
    store.put("framewright.yaml", b"style: the_scream\nunit_seconds: 20\ncomparison: true\n")
    store.put("a/framewright.yaml", b"style: minotaur\n")
    store.put("a/b/harbour.framewright.yaml", b"unit_seconds: 30\n")
    store.put("a/b/other.framewright.yaml", b"style: la_cafe\n")
    choice = choose(store, "a/b/harbour.mp4", DEFAULT)
    assert choice.look == Look(style="minotaur", unit_seconds=30.0, comparison=True)
    assert choice.notes == (
        "framewright.yaml",
        "a/framewright.yaml",
        "a/b/harbour.framewright.yaml",
    )
    assert choose(store, "c.mp4", DEFAULT).look.style == "the_scream"


def test_metadata_of_the_blob_wins_over_all(azure: str, settings: Settings) -> None:
    store = AzureStore(azure)
    store.put("framewright.yaml", b"style: the_scream\n")
    info = store.put("a.mp4", b"video")
    client: ContainerClient = store._container
    client.get_blob_client("work area/a.mp4").set_blob_metadata(
        {"framewright_style": "minotaur", "Framewright_Unit_Seconds": "7.5", "other": "x"}
        | {"framewright_scorer_options": "{}", "framewright_comparison": "true"}
    )
    choice = choose(store, info.key, DEFAULT)
    assert choice.look == Look(style="minotaur", unit_seconds=7.5, comparison=True)
    assert choice.notes == ("framewright.yaml", "metadata")
    assert store.metadata("not there") == {}


def test_a_result_is_no_source(azure: str, settings: Settings) -> None:
    store = AzureStore(azure)
    store.put("x/framewright.yaml", b"style: [")
    store.put("x/a.mp4", b"video", label=Label("video/mp4", {"framewright_job": "0" * 64}))
    with pytest.raises(Ours, match=r"'x/a\.mp4' is a result"):
        choose(store, "x/a.mp4", DEFAULT)
    with disable_run_logger():
        state = on_arrival.fn(f"{azure}/x/a.mp4", f"{azure}/out")
    assert isinstance(state, State)
    assert (state.name, state.is_completed()) == ("Ours", True)


def test_what_lies_where_results_go_starts_no_run(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    store.put("out/a.mp4", b"video")
    with disable_run_logger():
        state = on_arrival.fn(f"{tmp_path}/out/a.mp4", f"{tmp_path}/out", root=str(tmp_path))
    assert isinstance(state, State)
    assert (state.name, state.is_completed()) == ("Ours", True)


def test_another_scorer_does_not_get_the_style_of_the_one_before(store: Store) -> None:
    store.put("framewright.yaml", b"scorer: identity\n")
    assert choose(store, "a.mp4", DEFAULT).look == Look(scorer="identity", unit_seconds=5.0)


@pytest.mark.parametrize(
    ("note", "words"),
    [
        (b"style: oil", "names the style 'oil'. Known: .*starry_night.*such as sunset.jpg"),
        (b"style: oil.jpg", "names the file 'oil.jpg', and there is no 'a/oil.jpg'"),
        (b"scorer: magic", "names the scorer 'magic'. Known: .*identity"),
        (b"unit_seconds: -1", "unit_seconds=-?'?-1"),
        (b"output: elsewhere", "output=.*Allowed names: scorer, style"),
        (b"- a\n- b", "must hold NAME: VALUE lines"),
        (b"style: [", "is not YAML"),
        (b"\xff\xfe\xfd", "is not YAML"),
        (b"a: &a [x]\nb: *a", "aliases are not allowed"),
        (b"!!python/object/apply:os.system [ls]", "is not YAML"),
        (b"[" * 2000, "is not YAML"),
        (b"#" * (MAX_NOTE_BYTES + 1), "take at most"),
        (b"scorer_options: {image: /etc/passwd}", "names no files"),
        (b"scorer_options: {a: [{b: 'az://acc/x/y.png'}]}", "names no files"),
        (b"scorer_options: {__prefect_kind: jinja, template: x}", "names no files"),
        (b"scorer_options: {image: !!binary L2V0Yy9wYXNzd2Q=}", "is not YAML.*binary"),
        (b"scorer_options: {image: !!set {? /etc/passwd}}", "is not YAML.*set"),
        (b"scorer_options: {image: !!pairs [/etc: /passwd]}", "is not YAML.*pairs"),
        (b"scorer_options: {image: !!omap [/etc: /passwd]}", "is not YAML.*omap"),
        (b"unit_seconds: !!timestamp soon", "is not YAML.*timestamp"),
        (b"comparison: !!bool foo", "is not YAML"),
        (b"unit_seconds: !!int ''", "is not YAML"),
        (b"scorer_options: {a: .nan}", "finite"),
        (b"scorer_options: {a: " + b"[" * 270 + b"]" * 270 + b"}", "(is not YAML|cannot be sent)"),
    ],
)
def test_a_bad_note_is_refused_by_its_name(store: Store, note: bytes, words: str) -> None:
    store.put("a/framewright.yaml", note)
    with pytest.raises(InputError, match=rf"(?s)'a/framewright.yaml'.*{words}"):
        choose(store, "a/b.mp4", DEFAULT)
    assert choose(store, "c.mp4", DEFAULT).look == DEFAULT, "nobody else's trouble"


def test_only_what_json_has_passes_the_guard() -> None:
    for value in (b"/etc/passwd", {"/etc/passwd"}, ("/etc", "passwd"), date(2026, 1, 1)):
        with pytest.raises(InputError, match=f"the type {type(value).__name__}"):
            _check_modest({"scorer_options": {"image": value}}, "a note")


def test_what_looks_like_a_date_is_text(store: Store) -> None:
    store.put("framewright.yaml", b"scorer: identity\nscorer_options: {a: 2026-01-02}\n")
    assert choose(store, "a.mp4", DEFAULT).look.scorer_options == {"a": "2026-01-02"}


def test_a_painting_lies_beside_the_note_that_names_it(tmp_path: Path, store: Store) -> None:
    for key in ("my sunset.jpg", "a/Hopper.PNG", "a/b/mask.png", "a/b/Hopper.PNG"):
        store.put(key, b"a picture")
    here = f"{tmp_path}/incoming"
    store.put("framewright.yaml", b"style: my sunset.jpg\n")
    assert choose(store, "a/b/c.mp4", DEFAULT).look.style == f"{here}/my sunset.jpg"
    store.put(
        "a/framewright.yaml",
        b"scorer_options: {style: {wave: 0.6, Hopper.PNG: 0.4}, blend: [wave=1, Hopper.PNG=0.4]}",
    )
    assert choose(store, "a/b/c.mp4", Look()).look.scorer_options == {
        "style": {"wave": 0.6, f"{here}/a/Hopper.PNG": 0.4},
        "blend": ["wave=1", f"{here}/a/Hopper.PNG=0.4"],
    }
    store.put("a/b/c.framewright.yaml", b"mask: mask.png\nstyle: wave\n")
    choice = choose(store, "a/b/c.mp4", DEFAULT)
    assert (choice.look.style, choice.look.mask) == ("wave", f"{here}/a/b/mask.png")


def test_a_video_that_is_a_mask_says_so_in_its_name(tmp_path: Path, store: Store) -> None:
    store.put("a/c.mask.mov", b"pictures")
    store.put("a/c.framewright.yaml", b"mask: c.mask.mov\n")
    assert choose(store, "a/c.mp4", DEFAULT).look.mask == f"{tmp_path}/incoming/a/c.mask.mov"
    store.put("a/c.framewright.yaml", b"mask: c.mov\n")
    with pytest.raises(InputError, match=r"mask='c\.mov'.*a video NAME\.mask\.mp4"):
        choose(store, "a/c.mp4", DEFAULT)
    store.put("a/c.framewright.yaml", b"scorer_options: {weights: c.mask.mov}\n")
    options = choose(store, "a/c.mp4", DEFAULT).look.scorer_options
    assert options == {"weights": "c.mask.mov"}, "nothing but a mask"


def test_who_has_listed_the_folder_is_not_asked_for_files_again(tmp_path: Path) -> None:
    class Counted(LocalStore):
        asked: list[str] = []  # noqa: RUF012

        def stat(self, key: str) -> ObjectInfo | None:
            self.asked.append(key)
            return super().stat(key)

    store = Counted(tmp_path)
    store.put("framewright.yaml", b"style: oil.jpg")
    store.put("oil.jpg", b"a picture")
    there = {"framewright.yaml", "oil.jpg"}
    store.asked.clear()
    look = choose(store, "a.mp4", Look(), there.__contains__).look
    assert look.style == f"{tmp_path}/oil.jpg"
    assert "oil.jpg" not in store.asked


def test_a_painting_in_a_blob_is_named_by_its_metadata(azure: str, settings: Settings) -> None:
    store = AzureStore(azure)
    store.put("a/sunset 1.jpg", b"a picture")
    store.put("a/b.mp4", b"video", label=Label("video/mp4", {"framewright_style": "sunset 1.jpg"}))
    style = choose(store, "a/b.mp4", DEFAULT).look.style
    found = place_of(style, settings)
    assert isinstance(found, RemoteFile)
    assert found.store.read(found.key) == b"a picture"


@pytest.mark.parametrize("name", ["..jpg", ".hidden.jpg", "../x.jpg", "x.jpg/", "x.pth", "x.jpg\n"])
def test_only_a_picture_beside_the_note_can_be_named(store: Store, name: str) -> None:
    store.put("x.jpg", b"a picture")
    store.put("a/framewright.yaml", f"style: {json.dumps(name)}".encode())
    with pytest.raises(InputError, match=r"names (no files|the style)"):
        choose(store, "a/b.mp4", DEFAULT)


def test_an_empty_note_says_nothing(store: Store) -> None:
    store.put("framewright.yaml", b"# nothing yet\n")
    assert choose(store, "a.mp4", DEFAULT).look == DEFAULT


def test_a_look_is_what_can_be_chosen_for_a_run() -> None:
    """Whoever adds a parameter to score-video decides here whether it is part of the look."""
    for_a_run = {"video", "output", "work_store"}
    properties = score_video.parameters.properties
    assert set(properties) - for_a_run == set(Look.model_fields)
    defaults = Look().model_dump()
    assert {name: properties[name]["default"] for name in defaults} == defaults


@pytest.mark.parametrize("name", Look.model_fields)
def test_the_form_of_a_look_says_what_that_of_a_run_does(name: str) -> None:
    def words(properties: dict[str, Any]) -> list[str]:
        return str(properties[name].get("description")).split()

    said = words(score_video.parameters.properties)
    assert words(Look.model_json_schema()["properties"]) == said
    for flow in (on_arrival, sweep, score_folder):
        assert words(flow.parameters.definitions["Look"]["properties"]) == said
