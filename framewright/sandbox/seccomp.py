"""A seccomp filter (Linux): system calls that reading media never needs fail with EPERM.

Needs no privileges. The filter is classic BPF over ``struct seccomp_data``; see
https://docs.kernel.org/userspace-api/seccomp_filter.html.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import signal
import struct

__all__ = ["deny_calls", "die_with_parent", "forgo_privileges", "is_available"]

_CALLS = {
    "x86_64": {
        "socket": 41,
        "ptrace": 101,
        "mount": 165,
        "unshare": 272,
        "setns": 308,
        "process_vm_readv": 310,
        "process_vm_writev": 311,
        "bpf": 321,
        "io_uring_setup": 425,
    },
    "aarch64": {
        "mount": 40,
        "unshare": 97,
        "ptrace": 117,
        "socket": 198,
        "setns": 268,
        "process_vm_readv": 270,
        "process_vm_writev": 271,
        "bpf": 280,
        "io_uring_setup": 425,
    },
}
_AUDIT_ARCHITECTURE = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_FIRST_X32_CALL = 0x40000000
"""x86-64 kernels may know every call a second time, from this number on."""

_LOAD, _JUMP_EQUAL, _JUMP_AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_OFFSET_OF_CALL, _OFFSET_OF_ARCHITECTURE = 0, 4
_ALLOW, _FAIL, _KILL = 0x7FFF0000, 0x00050000 | errno.EPERM, 0x80000000
_SET_PARENT_DEATH_SIGNAL, _SET_NO_NEW_PRIVILEGES = 1, 38
_GET_SECCOMP, _SET_SECCOMP, _FILTER = 21, 22, 2


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def is_available() -> bool:
    """Whether this kernel takes filters for this machine's system calls."""
    if platform.system() != "Linux" or platform.machine() not in _CALLS:
        return False
    return int(ctypes.CDLL(None, use_errno=True).prctl(_GET_SECCOMP, 0, 0, 0, 0)) >= 0


def forgo_privileges() -> None:
    """Never gain privileges by executing a file, nor do children; what restricts itself must."""
    if platform.system() == "Linux":
        _prctl(_SET_NO_NEW_PRIVILEGES, 1, 0, 0, 0)


def die_with_parent() -> None:
    """Have this process killed when the thread that started it is gone."""
    if platform.system() == "Linux":
        _prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)


def deny_calls() -> bool:
    """Let this thread and its children make no sockets, trace no process, enter no namespace.

    ``forgo_privileges`` comes first. Call it before other threads are started: those that run
    already are not restricted.

    Returns:
        Whether the filter is in force; False where the platform has none.
    """
    if not is_available():
        return False
    program = _instructions(platform.machine())
    described = _Program(len(program) // 8, program)
    _prctl(_SET_SECCOMP, _FILTER, ctypes.byref(described), 0, 0)
    return True


def _instructions(machine: str) -> bytes:
    calls = list(_CALLS[machine].values())
    lines = [
        (_LOAD, 0, 0, _OFFSET_OF_ARCHITECTURE),
        (_JUMP_EQUAL, 1, 0, _AUDIT_ARCHITECTURE[machine]),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _OFFSET_OF_CALL),
        (_JUMP_AT_LEAST, len(calls) + 1, 0, _FIRST_X32_CALL),
    ]
    lines += [(_JUMP_EQUAL, len(calls) - place, 0, call) for place, call in enumerate(calls)]
    lines += [(_RETURN, 0, 0, _ALLOW), (_RETURN, 0, 0, _FAIL)]
    return b"".join(struct.pack("<HBBI", *line) for line in lines)


def _prctl(*arguments: object) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(*arguments):
        code = ctypes.get_errno()
        raise OSError(code, f"prctl: {os.strerror(code)}")
