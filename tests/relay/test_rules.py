from pathlib import Path

import pytest

from deployments.relay.arrival import Arrival
from deployments.relay.config import RelaySettings, read_settings
from deployments.relay.rules import Rules
from framewright.errors import InputError

RULES = Rules(
    watch=("az://acc/media/incoming", "az://acc/media/incoming/urgent", "/data/in"),
    outputs=("az://acc/media/incoming/done", "/data/in/out"),
    suffixes=(".mp4", ".mov"),
)
SECRET = "a secret of many letters"  # noqa: S105


@pytest.mark.parametrize(
    ("video", "root"),
    [
        ("az://acc/media/incoming/a.mp4", "az://acc/media/incoming"),
        ("az://acc/media/incoming/x/A.MOV", "az://acc/media/incoming"),
        ("az://acc/media/incoming/urgent/a.mp4", "az://acc/media/incoming/urgent"),
        ("/data/in/a.mp4", "/data/in"),
    ],
)
def test_what_lies_below_a_watched_place_counts(video: str, root: str) -> None:
    judged = RULES.judge(Arrival(video, "e", 1))
    assert isinstance(judged, Arrival)
    assert judged.root == root


@pytest.mark.parametrize(
    ("video", "why"),
    [
        ("az://acc/media/incoming/done/a.identity.mp4", "it is a result"),
        ("/data/in/out/a.mp4", "it is a result"),
        ("az://acc/media/incoming2/a.mp4", "nobody watches where it lies"),
        ("az://other/media/incoming/a.mp4", "nobody watches where it lies"),
        (
            "az://acc/media/incoming/a.framewright.yaml",
            "its name is not that of a video to be scored",
        ),
        (
            "az://acc/media/incoming/a.mask.mp4",
            "its name is not that of a video to be scored",
        ),
        ("az://acc/media/incoming/.a.mp4", "its name is not that of a video to be scored"),
    ],
)
def test_what_does_not_count_is_told_why(video: str, why: str) -> None:
    assert RULES.judge(Arrival(video, "e", 1)) == why


def test_an_empty_blob_is_only_the_beginning_of_an_upload() -> None:
    assert RULES.judge(Arrival("az://acc/media/incoming/a.mp4", "e", 0)) == "it is empty"
    assert isinstance(RULES.judge(Arrival("az://acc/media/incoming/a.mp4", "e")), Arrival)


def test_settings_give_rules_with_addresses_as_arrivals_have_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(
        "FRAMEWRIGHT_RELAY_WATCH",
        f"https://acc.blob.core.windows.net/media/incoming/, {tmp_path}/in/",
    )
    monkeypatch.setenv("FRAMEWRIGHT_RELAY_OUTPUTS", "az://acc/media/incoming/done")
    monkeypatch.setenv("FRAMEWRIGHT_RELAY_SUFFIXES", ".MP4 .mov")
    monkeypatch.setenv("FRAMEWRIGHT_RELAY_POLL_SECONDS", "5")
    monkeypatch.setenv("FRAMEWRIGHT_AZURE_SAS", "sv=1&sig=x")
    assert read_settings().rules() == Rules(
        ("az://acc/media/incoming", f"{tmp_path}/in"),
        ("az://acc/media/incoming/done",),
        (".mp4", ".mov"),
    )


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (
            {"watch": "", "poll_seconds": "1"},
            "FRAMEWRIGHT_RELAY_WATCH names nothing",
        ),
        ({"watch": "/in"}, "nothing would tell of arrivals"),
        ({"watch": "/in", "outputs": "/in", "poll_seconds": "1"}, "lies where results go"),
        ({"watch": "/in/x", "outputs": "/in", "poll_seconds": "1"}, "lies where results go"),
        ({"watch": "/in", "http_port": "80", "http_secret": "short"}, "anybody could start runs"),
        ({"watch": "/in", "poll_seconds": "-1"}, "FRAMEWRIGHT_RELAY_POLL_SECONDS: "),
    ],
)
def test_settings_that_make_no_sense_are_refused(
    settings: dict[str, str], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(f"FRAMEWRIGHT_RELAY_{name.upper()}", value)
    with pytest.raises(InputError) as raised:
        read_settings()
    assert words in str(raised.value)


def test_secrets_are_not_shown() -> None:
    settings = RelaySettings(
        watch=("/in",), http_port=8080, http_secret=SECRET, queue_sas=f"sig={SECRET}"
    )
    assert SECRET not in repr(settings) + str(settings) + settings.model_dump_json()
    assert settings.http_host == "127.0.0.1"
