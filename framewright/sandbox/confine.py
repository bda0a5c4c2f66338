"""Take from the current process what reading media does not need, as far as the platform can."""

from __future__ import annotations

import os
import platform
import resource
import sysconfig
from contextlib import suppress
from pathlib import Path

import framewright
from framewright.sandbox import landlock, seccomp
from framewright.types import Record

__all__ = ["FILES", "NETWORK", "Confinement", "confine", "enforceable"]

FILES = "other files"
NETWORK = "network"
_OPEN_FILES = 256
_CODE = ("stdlib", "platstdlib", "purelib", "platlib")
_SYSTEM = ("/usr", "/lib", "/lib64", "/etc/ld.so.cache", "/etc/localtime", "/dev/urandom")
_DEVICES = ("/sys/devices/system/cpu",)


class Confinement(Record):
    """What a sandboxed process may use."""

    readable: tuple[str, ...] = ()
    """Files and folders beside Python's and framewright's own."""
    writable: tuple[str, ...] = ()
    """Folders."""
    memory_bytes: int
    """Of address space, all threads and children counted apart."""
    cpu_seconds: int
    file_bytes: int
    """Largest file that may be written."""


def confine(to: Confinement) -> tuple[str, ...]:
    """Confine this process for good; all modules it needs are best imported before.

    Returns:
        What is in force, in words; what this platform lacks or refuses is left out.
    """
    for kind, limit in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, _OPEN_FILES),
        (resource.RLIMIT_FSIZE, to.file_bytes),
        (resource.RLIMIT_CPU, to.cpu_seconds),
        (resource.RLIMIT_AS, to.memory_bytes),
    ):
        _limit(kind, limit)
    readable = [*_code_folders(), *map(Path, to.readable)]
    abi, network = 0, False
    with suppress(OSError):
        seccomp.forgo_privileges()
        abi = landlock.restrict_files(readable, map(Path, (*to.writable, os.devnull)))
    with suppress(OSError):
        network = seccomp.deny_calls(abi)
    return _words(abi > 0, network)


def enforceable() -> tuple[str, ...]:
    """Say in words what a sandbox on this machine is kept from."""
    return _words(landlock.abi_version() > 0, seccomp.is_available())


def _words(files: bool, network: bool) -> tuple[str, ...]:
    words = ["too much CPU time", "too large files"]
    if platform.system() == "Linux":
        words.append("too much memory")
    if files:
        words.append(f"{FILES} (Landlock {landlock.abi_version()})")
    if network:
        words.append(f"{NETWORK} (seccomp)")
    return tuple(words)


def _limit(kind: int, wanted: int) -> None:
    _, hard = resource.getrlimit(kind)
    limit = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(kind, (limit, hard if kind == resource.RLIMIT_CPU else limit))


def _code_folders() -> list[Path]:
    """Where code may still be loaded from, and what the C library reads by itself."""
    names = {sysconfig.get_path(name) for name in _CODE} | {*_SYSTEM, *_DEVICES}
    return [Path(framewright.__file__).parent, *map(Path, sorted(names))]
