"""Temporary folders, where the settings say.

Who makes one holds it by a lock, which the kernel lets go of however the process ends. So those
that killed processes left are known, and removed by the next process that makes one there.
"""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path

from framewright.errors import InputError
from framewright.settings import Settings

__all__ = ["scratch_folder"]

logger = logging.getLogger(__name__)

_PASSING = {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.ESTALE, errno.ENOMEM}
_BOOT = Path("/proc/sys/kernel/random/boot_id")
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW


@contextmanager
def scratch_folder(settings: Settings) -> Iterator[Path]:
    """Make a temporary folder, which is gone with all that is in it in the end.

    Raises:
        InputError: it cannot be made there.
        OSError: it cannot be made now: the disk is full, say. A task is tried again then.
    """
    try:
        root = os.path.expanduser(settings.scratch_folder) or tempfile.gettempdir()
        _remove_left(root)
        folder, lock = _held_folder(root)
    except OSError as error:
        if error.errno in _PASSING:
            raise
        where = repr(settings.scratch_folder) if settings.scratch_folder else "the system's own"
        raise InputError(
            f"no temporary folder can be made in {where} ({error.strerror}): set "
            "FRAMEWRIGHT_SCRATCH_FOLDER to a folder that exists and can be written to."
        ) from error
    try:
        with folder as path:
            yield Path(path)
    finally:
        os.close(lock)


def _held_folder(root: str) -> tuple[tempfile.TemporaryDirectory[str], int]:
    """Make a folder and lock it; another one, should it be taken for a dead one's before that."""
    while True:
        folder = tempfile.TemporaryDirectory(prefix=_prefix(root), dir=root)
        try:
            lock = os.open(folder.name, _FOLDER)
            if _is_locked(lock) and os.path.isdir(folder.name):
                return folder, lock
            os.close(lock)
        except FileNotFoundError:
            pass
        folder.cleanup()


def _is_locked(folder: int) -> bool:
    """Lock a folder; return False where somebody is about to remove it."""
    try:
        fcntl.flock(folder, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True  # there are no locks here, so that nobody takes it for a dead one's either
    return True


def _prefix(root: str) -> str:
    """How folders begin whose locks are seen here: of this machine since its start, and this mount.

    A share that a machine has mounted twice, for two containers, has a number for each mount, and
    what is locked by way of one is not locked by way of the other.
    """
    with suppress(OSError):
        boot = _BOOT.read_text().strip()[:13]
        return f"framewright-{boot}-{os.stat(root).st_dev:x}-"
    return "framewright-"


@lru_cache
def _remove_left(root: str) -> None:
    """Remove what killed processes left in a folder, once in this process."""
    prefix = _prefix(root)
    if prefix == "framewright-":
        return
    with suppress(OSError):
        for folder in Path(root).glob(f"{prefix}*"):
            with suppress(OSError):
                _remove_dead(folder)


def _remove_dead(folder: Path) -> None:
    lock = os.open(folder, _FOLDER)
    try:
        if os.fstat(lock).st_uid == os.geteuid():
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # fails while its process lives
            shutil.rmtree(folder)
            logger.info("removed %s, which a killed process left", folder)
    finally:
        os.close(lock)
