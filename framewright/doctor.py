"""Examine an installation: what is there, whether it fits together, what to do about it."""

from __future__ import annotations

import difflib
import os
import secrets
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Literal

from packaging.requirements import Requirement
from pydantic_settings import DotEnvSettingsSource

from framewright import __version__
from framewright.errors import InputError, ScorerFailed, StoreDenied, StoreUnavailable
from framewright.gpus import gpu_count
from framewright.sandbox import FILES, enforceable
from framewright.settings import Settings, get_settings
from framewright.storage import LocalStore, Store, open_store, without_queries

__all__ = ["Finding", "examine"]

_PREFECT_TIMEOUT_SECONDS = 3.0
_CODECS = {"libx264": "MP4, MOV and MKV outputs", "libvpx-vp9": "WebM outputs"}

_OTHERS = ("FRAMEWRIGHT_RELAY_", "FRAMEWRIGHT_IMAGE")
"""Begins of variables that the relay and Compose read."""
_EXTRAS = {
    "flow": "Prefect runs",
    "azure": "a work store in Azure Blob storage",
    "records": "scorers that make records, such as detect",
}
"""What the optional packages are for."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    what: str
    verdict: Literal["ok", "note", "problem"]
    found: str
    advice: str = ""


def examine() -> list[Finding]:
    """Look at versions, pins, codecs, models, storage, GPU and Prefect; never raises."""
    checks: tuple[Callable[[], Iterator[Finding]], ...] = (
        _python,
        _pins,
        _codecs,
        _sandbox,
        _variables,
        _scorers,
        _styles,
        _gpu,
        _store,
        _prefect,
    )
    findings: list[Finding] = []
    for check in checks:
        try:
            findings.extend(check())
        except Exception as error:  # noqa: BLE001 - a broken part is a finding
            name = check.__name__.strip("_")
            findings.append(
                Finding(
                    name,
                    "problem",
                    f"{type(error).__name__}: {error}",
                    "Install again: make install.",
                )
            )
    return findings


def _python() -> Iterator[Finding]:
    found = f"framewright {__version__}, Python {sys.version.split()[0]}"
    yield Finding("version", "ok", found)


def _pins() -> Iterator[Finding]:
    """Compare what is installed with what the project's metadata allows."""
    for text in requires("framewright") or ():
        requirement = Requirement(text)
        optional = requirement.marker is not None and "extra" in str(requirement.marker)
        extra = next((name for name in _EXTRAS if f'"{name}"' in str(requirement.marker)), "")
        if optional and not extra:
            continue
        if requirement.marker and not requirement.marker.evaluate({"extra": extra}):
            continue
        yield _pin(requirement, extra)


def _pin(requirement: Requirement, extra: str) -> Finding:
    name, allowed = requirement.name, str(requirement.specifier)
    try:
        found = version(name)
    except PackageNotFoundError:
        if extra:
            advice = f"Needed for {_EXTRAS[extra]}: make install."
            return Finding(name, "note", "not installed", advice)
        return Finding(name, "problem", "not installed", "Install again: make install.")
    if requirement.specifier.contains(found, prereleases=True):
        return Finding(name, "ok", found)
    return Finding(
        name, "problem", f"{found}, but {allowed} is needed", f"pip install '{name}{allowed}'"
    )


def _codecs() -> Iterator[Finding]:
    import av

    for codec, purpose in _CODECS.items():
        if codec in av.codecs_available:
            yield Finding(f"encoder {codec}", "ok", f"for {purpose}")
        else:
            yield Finding(
                f"encoder {codec}",
                "problem",
                "missing",
                f"Needed for {purpose}: install the PyAV wheel, not a build against the system.",
            )
    from framewright.media.ffmpeg import ffmpeg_version

    yield Finding("ffmpeg binary", "ok", f"{ffmpeg_version()} (imageio-ffmpeg)")


def _sandbox() -> Iterator[Finding]:
    """What keeps a hostile source from doing harm on this machine."""
    kept_from = enforceable()
    weak = not any(words.startswith(FILES) for words in kept_from)
    yield Finding(
        "sandbox",
        "note" if weak else "ok",
        f"keeps what reads a video from {', '.join(kept_from)}",
        "Sources could read and write files of this user: a kernel with Landlock prevents it."
        if weak
        else "",
    )


def _variables() -> Iterator[Finding]:
    """A setting whose name is misspelt has no effect, and nobody would say so."""
    yield from _misspelt("environment", os.environ)
    yield from _misspelt(str(Path(".env").absolute()), DotEnvSettingsSource(Settings).env_vars)


