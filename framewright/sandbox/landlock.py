"""Landlock (Linux 5.13 and newer): a process takes file and network rights from itself for good.

Needs no privileges. Constants and structures are those of ``linux/landlock.h``; see
https://docs.kernel.org/userspace-api/landlock.html.
"""

from __future__ import annotations

import ctypes
import os
import stat
import struct
from collections.abc import Iterable
from pathlib import Path

__all__ = ["abi_version", "restrict_files"]

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # the same on all architectures
_RULE_PATH_BENEATH = 1
_VERSION_FLAG = 1

_EXECUTE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 2, 1 << 3
_WRITE_FILE, _REMOVE_FILE, _MAKE_REGULAR, _TRUNCATE = 1 << 1, 1 << 5, 1 << 8, 1 << 14
_READ = _EXECUTE | _READ_FILE | _READ_DIR
_FOR_FILES = _EXECUTE | _READ_FILE | _WRITE_FILE | _TRUNCATE
_ALL_BY_ABI = ((1, 13), (2, 14), (3, 15), (5, 16))
"""From which version of the interface on how many rights to files are known."""
_TCP_BIND_AND_CONNECT, _NETWORK_ABI = 0b11, 4
_ABSTRACT_SOCKETS_AND_SIGNALS, _SCOPE_ABI = 0b11, 6


def abi_version() -> int:
    """Version of the interface that this kernel has; 0 where it has none."""
    try:
        return max(0, _call(_CREATE_RULESET, None, 0, _VERSION_FLAG))
    except OSError:
        return 0


def restrict_files(readable: Iterable[Path], writable: Iterable[Path]) -> int:
    """Take from this thread and its children all rights to files but these, and TCP altogether.

    Call it before other threads are started: those that run already keep their rights.

    Args:
        readable: files, and folders with all below them, that may be read and executed.
        writable: files that may also be written, and folders in which files may be made, written
            and removed.

    Returns:
        The version of the interface; 0 where the kernel has none, and nothing is restricted.

    Raises:
        OSError: the kernel has it but refuses.
    """
    abi = abi_version()
    if not abi:
        return 0
    handled = (1 << max(count for since, count in _ALL_BY_ABI if since <= abi)) - 1
    network = _TCP_BIND_AND_CONNECT if abi >= _NETWORK_ABI else 0
    scoped = _ABSTRACT_SOCKETS_AND_SIGNALS if abi >= _SCOPE_ABI else 0
    size = 8 if abi < _NETWORK_ABI else 16 if abi < _SCOPE_ABI else 24
    attributes = struct.pack("<QQQ", handled, network, scoped)[:size]
    ruleset = _call(_CREATE_RULESET, ctypes.c_char_p(attributes), len(attributes), 0)
    try:
        for path in readable:
            _allow(ruleset, path, _READ & handled)
        for path in writable:
            rights = _READ | _WRITE_FILE | _REMOVE_FILE | _MAKE_REGULAR | _TRUNCATE
            _allow(ruleset, path, rights & handled)
        _call(_RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)
    return abi


def _allow(ruleset: int, path: Path, rights: int) -> None:
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        if not stat.S_ISDIR(os.fstat(place).st_mode):
            rights &= _FOR_FILES
        rule = struct.pack("<Qi", rights, place)
        _call(_ADD_RULE, ruleset, _RULE_PATH_BENEATH, ctypes.c_char_p(rule), 0)
    finally:
        os.close(place)


def _call(number: int, *arguments: object) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    result = int(libc.syscall(number, *arguments))
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"Landlock: {os.strerror(code)}")
    return result
