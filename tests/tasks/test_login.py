"""What signs in where a flow runs."""

import pytest
from prefect_azure import AzureBlobStorageCredentials
from pydantic import SecretStr

import tests.prefect_home  # noqa: F401 - before anything imports Prefect
from framewright.errors import InputError
from framewright.settings import get_settings
from framewright.storage.blob_address import parse_blob_address
from tasks.login import settings_here

BLOCKS = {
    "media": "BlobEndpoint=https://media.blob.core.windows.net;SharedAccessSignature=sig=of-media",
    "ops": "AccountName=ops;AccountKey=b2Yg;EndpointSuffix=core.windows.net",
    "nobody": "SharedAccessSignature=sig=x",
}


@pytest.fixture(autouse=True)
def _blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks as a server would have them."""

    def load(name: str) -> AzureBlobStorageCredentials:
        if name == "secret":
            return AzureBlobStorageCredentials(
                account_url="https://media.blob.core.windows.net",
                tenant_id="t",
                client_id="c",
                client_secret=SecretStr("s"),
            )
        if name == "identity":
            return AzureBlobStorageCredentials(account_url="https://media.blob.core.windows.net")
        if name not in BLOCKS:
            raise ValueError(f"Unable to find block document named {name}")
        return AzureBlobStorageCredentials(connection_string=SecretStr(BLOCKS[name]))

    monkeypatch.setattr(AzureBlobStorageCredentials, "load", load)


def signs_in(address: str) -> tuple[str, str]:
    sign_in = parse_blob_address(address, settings_here()).sign_in
    return sign_in.kind, sign_in.secret


def test_each_block_signs_in_to_its_account(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRAMEWRIGHT_AZURE_BLOCKS", "media, ops")
    monkeypatch.setenv("FRAMEWRIGHT_AZURE_LOGINS", '{"media/own": "sig=of-own"}')
    get_settings.cache_clear()
    assert signs_in("az://media/incoming/a") == ("sas", "sig=of-media")
    assert signs_in("az://media/own/a") == ("sas", "sig=of-own")
    assert signs_in("az://ops/work") == ("account key", "b2Yg")
    assert signs_in("az://other/box") == ("entra", "")
    assert "of-media" not in repr(settings_here())


def test_without_blocks_the_settings_are_those_of_the_process() -> None:
    assert settings_here() is get_settings()


def test_a_block_without_a_secret_leaves_it_to_the_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FRAMEWRIGHT_AZURE_BLOCKS", "identity")
    get_settings.cache_clear()
    assert signs_in("az://media/incoming") == ("entra", "")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("gone", "there is no Prefect block azure-blob-storage-credentials/gone"),
        ("secret", "AZURE_CLIENT_SECRET"),
        ("nobody", "names no account"),
    ],
)
def test_a_block_that_cannot_sign_in(
    name: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FRAMEWRIGHT_AZURE_BLOCKS", name)
    get_settings.cache_clear()
    with pytest.raises(InputError, match=words):
        settings_here()
