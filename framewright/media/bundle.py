"""The packet bundle: a stretch of a source's compressed packets, as one content-addressed blob.

Layout, little-endian::

    8 bytes   magic "FWPKTS1\\n"
    u32       length of the header, then the header as JSON (``StreamHeader``)
    records   u32 size, i64 pts, i64 dts, u8 flags, then ``size`` bytes of payload, then, where the
              flags say so, a palette of 256 u32
    u32       0xFFFFFFFF, then u32 number of records: the bundle is whole

It is written and read front to back in constant memory. No container is involved, so no time base
is rounded and no edit list rewritten.
"""

from __future__ import annotations

import base64
import hashlib
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from framewright.errors import ManifestError

__all__ = ["MAX_SAMPLE_BITS", "BundleReader", "BundleWriter", "PacketRecord", "StreamHeader"]

_MAGIC = b"FWPKTS1\n"
_RECORD = struct.Struct("<Iqqb")
_COUNT = struct.Struct("<I")
_END = 0xFFFFFFFF
_NO_TIME = -(1 << 63)
_MAX_HEADER_BYTES = 16 << 20
_MAX_PACKET_BYTES = 1 << 30
_READ_BYTES = 1 << 20

_PALETTE_BYTES = 1024
_MAX_SIDE_PX = 1 << 20
MAX_SAMPLE_BITS = 256
"""Per coded sample; a container that states more lies."""

_KEY, _DISCARD, _TAIL, _PALETTE, _CORRUPT = 1, 2, 4, 8, 16


class StreamHeader(BaseModel):
    """What a decoder must be told before the first packet."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    codec: str = Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")
    codec_tag: str
    width: int = Field(gt=0, le=_MAX_SIDE_PX)
    height: int = Field(gt=0, le=_MAX_SIDE_PX)
    pixel_format: str = Field(pattern=r"^[A-Za-z0-9_]{0,64}$")
    extradata_base64: str
    bits_per_coded_sample: int = Field(0, ge=0, le=MAX_SAMPLE_BITS)
    """As the container states it; some decoders choose their pixel format by it. 0 for unknown."""

    @field_validator("extradata_base64")
    @classmethod
    def _decodes(cls, text: str) -> str:
        base64.b64decode(text, validate=True)
        return text

    @property
    def extradata(self) -> bytes:
        """Codec configuration record."""
        return base64.b64decode(self.extradata_base64)


@dataclass(frozen=True, slots=True)
class PacketRecord:
    """One compressed packet; times in the source's time base."""

    payload: bytes
    pts: int | None
    dts: int | None
    key: bool
    discard: bool
    """Fed to the decoder but never shown (edit lists)."""
    tail: bool = False
    """Belongs to the next bundle; here only so that leading pictures can be decoded."""
    corrupt: bool = False
    """The container says that it is incomplete: in MPEG-TS, parts of it were lost on the way."""
    palette: bytes = b""
    """Colours that the decoder is to use from here on, 256 times 4 bytes; empty for no change."""


class BundleWriter:
    """Writes a bundle to a file, hashing as it goes; ``close`` makes it whole."""

    def __init__(self, path: Path, header: StreamHeader) -> None:
        self.path = path
        self.size_bytes = 0
        self._count = 0
        self._hash = hashlib.sha256()
        self._out: BinaryIO = path.open("wb")
        text = header.model_dump_json().encode()
        self._write(_MAGIC + _COUNT.pack(len(text)) + text)

    def _write(self, data: bytes) -> None:
        self._out.write(data)
        self._hash.update(data)
        self.size_bytes += len(data)

    def add(self, packet: PacketRecord) -> None:
        """Append a packet."""
        if len(packet.palette) not in (0, _PALETTE_BYTES):
            raise ValueError(
                f"a palette of {len(packet.palette)} bytes; allowed are 0 and {_PALETTE_BYTES}."
            )
        flags = _KEY * packet.key | _DISCARD * packet.discard | _TAIL * packet.tail
        flags |= _PALETTE * bool(packet.palette) | _CORRUPT * packet.corrupt
        pts = _NO_TIME if packet.pts is None else packet.pts
        dts = _NO_TIME if packet.dts is None else packet.dts
        self._write(_RECORD.pack(len(packet.payload), pts, dts, flags))
        self._write(packet.payload)
        self._write(packet.palette)
        self._count += 1

    def close(self) -> str:
        """Finish the file and return the sha256 of its bytes, in hex."""
        self._write(_COUNT.pack(_END) + _COUNT.pack(self._count))
        self._out.close()
        return self._hash.hexdigest()

    def abort(self) -> None:
        """Close and remove the unfinished file."""
        self._out.close()
        self.path.unlink(missing_ok=True)


class BundleReader:
    """Reads a bundle from a stream, front to back.

    Raises ``ManifestError`` for anything that is not a whole, well-formed bundle.
    """

    def __init__(self, stream: BinaryIO, name: str) -> None:
        self._stream = stream
        self._name = name
        if self._exactly(len(_MAGIC)) != _MAGIC:
            raise ManifestError(f"{name}: not a packet bundle of this version.")
        (length,) = _COUNT.unpack(self._exactly(_COUNT.size))
        if length > _MAX_HEADER_BYTES:
            raise ManifestError(f"{name}: header of {length} bytes.")
        try:
            self.header = StreamHeader.model_validate_json(self._exactly(length))
        except ValidationError as error:
            raise ManifestError(
                f"{name}: header not readable ({error.error_count()} errors)."
            ) from error

    def _exactly(self, count: int) -> bytes:
        # In pieces: what a damaged size claims must not be allocated at once.
        pieces, missing = [], count
        while missing and (piece := self._stream.read(min(missing, _READ_BYTES))):
            pieces.append(piece)
            missing -= len(piece)
        if missing:
            raise ManifestError(
                f"{self._name}: cut off, {count} bytes wanted, {count - missing} left."
            )
        return b"".join(pieces)

    def __iter__(self) -> Iterator[PacketRecord]:
        """Yield the packets in decoding order."""
        count = 0
        while True:
            size_bytes = self._exactly(_COUNT.size)
            (size,) = _COUNT.unpack(size_bytes)
            if size == _END:
                break
            if size > _MAX_PACKET_BYTES:
                raise ManifestError(f"{self._name}: packet {count} claims {size} bytes.")
            rest = self._exactly(_RECORD.size - _COUNT.size)
            _, pts, dts, flags = _RECORD.unpack(size_bytes + rest)
            yield PacketRecord(
                payload=self._exactly(size),
                pts=None if pts == _NO_TIME else pts,
                dts=None if dts == _NO_TIME else dts,
                key=bool(flags & _KEY),
                discard=bool(flags & _DISCARD),
                tail=bool(flags & _TAIL),
                corrupt=bool(flags & _CORRUPT),
                palette=self._exactly(_PALETTE_BYTES) if flags & _PALETTE else b"",
            )
            count += 1
        (declared,) = _COUNT.unpack(self._exactly(_COUNT.size))
        if declared != count:
            raise ManifestError(f"{self._name}: {declared} packets declared, {count} found.")
        if self._stream.read(1):
            raise ManifestError(f"{self._name}: there are bytes after its end.")
