"""Parameters of the flows: what values are allowed, in the form of the UI and on the server.

Prefect takes the descriptions that the form shows from the docstring of the flow.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from prefect.runtime import flow_run
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from framewright.scorers import scorer_names
from framewright.scorers.fast.weights import style_names
from framewright.storage import is_blob_address, without_queries, without_secrets
from framewright.values import Hdr, Interlaced, OnDamage, Stability

__all__ = [
    "Address",
    "Hdr",
    "Interlaced",
    "Look",
    "Mask",
    "MediaAddress",
    "MediaFolder",
    "OnDamage",
    "ScorerName",
    "ScorerOptions",
    "Stability",
    "Style",
    "UnitSeconds",
    "WorkStore",
    "all_options",
    "artifact_key",
    "look_of",
    "run_name",
]

_AZ = r"az://[a-z0-9]{3,24}/[a-z0-9-]{3,63}"
_HTTPS = r"https://[a-z0-9]{3,24}\.blob\.[a-z0-9.-]+/[a-z0-9-]{3,63}"
_CONTAINER = rf"({_AZ}|{_HTTPS})"


def _hide_tokens(record: logging.LogRecord) -> bool:
    """Prefect logs all parameters where one of them is refused."""
    record.msg, record.args = without_secrets(record.getMessage()), ()
    return True


logging.getLogger("prefect.flows").addFilter(_hide_tokens)


def _without_token(value: Any) -> Any:
    """Refuse a SAS token: everyone who sees the run would see it, and Prefect keeps it for ever."""
    if isinstance(value, dict):
        return {_without_token(name): _without_token(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_without_token(one) for one in value]
    if isinstance(value, str) and is_blob_address(value) and "?" in value:
        raise ValueError(
            "an address with a SAS token would be shown to everyone who sees the run. Give the "
            "address up to the '?', and the token where flows and workers run: in "
            "FRAMEWRIGHT_AZURE_SAS, FRAMEWRIGHT_AZURE_LOGINS, or a Prefect block that "
            "FRAMEWRIGHT_AZURE_BLOCKS names."
        )
    return value


Address = Annotated[
    str,
    Field(pattern=rf"^(/.*|file:///.*|{_CONTAINER}/[^?]*)$"),
    BeforeValidator(_without_token),
]
"""A file or, ending in "/", a folder: on the machine that runs the flow, or in blob storage."""
ScorerOptions = Annotated[dict[str, Any], BeforeValidator(_without_token)]
ImagePath = Annotated[
    str,
    Field(
        title="Image",
        pattern=rf"^(/.*|{_CONTAINER}/[^?]+)$",
        description="Path on the machine that runs the flow, or address of a blob.",
    ),
]
ScorerName = Annotated[str, Field(json_schema_extra={"enum": scorer_names()})]
ShippedStyle = Annotated[
    str, Field(title="Shipped painting", json_schema_extra={"enum": ["", *style_names()]})
]
Style = Annotated[ShippedStyle | ImagePath, BeforeValidator(_without_token)]
UnitSeconds = Annotated[float, Field(gt=0, le=3600)]
WorkStore = Annotated[
    str,
    Field(pattern=rf"^(/.*|file:///.*|{_CONTAINER}(/[^?]*)?)?$"),
    BeforeValidator(_without_token),
]
"""Never a relative path: every worker would find another folder there. Never a SAS token, which
everyone who sees the run would see: it comes from the environment of whatever runs."""
Mask = Annotated[
    str, Field(pattern=rf"^((/|file:///).*|{_CONTAINER}/[^?]+)?$"), BeforeValidator(_without_token)
]
"""A file on the machine that runs the flow or in blob storage; empty for none."""
MediaAddress = Annotated[str, Field(pattern=rf"^(/.*|{_AZ}/.+|{_HTTPS}/[^?]+)$")]
"""A file's absolute path, or a blob's address without a SAS token, which all could see. As events
name it: after az:// a "?" is one of the blob's name."""
MediaFolder = Annotated[str, Field(pattern=rf"^(/.*|{_CONTAINER}(/[^?]*)?)$")]
"""The same for a folder, or a prefix or the whole of a container."""


class Look(BaseModel):
    """How videos are scored: what can be chosen for each one, as in a run of score-video.

    The form shows what is said here of each field.
    """

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    scorer: ScorerName = "fast"
    """The model that is applied to every frame."""
    style: Style = ""
    """The painting, for scorers that have styles: a shipped one by name, or an image file: its
    absolute path on the machine that runs the flow, or the address of a blob. Empty for the
    scorer's default."""
    scorer_options: ScorerOptions = {}
    """Further options of the scorer as JSON, such as {"strength": 0.7, "keep_colors": 1}, or
    {"style": {"wave": 0.6, "/data/my.jpg": 0.4}} for a blend. What an address of a blob names is
    fetched."""
    unit_seconds: UnitSeconds = 30.0
    """Length of video that one scoring task does, in seconds; a short video is cut into four, of
    4 s at least. Aim at 10 to 60 s of work per task."""
    comparison: bool = False
    """Also make a clip with source and result side by side, beside the output; not of records."""
    on_damage: OnDamage = "refuse"
    """What happens to a damaged video. "refuse" it, or "hold" the last good frame until the picture
    is whole again; the report lists every stretch."""
    interlaced: Interlaced = "keep"
    """"keep" the two fields of each frame interleaved, or "deinterlace" into one picture for each
    frame."""
    hdr: Hdr = "refuse"
    """What happens to HDR video that the scorer does not expect. "refuse" it, "tone-map" it to
    standard range, or "pass" its values on as they are."""
    stability: Stability | None = None
    """How steady the pictures are made, 0 to 1. 0 leaves them as the scorer made them, 1 is
    steadiest. Empty for what suits the scorer."""
    mask: Mask = ""
    """Where pictures are scored: a video with a picture for each frame of the video, or an image,
    by absolute path or address. White is scored, black stays as it is, grey is mixed. Empty for
    everywhere."""


def all_options(style: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return a scorer's options, among them the style, which is a parameter of its own."""
    return {**options, **({"style": style} if style else {})}


def run_name() -> str:
    """Name a flow run after what it makes, such as ``harbour.mp4 as starry_night``."""
    parameters = flow_run.get_parameters()
    look = look_of(parameters["style"], parameters["scorer"])
    return f"{Path(without_queries(parameters['video'])).name} as {look}"


def look_of(style: str, scorer: str) -> str:
    """Say in a word what a video will look like: its painting, or else its scorer."""
    return Path(without_queries(style)).name or scorer


def artifact_key(kind: str, video: str, look: str) -> str:
    """Key of an artifact: lower case, digits and dashes, and the same for the same job.

    Runs of one job then share a card in the UI, with a version per run.
    """
    words = re.sub(r"[^a-z0-9]+", "-", f"{kind} {Path(video).stem} {look}".lower())
    return words.strip("-")[:100].strip("-")
