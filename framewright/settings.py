"""Every knob, with its unit, its default and the environment variable that sets it."""

from __future__ import annotations

import json
import os
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from framewright.errors import InputError

__all__ = ["EncoderPreset", "Settings", "cpu_cores", "get_settings"]

EncoderPreset = Literal[
    "ultrafast",
    "superfast",
    "veryfast",
    "faster",
    "fast",
    "medium",
    "slow",
    "slower",
    "veryslow",
    "placebo",
]
"""The speed presets of x264, fastest first."""


class Settings(BaseSettings):
    """Settings, read from ``FRAMEWRIGHT_*`` environment variables and from a ``.env`` file.

    One that is empty is as one that is not set.
    """

    model_config = SettingsConfigDict(
        env_prefix="FRAMEWRIGHT_", env_file=".env", extra="ignore", frozen=True
    )

    work_store: str = Field(
        default_factory=lambda: str(Path.home() / ".cache" / "framewright" / "work"),
        description="Where bundles, manifests and scored units live: a folder, or "
        "az://ACCOUNT/CONTAINER/PREFIX for Azure Blob storage.",
    )
    azure_sas: SecretStr = Field(
        SecretStr(""),
        description="SAS token that signs in to Azure storage; empty for a managed identity or "
        "another login that azure-identity finds. One in the address of the work store goes here.",
    )
    azure_connection_string: SecretStr = Field(
        SecretStr(""),
        description="Connection string that signs in to Azure storage where there is no SAS token; "
        "with an account key for development only.",
    )
    azure_logins: SecretStr = Field(
        SecretStr(""),
        description="What signs in where, as JSON: a SAS token or connection string for each "
        "ACCOUNT or ACCOUNT/CONTAINER. What is not named there signs in as above.",
    )
    azure_blocks: str = Field(
        "",
        description="Names of Prefect blocks of the type azure-blob-storage-credentials, joined by "
        "commas, that sign in flows and their workers; each for the account it is for.",
    )
    ops_account: str = Field(
        "",
        description="The account from which weights may be read; empty for that of the work "
        "store. Videos and pictures come from any account.",
    )
    azure_endpoint: str = Field(
        "",
        description="Address of the blob service for az:// addresses where it is not the public "
        "one, such as http://127.0.0.1:10000/{account}.",
    )
    azure_timeout_seconds: float = Field(
        20.0,
        gt=0,
        le=600,
        description="Longest wait for Azure storage to take a connection, or to go on with an "
        "answer, in seconds.",
    )
    azure_retry_seconds: float = Field(
        60.0,
        gt=0,
        le=3600,
        description="How long one request to Azure storage is tried again before the run fails, in "
        "seconds.",
    )
    azure_block_bytes: int = Field(
        8 << 20,
        ge=1 << 16,
        le=64 << 20,
        description="Size of the blocks in which Azure storage is written and read, in bytes.",
    )
    azure_concurrency: int = Field(
        4,
        ge=1,
        le=10,
        description="Blocks of one object that are on their way to or from Azure storage at a "
        "time.",
    )
    scratch_folder: str = Field(
        "", description="Folder for temporary files; empty for the system's own."
    )
    cache_folder: str = Field(
        default_factory=lambda: str(Path.home() / ".cache" / "framewright"),
        description="Where a machine keeps its copies of what scorers need, such as weights that "
        "the user gave: a local folder.",
    )
    cache_bytes: int = Field(
        32 << 30,
        ge=0,
        description="Size of those copies, in bytes, beyond which the ones unused for longest are "
        "removed.",
    )
    dask_address: str = Field(
        "",
        description="Address of the Dask scheduler on which the flow scores, such as "
        "tcp://host:8786; empty to start a local cluster for each run. `framewright score` scores "
        "on its own machine.",
    )
    workers: int = Field(
        0,
        ge=0,
        le=1024,
        description="Scoring processes on this machine, where no Dask scheduler is named; 0 for "
        "one per GPU, or one per CPU core.",
    )
    unit_seconds: float = Field(
        30.0,
        gt=0,
        le=3600,
        description="Length of video that one scoring task does, in seconds; less where the video "
        "is shorter than four such units, but no less than 4 s for that.",
    )
    batch_frames: int = Field(
        0,
        ge=0,
        le=1024,
        description="Frames per model call; 0 for 1 on a CPU and 8 on a GPU. Halved when memory "
        "runs out.",
    )
    queue_frames: int = Field(
        16, ge=2, le=4096, description="Frames that may wait between decoder, model and encoder."
    )
    quality_crf: int = Field(
        18,
        ge=0,
        le=51,
        description="Constant rate factor of the encoder; lower is better and larger.",
    )
    encoder_preset: EncoderPreset = Field(
        "veryfast",
        description=f"Speed preset of the H.264 encoder: {', '.join(get_args(EncoderPreset))}.",
    )
    encoder_threads: int = Field(
        1, ge=1, le=64, description="Threads of the encoder, per scoring process."
    )
    check_decoding: bool = Field(
        True,
        description="Decode every frame once before anything is scored, so that damage is found "
        "then. Without it, damage is found when its unit is scored.",
    )
    max_source_bytes: int = Field(1 << 40, ge=1, description="Largest source accepted, in bytes.")
    max_frame_pixels: int = Field(
        8192 * 4320, ge=1, description="Largest frame accepted, in pixels (width times height)."
    )
    max_streams: int = Field(64, ge=1, description="Most streams accepted in one source.")
    max_frames: int = Field(5_000_000, ge=1, description="Most frames accepted in one source.")
    max_duration_seconds: float = Field(
        7 * 24 * 3600.0, gt=0, description="Longest source accepted, in seconds."
    )
    max_bundles: int = Field(
        100_000, ge=1, description="Most packet bundles that one source may be split into."
    )
    max_frame_seconds: float = Field(
        60.0,
        gt=0,
        description="Longest time that reading or decoding one frame may take, in seconds.",
    )
    sandbox_memory_bytes: int = Field(
        4 << 30,
        ge=1 << 29,
        description="Address space of a process that reads a source, in bytes.",
    )
    sandbox_cpu_seconds: int = Field(
        6 * 3600,
        ge=1,
        description="CPU time of a process that reads a source, in seconds.",
    )
    sandbox_wall_seconds: int = Field(
        12 * 3600,
        ge=1,
        description="How long a process may read a source, in seconds of wall time.",
    )

    @model_validator(mode="before")
    @classmethod
    def _empty_is_not_set(cls, values: Any) -> Any:
        """A store at an empty path would be the working folder."""
        if not isinstance(values, dict):
            return values
        return {name: value for name, value in values.items() if value != ""}

    @model_validator(mode="before")
    @classmethod
    def _take_sas_out_of_the_address(cls, values: Any) -> Any:
        """Let no one see the token who is shown the address."""
        address = values.get("work_store") if isinstance(values, dict) else None
        if not isinstance(address, str) or "?" not in address:
            return values
        if not address.lower().startswith(("az://", "https://", "http://")):
            return values
        address, _, token = address.partition("?")
        logins = _with_login(values.get("azure_logins"), address, token)
        return {**values, "work_store": address, "azure_logins": SecretStr(logins)}

    def worker_count(self, gpus: int = 0) -> int:
        """Scoring processes to start on this machine, which has so many GPUs; 1 or more."""
        return self.workers or gpus or cpu_cores()


