"""The Prefect server that ``PREFECT_API_URL`` names: reached, or said in words why it is not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from json import JSONDecodeError

import httpx
from prefect import get_client
from prefect.client.orchestration import SyncPrefectClient
from prefect.exceptions import PrefectHTTPStatusError
from prefect.settings import PREFECT_API_URL
from pydantic import ValidationError

from framewright.access import shown_address

__all__ = ["ServerError", "server_client"]


class ServerError(Exception):
    """The server is not named, does not answer, or does not take what it is asked."""


@contextmanager
def server_client() -> Iterator[SyncPrefectClient]:
    """Give a client of the server.

    Without an address Prefect would start a server of its own, for as long as this process lives.
    What is sent is made before: what does not validate within, or has not the type that Prefect
    takes apart, is taken for an answer.

    Raises:
        ServerError: none is named, it does not answer, or it refuses something.
    """
    url = PREFECT_API_URL.value()
    if not url:
        raise ServerError(
            "no Prefect server is named: set PREFECT_API_URL to its address, such as "
            "http://127.0.0.1:4200/api, and PREFECT_API_AUTH_STRING where it has a password."
        )
    shown = shown_address(url)
    try:
        with get_client(sync_client=True) as client:
            yield client
    except (httpx.TransportError, httpx.InvalidURL) as error:
        raise ServerError(
            f"the Prefect server at {shown} does not answer ({error or type(error).__name__}): "
            "check PREFECT_API_URL, and that the server runs."
        ) from error
    except PrefectHTTPStatusError as error:
        status = error.response.status_code
        advice = error.response.text[:500]
        if status in (401, 403):
            advice = "set PREFECT_API_AUTH_STRING to its USER:PASSWORD, as on the server."
        elif status == 404:
            advice = "check PREFECT_API_URL, which ends in /api."
        raise ServerError(f"the Prefect server at {shown} answers {status}: {advice}") from error
    except (JSONDecodeError, TypeError, ValidationError) as error:
        raise ServerError(
            f"what answers at {shown} is no Prefect server: check PREFECT_API_URL, which ends in "
            "/api."
        ) from error
