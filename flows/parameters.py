"""Parameters of the flows: what values are allowed, in the form of the UI and on the server.

Prefect takes the descriptions that the form shows from the docstring of the flow.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

from prefect.runtime import flow_run
from pydantic import BaseModel, ConfigDict, Field

from framewright.scorers import scorer_names
from framewright.scorers.fast.weights import style_names
from framewright.values import Hdr, Interlaced, OnDamage, Stability

__all__ = [
    "AbsolutePath",
    "Hdr",
    "Interlaced",
    "Look",
    "MediaAddress",
    "MediaFolder",
    "OnDamage",
    "ScorerName",
    "Stability",
    "Style",
    "UnitSeconds",
    "WorkStore",
    "artifact_key",
    "look_of",
    "run_name",
]

AbsolutePath = Annotated[str, Field(pattern=r"^/")]
ImagePath = Annotated[
    str, Field(title="Image", pattern=r"^/", description="Path on the machine that runs the flow.")
]
ScorerName = Annotated[str, Field(json_schema_extra={"enum": scorer_names()})]
ShippedStyle = Annotated[
    str, Field(title="Shipped painting", json_schema_extra={"enum": ["", *style_names()]})
]
Style = ShippedStyle | ImagePath
UnitSeconds = Annotated[float, Field(gt=0, le=3600)]
WorkStore = Annotated[
    str,
    Field(
        pattern=r"^(/.*|file:///.*|az://[a-z0-9]{3,24}/[a-z0-9-]{3,63}(/[^?]*)?"
        r"|https://[a-z0-9]{3,24}\.blob\.[a-z0-9.-]+/[a-z0-9-]{3,63}(/[^?]*)?)?$"
    ),
]
"""Never a relative path: every worker would find another folder there. Never a SAS token, which
everyone who sees the run would see: it comes from the environment of whatever runs."""

_CONTAINER = (
    r"(az://[a-z0-9]{3,24}/[a-z0-9-]{3,63}"
    r"|https://[a-z0-9]{3,24}\.blob\.[a-z0-9.-]+/[a-z0-9-]{3,63})"
)
MediaAddress = Annotated[str, Field(pattern=rf"^(/.*|{_CONTAINER}/.+)$")]
"""A file's absolute path, or a blob's address without a SAS token, which all could see."""
MediaFolder = Annotated[str, Field(pattern=rf"^(/.*|{_CONTAINER}(/[^?]*)?)$")]
"""The same for a folder, or a prefix or the whole of a container."""


class Look(BaseModel):
    """How videos are scored: what can be chosen for each one. See the parameters of score-video."""

    model_config = ConfigDict(extra="forbid")

    scorer: ScorerName = "fast"
    style: Style = ""
    scorer_options: dict[str, Any] = {}
    unit_seconds: UnitSeconds = 10.0
    comparison: bool = False
    on_damage: OnDamage = "refuse"
    interlaced: Interlaced = "keep"
    hdr: Hdr = "refuse"
    stability: Stability | None = None


def run_name() -> str:
    """Name a flow run after what it makes, such as ``harbour.mp4 as starry_night``."""
    parameters = flow_run.get_parameters()
    look = look_of(parameters["style"], parameters["scorer"])
    return f"{Path(parameters['video']).name} as {look}"


def look_of(style: str, scorer: str) -> str:
    """Say in a word what a video will look like: its painting, or else its scorer."""
    return Path(style).name or scorer


def artifact_key(kind: str, video: str, look: str) -> str:
    """Key of an artifact: lower case, digits and dashes, and the same for the same job.

    Runs of one job then share a card in the UI, with a version per run.
    """
    words = re.sub(r"[^a-z0-9]+", "-", f"{kind} {Path(video).stem} {look}".lower())
    return words.strip("-")[:100].strip("-")
