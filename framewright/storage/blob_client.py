"""A client of a blob container: what signs in, time-outs, and logs without signatures."""

from __future__ import annotations

import logging
import os
import re
from functools import lru_cache
from typing import Any

from azure.core.credentials import AzureNamedKeyCredential, AzureSasCredential
from azure.storage.blob import ContainerClient
from requests.utils import get_environ_proxies

from framewright.errors import InputError
from framewright.settings import Settings
from framewright.storage.blob_address import BlobLocation, SignIn

__all__ = ["connect"]

logger = logging.getLogger(__name__)

_SIGNATURE = re.compile(r"\bsig=[^&\s'\"]+", re.IGNORECASE)


def connect(at: BlobLocation, settings: Settings) -> ContainerClient:
    """Make a client; connects to nothing yet."""
    _keep_signatures_out_of_logs()
    problem = ""
    try:
        return ContainerClient(
            at.endpoint,
            at.container,
            credential=_credential(at.sign_in, at.account),
            connection_timeout=settings.azure_timeout_seconds,
            read_timeout=settings.azure_timeout_seconds,
            **_environment(at.endpoint),
            retry_total=0,  # BlobCaller tries again, with a bound
            max_single_get_size=1 << 30,  # a range is asked for in one request
            connection_data_block_size=1 << 20,  # an answer is taken in pieces of that
        )
    except ValueError as error:
        problem = str(error)
    raise InputError(f"cannot use {at.url} at {at.endpoint} with {at.sign_in.source}: {problem}")


def _environment(endpoint: str) -> dict[str, Any]:
    """What the environment says of proxies and certificates, looked up once for all requests.

    Looked up by requests for each of them, it is a third of the time that the SDK takes for one.
    """
    proxies = get_environ_proxies(endpoint)
    bundle = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE")
    return {
        "use_env_settings": False,
        "connection_verify": bundle or True,
        **({"proxies": proxies} if proxies else {}),
    }


def _credential(sign_in: SignIn, account: str) -> Any:
    if sign_in.kind == "sas":
        return AzureSasCredential(sign_in.secret)
    if sign_in.kind == "account key":
        _warn_of_key(account)
        return AzureNamedKeyCredential(account, sign_in.secret)
    from azure.identity import DefaultAzureCredential

    return DefaultAzureCredential()


@lru_cache(maxsize=8)
def _warn_of_key(account: str) -> None:
    logger.warning(
        "the account key of %r signs in, which may do anything with that account: for development "
        "only. Use a managed identity or a SAS token.",
        account,
    )


@lru_cache(maxsize=1)
def _keep_signatures_out_of_logs() -> None:
    """urllib3 logs the path and query of every request when all loggers are set to DEBUG."""

    def hide(record: logging.LogRecord) -> bool:
        text = record.getMessage()
        if _SIGNATURE.search(text):
            record.msg, record.args = _SIGNATURE.sub("sig=...", text), ()
        return True

    for name in ("urllib3.connectionpool", "urllib3.util.retry"):
        logging.getLogger(name).addFilter(hide)
    requests_log = logging.getLogger("azure.core.pipeline.policies.http_logging_policy")
    if requests_log.level == logging.NOTSET:
        requests_log.setLevel(logging.WARNING)  # else 20 lines for each request
