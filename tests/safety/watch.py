"""Notice that a program opens a file or a network address which it has no business with.

The kernel says so, not the program: inotify for files, and what arrives at, or appears in the
kernel's own table of, sockets on the loopback address.
"""

from __future__ import annotations

import ctypes
import os
import select
import socket
import struct
import threading
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["Addresses", "Watch"]

_IN_ACCESS, _IN_OPEN = 0x1, 0x20
_NONBLOCK = os.O_NONBLOCK
_EVENT = struct.Struct("iIII")
_POLL_SECONDS = 0.001


class Addresses:
    """A TCP port that somebody listens at, and a UDP port that is free: both are being watched."""

    def __init__(self) -> None:
        self._tcp = socket.create_server(("127.0.0.1", 0))
        self._tcp.setblocking(False)
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._udp.bind(("127.0.0.1", 0))
        self._udp.setblocking(False)
        self.tcp: int = self._tcp.getsockname()[1]
        self.udp: int = self._udp.getsockname()[1]
        self.free_udp = _free_even_udp_port()

    def calls(self) -> list[str]:
        """Who has called since the last time."""
        found = []
        while select.select([self._tcp, self._udp], [], [], 0)[0]:
            for server in select.select([self._tcp, self._udp], [], [], 0)[0]:
                if server is self._tcp:
                    server.accept()[0].close()
                    found.append(f"connection to tcp port {self.tcp}")
                else:
                    server.recv(65536)
                    found.append(f"datagram to udp port {self.udp}")
        return found

    def close(self) -> None:
        """Free the ports."""
        self._tcp.close()
        self._udp.close()


def _free_even_udp_port() -> int:
    """Return a port at which nobody listens; RTP takes even ones."""
    while True:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind(("", 0))
            port: int = probe.getsockname()[1]
        if port % 2 == 0:
            return port


@dataclass
class Watch:
    """While it is entered, collects every access to a folder's files and to some addresses.

    Attributes:
        folders: whose files are watched.
        allowed: the one name in them that may be opened.
        addresses: whose ports are watched.
    """

    folders: list[Path]
    allowed: str
    addresses: Addresses
    seen: list[str] = field(default_factory=list)
    """What was noticed, once left."""

    def __enter__(self) -> Watch:
        self.seen.clear()
        self.addresses.calls()
        libc = ctypes.CDLL(None, use_errno=True)
        self._inotify = libc.inotify_init1(_NONBLOCK)
        if self._inotify < 0:
            raise OSError(ctypes.get_errno(), "inotify_init1")
        for folder in self.folders:
            name = os.fsencode(folder)
            if libc.inotify_add_watch(self._inotify, name, _IN_OPEN | _IN_ACCESS) < 0:
                raise OSError(ctypes.get_errno(), f"inotify_add_watch {folder}")
        self._over = threading.Event()
        self._ports: set[str] = set()
        self._thread = threading.Thread(target=self._watch_ports)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self.seen += sorted(self._ports) + self.addresses.calls() + self._opened()
        os.close(self._inotify)

    def _watch_ports(self) -> None:
        wanted = f":{self.addresses.free_udp:04X} "
        while not self._over.wait(_POLL_SECONDS):
            for table in ("/proc/net/udp", "/proc/net/udp6"):
                if Path(table).exists() and wanted in Path(table).read_text():
                    self._ports.add(f"socket bound to udp port {self.addresses.free_udp}")

    def _opened(self) -> list[str]:
        names: list[str] = []
        while True:
            try:
                events = os.read(self._inotify, 1 << 16)
            except BlockingIOError:
                return names
            at = 0
            while at < len(events):
                _, _, _, length = _EVENT.unpack_from(events, at)
                at += _EVENT.size
                name = os.fsdecode(events[at : at + length].rstrip(b"\0"))
                at += length
                if name not in ("", self.allowed) and f"file {name}" not in names:
                    names.append(f"file {name}")
