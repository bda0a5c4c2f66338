import re

import jsonschema
import pytest
from prefect.utilities.callables import parameter_schema

from flows.parameters import artifact_key, look_of
from flows.score_video import score_video
from framewright.scorers import scorer_names

SCHEMA = parameter_schema(score_video)


@pytest.mark.parametrize("name", SCHEMA.properties)
def test_every_parameter_explains_itself(name: str) -> None:
    assert len(SCHEMA.properties[name].get("description", "")) > 20


def test_only_video_and_output_must_be_given() -> None:
    assert SCHEMA.required == ["video", "output"]


def test_scorers_and_styles_are_offered_as_choices() -> None:
    assert SCHEMA.properties["scorer"]["enum"] == scorer_names()
    assert SCHEMA.properties["scorer"]["default"] in scorer_names()
    shipped, image = SCHEMA.properties["style"]["anyOf"]
    assert "starry_night" in shipped["enum"]
    assert image["pattern"].startswith("^(/.*|(az:"), "typed by hand"
    assert SCHEMA.properties["style"]["default"] in shipped["enum"]


def test_limits_are_part_of_the_form() -> None:
    assert SCHEMA.properties["unit_seconds"]["exclusiveMinimum"] == 0
    assert SCHEMA.properties["unit_seconds"]["maximum"] == 3600
    pattern = SCHEMA.properties["video"]["pattern"]
    assert re.search(pattern, "/a b.mp4")
    assert re.search(pattern, "az://media/incoming/a b.mp4")
    assert re.search(pattern, "https://media.blob.core.windows.net/incoming/a%20b.mp4")
    assert not re.search(pattern, "https://media.blob.core.windows.net/incoming/a.mp4?sig=x")


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"unit_seconds": 0}, "greater than 0"),
        ({"video": "relative.mp4"}, "match pattern"),
        ({"work_store": "work"}, "match pattern"),
        ({"work_store": "./work"}, "match pattern"),
        ({"work_store": "file://work"}, "match pattern"),
        ({"work_store": "s3://work"}, "match pattern"),
        ({"work_store": "az://account"}, "match pattern"),
        ({"work_store": "az://account/box?sig=x"}, "SAS token would be shown"),
        (
            {"work_store": "https://account.blob.core.windows.net/box/a?sig=x"},
            "SAS token would be shown",
        ),
        ({"video": "az://account/box"}, "match pattern"),
        ({"video": "https://example.com/a.mp4"}, "match pattern"),
        ({"work_store": "https://example.com/box"}, "match pattern"),
    ],
    ids=str,
)
def test_wrong_values_are_refused_before_the_flow_begins(
    parameters: dict[str, object], message: str
) -> None:
    good = {"video": "/a.mp4", "output": "/out/"}
    with pytest.raises(Exception, match=message):
        score_video.validate_parameters({**good, **parameters})


@pytest.mark.parametrize(
    "style", ["", "wave", "/data/my painting.jpg", "az://media/styles/a b.jpg"]
)
def test_a_style_is_a_choice_a_path_or_an_address(style: str) -> None:
    given = {"video": "/a.mp4", "output": "/o/", "style": style}
    score_video.validate_parameters(given)
    jsonschema.validate(given, SCHEMA.model_dump())


def test_a_style_that_is_neither_is_refused_by_the_form() -> None:
    with pytest.raises(jsonschema.ValidationError, match="'cubism' is not valid"):
        jsonschema.validate(
            {"video": "/a", "output": "/o/", "style": "cubism"}, SCHEMA.model_dump()
        )


@pytest.mark.parametrize(
    ("style", "look"),
    [
        ("", "fast"),
        ("wave", "wave"),
        ("/data/my painting.jpg", "my painting.jpg"),
        ("az://media/s/a.jpg", "a.jpg"),
    ],
)
def test_a_run_is_called_after_its_painting(style: str, look: str) -> None:
    assert look_of(style, "fast") == look


@pytest.mark.parametrize("address", ["", "/work", "file:///work"])
def test_a_work_store_that_is_the_same_everywhere_is_taken(address: str) -> None:
    score_video.validate_parameters({"video": "/a.mp4", "output": "/o/", "work_store": address})


@pytest.mark.parametrize(
    ("video", "key"),
    [
        ("/films/Harbour 01.mp4", "report-harbour-01-the-scream"),
        ("/films/-we $b 'x' 100%.mkv", "report-we-b-x-100-the-scream"),
        ("/films/夜.mp4", "report-the-scream"),
        ("/films/" + "x" * 250 + ".mp4", "report-" + "x" * 93),
    ],
)
def test_artifact_keys_are_lower_case_letters_digits_and_dashes(video: str, key: str) -> None:
    made = artifact_key("report", video, "the_scream")
    assert made == key
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", made)


@pytest.mark.parametrize(
    "parameters",
    [
        {"video": "https://account.blob.core.windows.net/box/a.mp4?sv=1&sig=VerySecret"},
        {"output": "az://account/box/?sig=VerySecret"},
        {"scorer_options": {"image": "https://account.blob.core.windows.net/b/a?sig=VerySecret"}},
        {"scorer_options": {"style": {"https://acc.blob.core.windows.net/b/a?sig=VerySecret": 1}}},
        {"scorer_options": {"style": ["https://acc.blob.core.windows.net/b/a?sig=VerySecret"]}},
        {"style": "https://account.blob.core.windows.net/b/a.jpg?sig=VerySecret"},
        {"work_store": "https://account.blob.core.windows.net/box?sig=VerySecret"},
    ],
    ids=lambda parameters: next(iter(parameters)),
)
def test_a_token_is_refused_and_not_shown(
    parameters: dict[str, object], caplog: pytest.LogCaptureFixture
) -> None:
    good = {"video": "/a.mp4", "output": "/out/"}
    with pytest.raises(Exception, match="FRAMEWRIGHT_AZURE_LOGINS, or a Prefect block") as caught:
        score_video.validate_parameters({**good, **parameters})
    assert "VerySecret" not in str(caught.value) + caplog.text
    assert "Parameter validation failed" in caplog.text, "Prefect logs the parameters"


def test_blobs_are_taken() -> None:
    video = "https://media.blob.core.windows.net/incoming/a%20b.mp4"
    score_video.validate_parameters({"video": video, "output": "az://media/outgoing/"})
