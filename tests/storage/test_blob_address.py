"""Addresses of blob storage, and secrets that must not be in them."""

from __future__ import annotations

import pickle

import pytest

from framewright.errors import InputError, StoreKeyError
from framewright.settings import Settings
from framewright.storage import open_store, without_queries
from framewright.storage.blob_address import parse_blob_address
from tests.azurite import Azurite

SAS = "sv=2024-11-04&sp=rcwdl&sig=VerySecret%2Babc%3D"
KEY = "AccountName=account;AccountKey=c2VjcmV0"


@pytest.mark.parametrize(
    ("address", "url", "endpoint", "prefix"),
    [
        ("az://account/box", "az://account/box", "https://account.blob.core.windows.net", ""),
        ("az://account/box/", "az://account/box", "https://account.blob.core.windows.net", ""),
        (
            "az://account/box/a b/100%/ä",
            "az://account/box/a b/100%/ä",
            "https://account.blob.core.windows.net",
            "a b/100%/ä/",
        ),
        (
            "https://account.blob.core.windows.net/box/a%20b/c/?" + SAS,
            "az://account/box/a b/c",
            "https://account.blob.core.windows.net",
            "a b/c/",
        ),
        (
            "https://account.blob.core.chinacloudapi.cn/box/a%20b",
            "https://account.blob.core.chinacloudapi.cn/box/a%20b",
            "https://account.blob.core.chinacloudapi.cn",
            "a b/",
        ),
    ],
)
def test_an_address_is_understood(address: str, url: str, endpoint: str, prefix: str) -> None:
    at = parse_blob_address(address, Settings())
    assert (at.account, at.container) == ("account", "box")
    assert (at.url, at.endpoint, at.prefix) == (url, endpoint, prefix)
    again = parse_blob_address(at.url, Settings())
    assert (again.url, again.endpoint, again.prefix) == (url, endpoint, prefix)


@pytest.mark.parametrize(
    "address",
    [
        *("az://", "az://account", "az://account/", "az://ac/box", "az://Account/box"),
        *("az://account/B", "az://account/a--b", "az://account/-ab", "az://account/box/a/../b"),
        *("az://account/box/a//b", "az://user:pass@account/box", "az://account/box?" + SAS),
        *("http://account.blob.core.windows.net/box", "https://example.com/box?" + SAS),
        *("https://account.blob.core.windows.net", "https://u:pass@account.blob.x.net/box"),
        *("https://account.blob.core.windows.net/box#x", "https://127.0.0.1:10000/account/box"),
    ],
)
def test_an_address_that_is_not(address: str) -> None:
    with pytest.raises(StoreKeyError) as caught:
        open_store(address)
    words = str(caught.value)
    assert "VerySecret" not in words
    assert "pass@" not in words


@pytest.mark.parametrize(
    ("settings", "kind", "endpoint"),
    [
        ({}, "entra", "https://account.blob.core.windows.net"),
        ({"azure_sas": "?" + SAS}, "sas", "https://account.blob.core.windows.net"),
        (
            {"azure_connection_string": f"{KEY};EndpointSuffix=core.x.net"},
            "account key",
            "https://account.blob.core.x.net",
        ),
        (
            {"azure_connection_string": f"{KEY};BlobEndpoint=http://h:1/account;"},
            "account key",
            "http://h:1/account",
        ),
        (
            {"azure_connection_string": f"BlobEndpoint=http://h:1/a;SharedAccessSignature={SAS}"},
            "sas",
            "http://h:1/a",
        ),
        (
            {"azure_connection_string": KEY, "azure_sas": SAS},
            "sas",
            "https://account.blob.core.windows.net",
        ),
        (
            {"azure_endpoint": "http://h:1/{account}/", "azure_connection_string": KEY},
            "account key",
            "http://h:1/account",
        ),
    ],
)
def test_what_signs_in(settings: dict[str, str], kind: str, endpoint: str) -> None:
    at = parse_blob_address("az://account/box", Settings(**settings))
    assert (at.sign_in.kind, at.endpoint) == (kind, endpoint)
    for shown in (repr(at), str(at), at.url, at.endpoint):
        assert "VerySecret" not in shown
        assert "c2VjcmV0" not in shown


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"azure_connection_string": "nonsense"}, "CONNECTION_STRING is not understood"),
        ({"azure_connection_string": "AccountName=a"}, "CONNECTION_STRING is not understood"),
        ({"azure_connection_string": KEY.replace("=account", "=other")}, "names 'account'"),
        ({"azure_endpoint": "127.0.0.1:10000"}, "blob endpoint '127.0.0.1:10000' is not"),
        ({"azure_endpoint": f"https://h/?{SAS}"}, "blob endpoint 'https://h/' is not"),
    ],
)
def test_settings_that_cannot_sign_in(settings: dict[str, str], words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        parse_blob_address("az://account/box", Settings(**settings))
    assert "VerySecret" not in str(caught.value)
    assert "c2VjcmV0" not in str(caught.value)


@pytest.mark.parametrize(
    "address",
    [
        "https://account.blob.core.windows.net/box/a",
        "HTTPS://account.blob.core.windows.net/box/a",
        "az://account/box/a",
    ],
)
def test_a_token_in_the_address_of_the_work_store_is_taken_out_at_once(address: str) -> None:
    settings = Settings(work_store=f"{address}?{SAS}")
    assert settings.work_store == address
    at = parse_blob_address(settings.work_store, settings)
    assert (at.sign_in.kind, at.sign_in.secret) == ("sas", SAS)
    others = parse_blob_address("az://account/other", settings)
    assert others.sign_in.kind == "entra", "the token is for its container only"
    assert "VerySecret" not in repr(settings) + str(settings) + settings.model_dump_json()
    assert open_store(settings.work_store, settings).url == "az://account/box/a"
    assert Settings(work_store=address, azure_sas=SAS).azure_sas.get_secret_value() == SAS


@pytest.mark.parametrize("address", ["/data/really?", "file:///data/really?"])
def test_a_folder_may_have_a_question_mark(address: str) -> None:
    assert Settings(work_store=address).work_store == address


def test_a_store_shows_and_pickles_its_address_only() -> None:
    store = open_store(f"https://account.blob.core.windows.net/box/a?{SAS}", Settings())
    assert store.url == "az://account/box/a"
    assert repr(store) == "AzureStore('az://account/box/a')"
    assert b"VerySecret" not in pickle.dumps(store)
    assert "VerySecret" not in repr(vars(store))


def test_a_pickled_store_signs_in_with_the_environment(azure: str, azurite: Azurite) -> None:
    store = open_store(azure)
    store.put("k", b"x")
    assert pickle.loads(pickle.dumps(store)).read("k") == b"x"  # noqa: S301


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("GET https://h/p?sv=1&sig=abc%2B HTTP", "GET https://h/p HTTP"),
        ("url: /a/b?sig=x (Caused by", "url: /a/b (Caused by"),
        ("'https://h/p?sig=x'", "'https://h/p'"),
        ("nothing here", "nothing here"),
    ],
)
def test_queries_are_cut_off(text: str, shown: str) -> None:
    assert without_queries(text) == shown
