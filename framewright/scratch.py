"""Temporary folders, where the settings say."""

from __future__ import annotations

import errno
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from framewright.errors import InputError
from framewright.settings import Settings

__all__ = ["scratch_folder"]

_PASSING = {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.ESTALE, errno.ENOMEM}


@contextmanager
def scratch_folder(settings: Settings) -> Iterator[Path]:
    """Make a temporary folder, which is gone with all that is in it in the end.

    Raises:
        InputError: it cannot be made there.
        OSError: it cannot be made now: the disk is full, say. A task is tried again then.
    """
    try:
        folder = tempfile.TemporaryDirectory(
            prefix="framewright-", dir=settings.scratch_folder or None
        )
    except OSError as error:
        if error.errno in _PASSING:
            raise
        where = repr(settings.scratch_folder) if settings.scratch_folder else "the system's own"
        raise InputError(
            f"no temporary folder can be made in {where} ({error.strerror}): set "
            "FRAMEWRIGHT_SCRATCH_FOLDER to a folder that exists and can be written to."
        ) from error
    with folder as path:
        yield Path(path)
