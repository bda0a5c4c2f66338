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
from collections.abc import Callable

__all__ = [
    "deny_calls",
    "die_with_parent",
    "dying_with_parent",
    "forgo_privileges",
    "is_available",
]

_CALLS = {
    "x86_64": (
        *(41, 101, 165, 272, 308, 310, 311, 321, 425),  # socket, ptrace, mount, unshare, setns,
        # process_vm_readv, process_vm_writev, bpf, io_uring_setup
        *(90, 91, 268, 452),  # chmod, fchmod, fchmodat, fchmodat2
        *(92, 93, 94, 260),  # chown, fchown, lchown, fchownat
        *(132, 235, 261, 280),  # utime, utimes, futimesat, utimensat
        *(188, 189, 190, 197, 198, 199),  # setxattr, removexattr and their kind
        *(109, 112, 141, 203),  # setpgid, setsid, setpriority, sched_setaffinity
    ),
    "aarch64": (
        *(198, 117, 40, 97, 268, 270, 271, 280, 425),
        *(52, 53, 452),
        *(54, 55),
        *(88,),
        *(5, 6, 7, 14, 15, 16),
        *(154, 157, 140, 122),
    ),
}
"""Sockets, other processes, namespaces; modes, owners, times and attributes of files, which
Landlock does not guard; leaving the session that the parent ends as a whole."""
_SIGNALS = {"x86_64": (62, 200, 424), "aarch64": (129, 130, 424)}
"""kill, tkill, pidfd_send_signal: where Landlock does not keep signals within."""
_TRUNCATE = {"x86_64": (76,), "aarch64": (45,)}
"""truncate: where Landlock does not know that right."""
_LIMITS = {"x86_64": 302, "aarch64": 261}
"""prlimit64: of other processes."""
_AUDIT_ARCHITECTURE = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_ABI_OF_SIGNALS, _ABI_OF_TRUNCATE = 6, 3
_FIRST_X32_CALL = 0x40000000
"""x86-64 kernels may know every call a second time, from this number on."""

_LOAD, _JUMP_EQUAL, _JUMP_AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_OFFSET_OF_CALL, _OFFSET_OF_ARCHITECTURE, _OFFSET_OF_FIRST_ARGUMENT = 0, 4, 16
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


def dying_with_parent() -> Callable[[], None] | None:
    """Return the ``preexec_fn`` of a process that ends with the thread that starts it.

    All it needs is looked up here: between fork and exec no lock of another thread may be waited
    for.

    Returns:
        None where the platform cannot do so.
    """
    if platform.system() != "Linux":
        return None
    prctl, parent = ctypes.CDLL(None).prctl, os.getpid()

    def follow() -> None:
        prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:  # it has gone already
            os._exit(1)

    return follow


def deny_calls(landlock_abi: int) -> bool:
    """Let this thread and its children do nothing to the network, to others, to what files are.

    ``forgo_privileges`` comes first. Call it before other threads are started: those that run
    already are not restricted.

    Args:
        landlock_abi: version of Landlock in force: what it does not guard is denied here.

    Returns:
        Whether the filter is in force; False where the platform has none.
    """
    if not is_available():
        return False
    program = _instructions(platform.machine(), landlock_abi)
    described = _Program(len(program) // 8, program)
    _prctl(_SET_SECCOMP, _FILTER, ctypes.byref(described), 0, 0)
    return True


def _instructions(machine: str, landlock_abi: int) -> bytes:
    calls = [*_CALLS[machine]]
    if landlock_abi < _ABI_OF_SIGNALS:
        calls += _SIGNALS[machine]
    if landlock_abi < _ABI_OF_TRUNCATE:
        calls += _TRUNCATE[machine]
    lines = [
        (_LOAD, 0, 0, _OFFSET_OF_ARCHITECTURE),
        (_JUMP_EQUAL, 1, 0, _AUDIT_ARCHITECTURE[machine]),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _OFFSET_OF_CALL),
        (_JUMP_AT_LEAST, len(calls) + 4, 0, _FIRST_X32_CALL),
    ]
    lines += [(_JUMP_EQUAL, len(calls) + 3 - place, 0, call) for place, call in enumerate(calls)]
    lines += [
        (_JUMP_EQUAL, 0, 2, _LIMITS[machine]),
        (_LOAD, 0, 0, _OFFSET_OF_FIRST_ARGUMENT),  # 0 for the process itself
        (_JUMP_EQUAL, 0, 1, 0),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _FAIL),
    ]
    return b"".join(struct.pack("<HBBI", *line) for line in lines)


def _prctl(*arguments: object) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(*arguments):
        code = ctypes.get_errno()
        raise OSError(code, f"prctl: {os.strerror(code)}")
