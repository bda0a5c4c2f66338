"""Distribute a stream's packets over bundle files."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from framewright.media.bundle import BundleWriter, PacketRecord, StreamHeader

__all__ = ["CutBundle", "Cutter"]

_MAX_TAIL_PACKETS = 256
"""Leading pictures directly follow their keyframe; further away there are none."""


@dataclass(frozen=True, slots=True)
class CutBundle:
    """A finished bundle file."""

    key_pts: int
    """Time stamp of the keyframe that it begins with; 0 where it has none."""
    sha256: str
    size_bytes: int
    path: Path


class Cutter:
    """Distributes packets over bundle files, cutting at keyframes."""

    def __init__(self, folder: Path, header: StreamHeader, bundle_frames: int) -> None:
        self._folder = folder
        self._header = header
        self._bundle_frames = bundle_frames
        self._keys: list[int] = []
        self._bundles: list[CutBundle] = []
        self._current: BundleWriter | None = None
        self._frames = 0
        self._waiting: _Waiting | None = None
        self._palette = b""

    def add(self, packet: PacketRecord) -> None:
        """Take the next packet in decoding order."""
        begins = packet.key and packet.pts is not None and not packet.discard
        if self._current is None or (begins and self._frames >= self._bundle_frames):
            self._cut(packet)
            # A decoder that begins here has not seen the palette of an earlier packet.
            packet = replace(packet, palette=packet.palette or self._palette)
        elif packet.key and self._waiting:
            self._release()
        if self._current is None:  # _cut has just opened it
            raise AssertionError
        self._palette = packet.palette or self._palette
        self._current.add(packet)
        self._frames += not packet.discard
        if self._waiting and not self._waiting.offer(packet):
            self._release()

    def _cut(self, packet: PacketRecord) -> None:
        self._release()
        if self._current is not None and packet.pts is not None:
            self._waiting = _Waiting(self._current, packet.pts)
        path = self._folder / f"{len(self._keys):05d}.pkts"
        self._current = BundleWriter(path, self._header)
        self._keys.append(packet.pts if packet.pts is not None else 0)
        self._frames = 0

    def _release(self) -> None:
        if self._waiting:
            self._record(self._waiting.writer)
            self._waiting = None

    def _record(self, writer: BundleWriter) -> None:
        key_pts = self._keys[len(self._bundles)]
        sha256 = writer.close()
        self._bundles.append(CutBundle(key_pts, sha256, writer.size_bytes, writer.path))

    @property
    def bundles(self) -> int:
        """Bundles begun so far."""
        return len(self._keys)

    def close(self) -> tuple[CutBundle, ...]:
        """Finish the last bundles and return all of them, in order."""
        self._release()
        if self._current is not None:
            self._record(self._current)
            self._current = None
        return tuple(self._bundles)

    def abort(self) -> None:
        """Remove what is unfinished."""
        for writer in (self._waiting.writer if self._waiting else None, self._current):
            if writer is not None:
                writer.abort()


class _Waiting:
    """A bundle that is complete but for its tail of leading pictures."""

    def __init__(self, writer: BundleWriter, next_key_pts: int) -> None:
        self.writer = writer
        self._next_key_pts = next_key_pts
        self._pending: list[PacketRecord] = []
        self._seen = 0

    def offer(self, packet: PacketRecord) -> bool:
        """Take a packet after the cut; return False when no leading picture can follow."""
        self._seen += 1
        self._pending.append(replace(packet, tail=True))
        if packet.pts is not None and packet.pts < self._next_key_pts:
            for waiting in self._pending:
                self.writer.add(waiting)
            self._pending.clear()
        return self._seen < _MAX_TAIL_PACKETS