def _with_login(logins: object, address: str, token: str) -> str:
    """Add a token to JSON of logins, for the container of an address and for nothing else."""
    account, _, path = address.partition("://")[2].partition("/")
    place = f"{account.lower().partition('.')[0]}/{path.partition('/')[0]}"
    text = logins.get_secret_value() if isinstance(logins, SecretStr) else str(logins or "")
    try:
        known = json.loads(text or "{}")
    except ValueError:
        known = None
    return json.dumps({**known, place: token}) if isinstance(known, dict) else text


def cpu_cores() -> int:
    """CPU cores that this process may use; those of the machine where that is not known."""
    affinity = getattr(os, "sched_getaffinity", None)  # Linux has it, macOS and Windows do not
    return len(affinity(0)) if affinity is not None else os.cpu_count() or 1


@lru_cache(maxsize=1)
def get_settings() -> Settings:
    """Return the settings of this process, read once.

    Raises:
        InputError: a variable has a value that is not possible.
    """
    try:
        return Settings()
    except ValidationError as error:
        wrong = "; ".join(
            f"FRAMEWRIGHT_{'_'.join(map(str, one['loc'])).upper()}={one['input']}: {one['msg']}"
            for one in error.errors()
        )
        raise InputError(f"settings that are not possible: {wrong}.") from error
