"""Temporary folders, and what is said where there can be none."""

from __future__ import annotations

import errno
import tempfile
from pathlib import Path
from typing import NoReturn

import pytest

from framewright.errors import InputError
from framewright.scratch import scratch_folder
from framewright.settings import Settings


def test_it_is_gone_in_the_end_whatever_happens(tmp_path: Path) -> None:
    def use() -> NoReturn:
        with scratch_folder(Settings(scratch_folder=str(tmp_path))) as folder:
            (folder / "deep").mkdir()
            assert folder.parent == tmp_path
            raise KeyError

    with pytest.raises(KeyError):
        use()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["nowhere", "file", "x" * 300])
def test_a_place_that_is_none_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(InputError, match="set FRAMEWRIGHT_SCRATCH_FOLDER to a folder that exists"),
        scratch_folder(Settings(scratch_folder=f"{tmp_path}/{name}")),
    ):
        pass


def test_a_full_disk_is_no_wrong_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    """``InputError`` would end the run; any other is tried again."""

    def full(*_: object) -> str:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tempfile, "mkdtemp", full)
    with pytest.raises(OSError, match="No space left"), scratch_folder(Settings()):
        pass
