import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployments.relay.arrival import Arrival, Poison
from deployments.relay.schemas import read_arrivals
from tests.relay.events import BASE64, POISON, cloud_event, grid_event, message

VIDEO = Arrival(
    "az://devstoreaccount1/media/incoming/a b.mp4",
    "0x8D4BCC2E4835CD0",
    524288,
    sequencer="00000000000004420000000000028963",
)


@pytest.mark.parametrize("event", [grid_event, cloud_event])
@pytest.mark.parametrize("as_list", [False, True])
@pytest.mark.parametrize("encode", [message, lambda document: json.dumps(document).encode()])
def test_both_schemas_in_all_their_wrappings_tell_the_same(event, as_list, encode) -> None:  # type: ignore[no-untyped-def]
    document = event("incoming/a b.mp4")
    assert read_arrivals(encode([document] if as_list else document)) == [VIDEO]


def test_a_name_is_what_the_subject_says_letter_for_letter() -> None:
    event = grid_event("x")
    event["subject"] = "/blobServices/default/containers/media/blobs/100%25 sure?.mp4"
    event["data"]["url"] = (
        "https://devstoreaccount1.blob.core.windows.net/media/100%2525%20sure%3F.mp4"
    )
    [arrival] = read_arrivals(message(event))
    assert arrival.video == "az://devstoreaccount1/media/100%25 sure?.mp4"
    del event["subject"]
    [same] = read_arrivals(message(event))
    assert same.video == arrival.video


@pytest.mark.parametrize(
    ("url", "video"),
    [
        ("https://acc.dfs.core.windows.net/media/x/a.mp4", "az://acc/media/x/a.mp4"),
        ("http://127.0.0.1:10000/acc/media/x/a.mp4", "az://acc/media/x/a.mp4"),
        (
            "https://acc.blob.core.usgovcloudapi.net/media/x/a.mp4",
            "https://acc.blob.core.usgovcloudapi.net/media/x/a.mp4",
        ),
    ],
)
def test_accounts_are_named_in_several_ways(url: str, video: str) -> None:
    event = grid_event("x/a.mp4")
    event["data"]["url"] = url
    assert [arrival.video for arrival in read_arrivals(message(event))] == [video]


def test_a_renamed_blob_has_arrived_under_its_new_name() -> None:
    event = grid_event("incoming/old.mp4")
    event["eventType"] = "Microsoft.Storage.BlobRenamed"
    base = "https://acc.dfs.core.windows.net/media/incoming"
    event["data"] = {"sourceUrl": f"{base}/old.mp4", "destinationUrl": f"{base}/new.mp4"}
    event["data"]["sequencer"] = "0007"
    [arrival] = read_arrivals(message(event))
    assert (arrival.video, arrival.etag) == ("az://acc/media/incoming/new.mp4", "")
    event["data"]["sequencer"] = "0008"
    [again] = read_arrivals(message(event))
    assert again.key != arrival.key


@pytest.mark.parametrize("kind", ["BlobDeleted", "BlobTierChanged", "DirectoryCreated"])
def test_other_changes_of_blobs_tell_of_no_arrival(kind: str) -> None:
    event = grid_event("incoming/a.mp4")
    event["eventType"] = f"Microsoft.Storage.{kind}"
    assert read_arrivals(message(event)) == []


def test_a_version_is_named_by_address_and_etag_however_it_is_quoted() -> None:
    [plain] = read_arrivals(BASE64)
    [quoted] = read_arrivals(message(grid_event("incoming/a.mp4", '"0x8D4BCC2E4835CD0"')))
    [other] = read_arrivals(message(grid_event("incoming/a.mp4", "0x8D4BCC2E4835CD1")))
    assert plain.key == quoted.key != other.key


@pytest.mark.parametrize("kind", POISON)
def test_what_is_no_event_is_told_with_the_reason(kind: str) -> None:
    body, reason = POISON[kind]
    with pytest.raises(Poison) as raised:
        read_arrivals(body)
    assert reason in str(raised.value)
    assert len(str(raised.value)) < 600


def test_a_reason_shows_no_signature() -> None:
    event = grid_event("incoming/a.mp4")
    event["data"]["url"] = "ftp://acc.blob.core.windows.net/media/a.mp4?sv=1&sig=VerySecret"
    with pytest.raises(Poison) as raised:
        read_arrivals(message(event))
    assert "VerySecret" not in str(raised.value)


@settings(max_examples=50)
@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_bytes_of_any_kind_are_poison_or_nothing(body: bytes) -> None:
    with pytest.raises(Poison):
        read_arrivals(body)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["data", "url", "eTag", "subject"]), inner, max_size=3)
    ),
    max_leaves=10,
)


FIELDS = ["eventType", "specversion", "type", "subject", "data", "url", "eTag", "contentLength"]


@settings(max_examples=100)
@given(st.sampled_from([grid_event, cloud_event]), st.sampled_from(FIELDS), JSON)
def test_events_with_a_field_changed_are_read_or_refused(event, name, value) -> None:  # type: ignore[no-untyped-def]
    document = event("incoming/a.mp4")
    (document["data"] if name in document["data"] else document)[name] = value
    try:
        arrivals = read_arrivals(json.dumps(document).encode())
    except Poison:
        return
    assert all("://" in arrival.video for arrival in arrivals)
