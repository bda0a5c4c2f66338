"""What a run is started with; the server itself is in tests/relay."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast
from uuid import uuid4

import pytest
from prefect.states import AwaitingRetry, Crashed, Failed, Running, Scheduled

from flows.dispatch import start, tries
from flows.parameters import Look
from flows.score_video import score_video
from framewright.settings import Settings
from framewright.storage import RemoteFile, place_of


@pytest.mark.parametrize("name", ["a b.mp4", "100% sure?.mp4", "what?/50%25 é#.mp4"])
def test_the_parameters_name_the_blob_and_the_form_takes_them(name: str) -> None:
    given: dict[str, Any] = {}
    client = SimpleNamespace(create_flow_run_from_deployment=lambda _, **said: given.update(said))
    start(
        cast("Any", client),
        uuid4(),
        video=f"az://media/incoming/{name}",
        output="az://media/outgoing/",
        look=Look(style="wave", stability=0.5),
        key="k",
        tags=["arrival"],
    )
    parameters = given["parameters"]
    score_video.validate_parameters(parameters)
    file = place_of(parameters["video"], Settings())
    assert isinstance(file, RemoteFile)
    assert (file.key, file.url) == (name, f"az://media/incoming/{name}")
    assert (parameters["style"], parameters["stability"]) == ("wave", 0.5)


def test_a_run_that_died_and_went_on_was_tried_twice() -> None:
    states = [Scheduled(), Crashed(), AwaitingRetry(), Running(), Failed()]
    client = SimpleNamespace(read_flow_run_states=lambda _: states)
    assert tries(cast("Any", client), cast("Any", SimpleNamespace(id=uuid4()))) == 2
