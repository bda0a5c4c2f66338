"""Messages that cannot be processed, put aside with the reason."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import Any

__all__ = ["MAX_MESSAGE_BYTES", "poison_message", "read_poison"]

MAX_MESSAGE_BYTES = 64 << 10
"""The service's limit on one message of a queue."""
_ENVELOPE_BYTES = 2 << 10
_MAX_JSON_BYTES = MAX_MESSAGE_BYTES * 3 // 4
"""Base64 makes four letters of three bytes."""
_MAX_REASON_LETTERS = 500


def poison_message(body: bytes, reason: str, *, message_id: str, taken: int) -> str:
    """Return the text of a message about another one, as JSON in Base64.

    ``original`` holds the message; ``original_base64`` instead where it is not text. Where only its
    beginning fits, ``truncated`` says so.

    Args:
        body: the message, of any length.
        reason: why it cannot be processed.
        message_id: its id in the queue that it came from.
        taken: how often it was taken from there.
    """
    about: dict[str, Any] = {
        "reason": reason[:_MAX_REASON_LETTERS],
        "message_id": message_id,
        "taken": taken,
        "put_aside": datetime.now(UTC).isoformat(timespec="seconds"),
        "original_bytes": len(body),
        "truncated": False,
    }
    room = _MAX_JSON_BYTES - _ENVELOPE_BYTES
    try:
        text = body.decode()
    except UnicodeDecodeError:
        most = room * 3 // 4
        about["original_base64"] = base64.b64encode(body[:most]).decode()
        about["truncated"] = len(body) > most
    else:
        about["original"] = _cut(text, room)
        about["truncated"] = len(about["original"]) < len(text)
    return base64.b64encode(json.dumps(about).encode()).decode()


def read_poison(text: str) -> dict[str, Any]:
    """Return what ``poison_message`` said."""
    about: dict[str, Any] = json.loads(base64.b64decode(text))
    return about


def _cut(text: str, room: int) -> str:
    """Return as much of a text as takes at most ``room`` letters in JSON."""
    while (size := len(json.dumps(text))) > room:
        text = text[: min(len(text) - 1, len(text) * room // size)]
    return text