def _misspelt(where: str, names: Iterable[str]) -> Iterator[Finding]:
    known = [f"FRAMEWRIGHT_{name.upper()}" for name in Settings.model_fields]
    for name in sorted(name.upper() for name in names):  # they are taken in any case
        ours = name.startswith("FRAMEWRIGHT_") and not name.startswith(_OTHERS)
        if ours and name not in known:
            near = difflib.get_close_matches(name, known, 1)
            advice = f"Did you mean {near[0]}? " if near else ""
            advice += "`framewright settings` lists them all."
            yield Finding(where, "note", f"{name} is no setting: it has no effect", advice)


def _scorers() -> Iterator[Finding]:
    from framewright.scorers import describe, scorer_names

    whole = []
    for name in scorer_names():
        try:
            describe(name)
            whole.append(name)
        except ScorerFailed as error:
            advice = "Mend or uninstall its package; the other scorers work without it."
            yield Finding("scorers", "problem", error.message, advice)
    yield Finding("scorers", "ok", ", ".join(whole))


def _styles() -> Iterator[Finding]:
    from framewright.scorers.fast.weights import style_names, weights_sha256

    yield Finding("weights of fast", "ok", f"{len(style_names())} styles, {weights_sha256()[:12]}")


def _gpu() -> Iterator[Finding]:
    import torch

    if torch.cuda.is_available():
        for index in range(torch.cuda.device_count()):
            yield Finding(f"GPU {index}", "ok", torch.cuda.get_device_name(index))
        return
    if gpus := gpu_count():
        yield Finding(
            "GPU",
            "problem",
            f"{gpus}, but torch {torch.__version__} cannot use them",
            "Update the NVIDIA driver, or set CUDA_VISIBLE_DEVICES= (empty) to score on the CPU.",
        )
        return
    cores = get_settings().worker_count()
    yield Finding(
        "GPU",
        "note",
        f"none; scoring runs in {cores} CPU processes",
        "With an NVIDIA card present, check that its driver is installed (nvidia-smi).",
    )


def _store() -> Iterator[Finding]:
    address = get_settings().work_store
    try:
        store = open_store(address)
        if isinstance(store, LocalStore):
            folder = Path(store.url)
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                pass
        else:
            _try_out(store)
    except StoreDenied as error:
        yield Finding("work store", "problem", str(error), _rights(error.right))
        return
    except (OSError, InputError, StoreUnavailable) as error:
        yield Finding(
            "work store",
            "problem",
            f"{without_queries(address)}: {error}",
            "Set FRAMEWRIGHT_WORK_STORE to a folder that can be written to, or to "
            "az://ACCOUNT/CONTAINER/PREFIX with a login that may read, write, list and delete.",
        )
        return
    yield Finding("work store", "ok", address)


def _try_out(store: Store) -> None:
    """Do all that a job needs of a store with a small object, which is gone in the end."""
    key, data = f"doctor/{secrets.token_hex(8)}", secrets.token_bytes(32)
    store.put(key, data)
    if store.read(key) != data or [info.key for info in store.list(key)] != [key]:
        raise StoreUnavailable(f"what was put at {key!r} did not come back.")
    store.delete(key)


def _rights(missing: str) -> str:
    what = f"The right to {missing} is missing. " if missing else ""
    return (
        f"{what}Needed on the container: a SAS token with the permissions r, c, w, d, l in "
        "FRAMEWRIGHT_AZURE_SAS, or the role 'Storage Blob Data Contributor'."
    )


def _prefect() -> Iterator[Finding]:
    address = os.environ.get("PREFECT_API_URL", "")
    if not address.startswith(("http://", "https://")):
        yield Finding(
            "Prefect server",
            "note",
            "PREFECT_API_URL is not set",
            "Not needed for `framewright score`; `make demo` starts a server of its own.",
        )
        return
    try:
        with urllib.request.urlopen(  # noqa: S310 - the scheme is checked above
            f"{address}/health", timeout=_PREFECT_TIMEOUT_SECONDS
        ) as answer:
            yield Finding("Prefect server", "ok", f"{address} answers {answer.status}")
    except (urllib.error.URLError, OSError) as error:
        yield Finding(
            "Prefect server",
            "problem",
            f"{address}: {error}",
            "Start it (prefect server start), or correct PREFECT_API_URL.",
        )
