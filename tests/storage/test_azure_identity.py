"""A managed identity signs in: azure-identity asks an endpoint of the machine for a token.

The endpoint is that of Azure App Service, played by this test; Azurite looks at who issued a token,
for what and for how long, not at its signature.
"""

from __future__ import annotations

import base64
import ipaddress
import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from azure.identity import DefaultAzureCredential
from azure.storage.blob import (
    BlobServiceClient,
    ContainerSasPermissions,
    generate_container_sas,
)
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pydantic import SecretStr

from framewright.access import examine_address, shown_address
from framewright.errors import StoreDenied
from framewright.settings import Settings, get_settings
from framewright.storage import RemoteFile, open_store, place_of
from tests import azurite
from tests.azurite import ACCOUNT, Azurite

TENANT = "00000000-0000-0000-0000-000000000001"
OBJECT = "00000000-0000-0000-0000-000000000002"


def certificate(folder: Path) -> tuple[Path, Path]:
    """Make a certificate of 127.0.0.1 and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    paths = folder / "cert.pem", folder / "key.pem"
    paths[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return paths


def token(audience: str) -> str:
    now = int(time.time())
    parts = (
        {"alg": "RS256", "typ": "JWT"},
        {
            "aud": audience,
            "iss": f"https://sts.windows.net/{TENANT}/",
            "iat": now - 60,
            "nbf": now - 60,
            "exp": now + 3600,
            "oid": OBJECT,
            "tid": TENANT,
            "xms_mirid": "/subscriptions/1/providers/userAssignedIdentities/framewright-run",
        },
    )
    encoded = [base64.urlsafe_b64encode(json.dumps(p).encode()).decode().rstrip("=") for p in parts]
    return ".".join([*encoded, "c2lnbmVk"])


@pytest.fixture
def identity(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The endpoint; the list holds the audiences that it gives tokens for, in turn."""
    audiences = ["https://storage.azure.com"]

    class Endpoint(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer = {
                "access_token": token(audiences[0]),
                "expires_on": str(int(time.time()) + 3600),
                "resource": "https://storage.azure.com",
                "token_type": "Bearer",
            }
            body = json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Endpoint)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    monkeypatch.setenv("IDENTITY_ENDPOINT", f"http://127.0.0.1:{server.server_port}/token")
    monkeypatch.setenv("IDENTITY_HEADER", "header")
    yield audiences
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def with_https(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Azurite]:
    if reason := azurite.why_not():
        pytest.skip(reason)
    pair = certificate(tmp_path)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(pair[0]))
    with azurite.running(tmp_path / "azurite", certificate=pair) as running:
        yield running


def test_a_managed_identity_signs_in(
    identity: list[str], with_https: Azurite, monkeypatch: pytest.MonkeyPatch
) -> None:
    container = with_https.container().container_name
    settings = Settings(azure_endpoint=with_https.endpoint)
    monkeypatch.setenv("FRAMEWRIGHT_AZURE_ENDPOINT", with_https.endpoint)
    get_settings.cache_clear()
    found = {one.what: one for one in examine_address(f"az://{ACCOUNT}/{container}", write=True)}
    assert {one.verdict for one in found.values()} == {"ok"}
    assert found["sign-in"].found == (
        f"Microsoft Entra: the managed identity 'framewright-run', object ID {OBJECT}"
    )
    store = open_store(f"az://{ACCOUNT}/{container}/work", settings)
    info = store.put("k", b"x" * 100)
    assert store.read("k") == b"x" * 100
    assert list(store.list()) == [info]
    identity[0] = "https://management.azure.com"
    refused = open_store(f"az://{ACCOUNT}/{container}/work", settings)
    with pytest.raises(StoreDenied, match="does not accept the identity that DefaultAzureCred"):
        refused.read("k")


def test_a_user_delegation_token_signs_in(
    identity: list[str], with_https: Azurite, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `az storage container generate-sas --as-user --auth-mode login` makes one."""
    container = str(with_https.container().container_name)
    now = datetime.now(UTC)
    with (
        DefaultAzureCredential() as credential,
        BlobServiceClient(with_https.endpoint, credential=credential) as account,
    ):
        key = account.get_user_delegation_key(now - timedelta(minutes=5), now + timedelta(days=2))
    token = generate_container_sas(
        ACCOUNT,
        container,
        user_delegation_key=key,
        permission=ContainerSasPermissions(read=True, list=True),
        expiry=now + timedelta(days=2),
    )
    monkeypatch.setenv("FRAMEWRIGHT_AZURE_ENDPOINT", with_https.endpoint)
    monkeypatch.setenv("IDENTITY_ENDPOINT", "http://127.0.0.1:1/")  # nothing else signs in
    get_settings.cache_clear()
    with_https.container_named(container).upload_blob("a.mp4", b"12345")
    address = f"https://{ACCOUNT}.blob.core.windows.net/{container}"
    source = place_of(f"{address}/a.mp4?{token}", get_settings())
    assert isinstance(source, RemoteFile)
    assert source.url == f"az://{ACCOUNT}/{container}/a.mp4"
    assert source.store.read("a.mp4") == b"12345"
    with pytest.raises(StoreDenied, match="right to write is missing"):
        source.store.put("b", b"x")
    set_once = Settings(azure_endpoint=with_https.endpoint, azure_sas=SecretStr(f"?{token}"))
    assert open_store(f"az://{ACCOUNT}/{container}", set_once).read("a.mp4") == b"12345"
    for given in (f"{address}/a.mp4?{token}", f"{address}?{token}"):
        found = {one.what: one for one in examine_address(given)}
        assert "user-delegation SAS of a container, permissions rl" in found["sign-in"].found
        assert found["sign-in"].verdict == found["read"].verdict == found["list"].verdict == "ok"
        shown = [*(one.found + one.advice for one in found.values()), shown_address(given)]
        for secret in ("sig", "skoid", TENANT):
            assert not any(secret in text for text in shown)
