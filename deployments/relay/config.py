"""Every knob of the relay, with its unit and the environment variable that sets it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from deployments.relay.rules import Rules
from flows.sources import SUFFIXES, is_below
from framewright.errors import InputError
from framewright.settings import get_settings
from framewright.storage import open_store, without_queries

__all__ = ["RelaySettings", "read_settings"]

LEAST_SECRET_LETTERS = 16
Words = Annotated[tuple[str, ...], NoDecode]


class RelaySettings(BaseSettings):
    """Settings, read from ``FRAMEWRIGHT_RELAY_*`` environment variables and a ``.env`` file."""

    model_config = SettingsConfigDict(
        env_prefix="FRAMEWRIGHT_RELAY_", env_file=".env", extra="ignore", frozen=True
    )

    watch: Words = Field(
        (),
        description="Addresses of the folders and prefixes whose videos count, apart by spaces: "
        "az://ACCOUNT/CONTAINER/PREFIX, or the path of a folder.",
    )
    outputs: Words = Field(
        (),
        description="Addresses of the folders and prefixes where results go, apart by spaces: "
        "what appears there never starts a run.",
    )
    suffixes: Words = Field(
        SUFFIXES, description="Ends of names that count, apart by spaces, such as '.mp4 .mov'."
    )
    queue: str = Field(
        "",
        description="Storage queue with Event Grid's events: https://ACCOUNT.queue.core.windows.net"
        "/NAME, or its name where there is a connection string. Empty for none.",
    )
    queue_connection_string: SecretStr = Field(
        SecretStr(""), description="Connection string that signs in to the queues; development."
    )
    queue_sas: SecretStr = Field(
        SecretStr(""),
        description="SAS token that signs in to the queues; without it and a connection string, "
        "the machine's identity does.",
    )
    poison_queue: str = Field(
        "",
        description="Name of the queue for messages that cannot be processed; empty for the name "
        "of the queue with '-poison'.",
    )
    visibility_seconds: int = Field(
        120,
        ge=5,
        le=7 * 24 * 3600,
        description="How long a message that was taken stays hidden from other relays, in seconds; "
        "after a relay was killed, the next one gets its messages that much later.",
    )
    max_deliveries: int = Field(
        10,
        ge=2,
        le=1000,
        description="How often a message is taken before it is put aside, where the server makes "
        "runs of others but never of it.",
    )
    http_port: int = Field(
        0, ge=0, le=65535, description="Port for Event Grid's web-hook; 0 for none."
    )
    http_host: str = Field(
        "127.0.0.1",
        description="Address to listen on for the web-hook; a proxy with TLS belongs before it.",
    )
    http_secret: SecretStr = Field(
        SecretStr(""),
        description=f"What the web-hook's callers must know, {LEAST_SECRET_LETTERS} letters or "
        "more: as 'Authorization: Bearer SECRET', or as ?code=SECRET.",
    )
    poll_seconds: float = Field(
        0.0,
        ge=0,
        le=3600,
        description="How often the watched folders and prefixes are listed, in seconds; 0 for "
        "never. For storage without events.",
    )
    resend_seconds: float = Field(
        60.0,
        ge=1,
        le=3600,
        description="After how many seconds without a run an event is sent again; doubled each "
        "time.",
    )

    @field_validator("watch", "outputs", "suffixes", mode="before")
    @classmethod
    def _apart(cls, value: Any) -> Any:
        return tuple(re.findall(r"[^\s,]+", value)) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _agree(self) -> RelaySettings:
        if not self.watch:
            raise ValueError("FRAMEWRIGHT_RELAY_WATCH names nothing: no video would count")
        for folder in self.watch:
            if any(folder == output or is_below(folder, output) for output in self.outputs):
                shown = without_queries(folder)
                raise ValueError(f"{shown!r} is watched, but lies where results go")
        if not (self.queue or self.http_port or self.poll_seconds):
            raise ValueError(
                "nothing would tell of arrivals: set FRAMEWRIGHT_RELAY_QUEUE, "
                "FRAMEWRIGHT_RELAY_HTTP_PORT or FRAMEWRIGHT_RELAY_POLL_SECONDS"
            )
        secret = self.http_secret.get_secret_value()
        if self.http_port and len(secret) < LEAST_SECRET_LETTERS:
            raise ValueError(
                "FRAMEWRIGHT_RELAY_HTTP_SECRET has less than "
                f"{LEAST_SECRET_LETTERS} letters: anybody could start runs"
            )
        return self

    def rules(self) -> Rules:
        """Return what counts, with every address in the form in which arrivals have theirs.

        Raises:
            InputError: an address is not understood.
        """
        watch, outputs = (
            tuple(open_store(folder, get_settings()).url.rstrip("/") for folder in folders)
            for folders in (self.watch, self.outputs)
        )
        return Rules(watch, outputs, tuple(suffix.lower() for suffix in self.suffixes))


def read_settings() -> RelaySettings:
    """Return the settings of this process.

    Raises:
        InputError: they are not possible; the message shows no value that could be a secret.
    """
    try:
        return RelaySettings()
    except ValidationError as error:
        wrong = "; ".join(_words(one) for one in error.errors(include_input=False))
        raise InputError(f"settings of the relay that are not possible: {wrong}.") from None


def _words(error: Mapping[str, Any]) -> str:
    name = "_".join(map(str, error["loc"])).upper()
    words = str(error["msg"]).removeprefix("Value error, ")
    return f"FRAMEWRIGHT_RELAY_{name}: {words}" if name else words
