"""Files that name other files or addresses, each under the name of a video."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.safety.watch import Addresses
from tests.torture.kinds import sample_mp4
from tests.torture.tool import ffmpeg

__all__ = ["DISGUISES", "NAME", "Disguise", "Place"]

NAME = "video.mp4"
"""What every disguised file is called."""


@dataclass(frozen=True)
class Place:
    """Where a disguised file is put, and what it can point at."""

    folder: Path
    """Holds the file, and beside it ``one.mp4``, ``one.ts`` and ``secret.txt``."""
    elsewhere: Path
    """Holds the same files, for references by their absolute path."""
    addresses: Addresses

    @property
    def http(self) -> str:
        """Address of a file at a server that listens."""
        return f"http://127.0.0.1:{self.addresses.tcp}/one.ts"

    @property
    def udp(self) -> str:
        """Address at which somebody listens for datagrams."""
        return f"udp://127.0.0.1:{self.addresses.udp}"


@dataclass(frozen=True)
class Disguise:
    """One way to make a reader of media open something else."""

    name: str
    build: Callable[[Place], bytes]
    follow: tuple[str, ...] | None
    """Options with which FFmpeg's program follows it; None where no FFmpeg of today does."""
    video: bool = False
    """It is a video as well, so it may be accepted; only what it names must stay closed."""


DISGUISES: dict[str, Disguise] = {}

_HLS = ("-f", "hls", "-allowed_extensions", "ALL", "-extension_picky", "0")


def _add(
    name: str, build: Callable[[Place], str | bytes], *follow: str, known: bool = True, **more: bool
) -> None:
    def content(place: Place) -> bytes:
        made = build(place)
        return made.encode() if isinstance(made, str) else made

    DISGUISES[name] = Disguise(name, content, follow if known else None, **more)


def _playlist(entry: str, before: str = "") -> str:
    head = "#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-TARGETDURATION:2\n#EXT-X-PLAYLIST-TYPE:VOD\n"
    return f"{head}{before}#EXTINF:1.6,\n{entry}\n#EXT-X-ENDLIST\n"


def _hls(
    name: str,
    entry: Callable[[Place], str],
    before: Callable[[Place], str] = lambda _: "",
    known: bool = True,
) -> None:
    _add(f"hls_{name}", lambda p: _playlist(entry(p), before(p)), *_HLS, known=known)


_add("concat_relative", lambda p: "ffconcat version 1.0\nfile 'one.mp4'\n", "-safe", "0")
_add(
    "concat_absolute",
    lambda p: f"ffconcat version 1.0\nfile '{p.elsewhere}/one.mp4'\n",
    *("-safe", "0"),
)
_add("concat_http", lambda p: f"ffconcat version 1.0\nfile '{p.http}'\n", "-safe", "0")
_add("concat_udp", lambda p: f"ffconcat version 1.0\nfile '{p.udp}?pkt_size=1'\n", known=False)

_hls("relative", lambda p: "one.ts")
_hls("absolute", lambda p: f"{p.elsewhere}/one.ts")
_hls("file_url", lambda p: f"file://{p.elsewhere}/one.ts")
_hls("http", lambda p: p.http)
_hls("tcp", lambda p: f"tcp://127.0.0.1:{p.addresses.tcp}", known=False)
_hls("crypto", lambda p: f"crypto+file:{p.elsewhere}/one.ts", known=False)
_hls("key", lambda p: "one.ts", lambda p: '#EXT-X-KEY:METHOD=AES-128,URI="secret.txt"\n')
_hls("map", lambda p: "one.ts", lambda p: '#EXT-X-MAP:URI="one.mp4"\n')
_hls("subfile", lambda p: f"subfile,,start,0,end,64,,:{p.elsewhere}/secret.txt", known=False)
_hls("concat", lambda p: f"concat:{p.elsewhere}/secret.txt|{p.elsewhere}/one.ts", known=False)
_hls("data", lambda p: "data:application/octet-stream;base64,R0A=", known=False)
_add(
    "hls_master",
    lambda p: f"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n{p.elsewhere}/secret.txt\n",
    *_HLS,
)


def _mpd(media: str) -> str:
    return (
        '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" '
        'mediaPresentationDuration="PT2S" minBufferTime="PT1S" '
        'profiles="urn:mpeg:dash:profile:isoff-on-demand:2011"><Period><AdaptationSet '
        'mimeType="video/mp4"><Representation id="1" bandwidth="1" codecs="avc1.42c00a" '
        f'width="128" height="96"><BaseURL>{media}</BaseURL></Representation></AdaptationSet>'
        "</Period></MPD>"
    )


_add("dash_relative", lambda p: _mpd("one.mp4"))
_add("dash_absolute", lambda p: _mpd(f"file://{p.elsewhere}/one.mp4"))
_add("dash_http", lambda p: _mpd(p.http.replace(".ts", ".mp4")))
_add(
    "sdp",
    lambda p: (
        "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\n"
        f"m=video {p.addresses.free_udp} RTP/AVP 96\na=rtpmap:96 H264/90000\n"
    ),
    *("-rw_timeout", "200000"),
)
_add(
    "imf",
    lambda p: (
        '<?xml version="1.0"?><CompositionPlaylist '
        'xmlns="http://www.smpte-ra.org/schemas/2067-3/2016"><Id>urn:uuid:'
        "11111111-2222-3333-4444-555555555555</Id><ContentTitle>x</ContentTitle>"
        "<EditRate>25 1</EditRate><SegmentList></SegmentList></CompositionPlaylist>"
    ),
    *("-f", "imf"),
)
_add("vobsub", lambda p: "# VobSub index file, v7 (do not modify this line!)\nid: en, index: 0\n")
_add(
    "smil",
    lambda p: f'<smil><body><video src="one.mp4"/><video src="{p.http}"/></body></smil>',
    known=False,
)
_add("asx", lambda p: f'<asx version="3"><entry><ref href="{p.http}"/></entry></asx>', known=False)
_add(
    "pls",
    lambda p: f"[playlist]\nFile1=one.mp4\nFile2={p.http}\nNumberOfEntries=2\nVersion=2\n",
    known=False,
)
_add("wmv_reference", lambda p: f"[Reference]\nRef1={p.http}\nRef2=one.mp4\n", known=False)
_add("quicktime_text", lambda p: f"RTSPtext\nrtsp://127.0.0.1:{p.addresses.tcp}/x\n", known=False)
_add("cue_sheet", lambda p: 'FILE "one.mp4" MP4\n  TRACK 01 AUDIO\n', known=False)
_add("avisynth", lambda p: 'LoadPlugin("one.mp4")\nFFmpegSource2("one.mp4")\n', known=False)
_add("lavfi", lambda p: "movie=one.mp4", known=False)


def _alias(path: Path) -> bytes:
    """Return an alias record of QuickTime, as a data reference holds it: to a file by its path."""
    name, folder = path.name.encode(), path.parent.name.encode()
    record = bytes(10) + bytes([1]) + b"x".ljust(27, b"\0") + bytes(12)
    record += bytes([len(name)]) + name.ljust(63, b"\0") + bytes(16)
    record += struct.pack(">HH", 1, 1) + bytes(16)
    for kind, text in ((0, folder), (2, str(path).encode())):
        record += struct.pack(">hh", kind, len(text)) + text + bytes(len(text) % 2)
    return record + struct.pack(">hh", -1, 0)


def _box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(content), kind) + content


def _with_reference(entry: bytes) -> bytes:
    """Return a movie whose first track's samples lie in another file."""
    data = sample_mp4()
    at = data.index(b"dref") - 4
    (size,) = struct.unpack_from(">I", data, at)
    dref = _box(b"dref", struct.pack(">II", 0, 1) + entry)
    grown = len(dref) - size
    patched = bytearray(data[:at] + dref + data[at + size :])
    holders = (b"moov", b"trak", b"mdia", b"minf", b"dinf")
    for holder in holders:
        place = patched.rindex(holder, 0, at) - 4
        (held,) = struct.unpack_from(">I", patched, place)
        struct.pack_into(">I", patched, place, held + grown)
    return bytes(patched)


_DREFS = ("-enable_drefs", "1", "-use_absolute_path", "1")
_add(
    "mov_alias",
    lambda p: _with_reference(_box(b"alis", bytes(4) + _alias(p.elsewhere / "one.mp4"))),
    *_DREFS,
    video=True,
)
_add(
    "mov_url",
    lambda p: _with_reference(_box(b"url ", bytes(4) + p.http.encode() + b"\0")),
    known=False,
    video=True,
)
_add(
    "mov_reference_movie",
    lambda p: (
        _box(b"ftyp", b"qt  \0\0\0\0qt  ")
        + _box(
            b"moov",
            _box(
                b"rmra",
                _box(
                    b"rmda",
                    _box(
                        b"rdrf",
                        bytes(4) + b"url " + struct.pack(">I", len(p.http)) + p.http.encode(),
                    ),
                ),
            ),
        )
    ),
    known=False,
)


def _sized(number: str, content: bytes) -> bytes:
    return bytes.fromhex(number) + (len(content) | 1 << 56).to_bytes(8, "big") + content


def _linked_segments(place: Place) -> bytes:
    """Return a Matroska file whose next segment, and whose ordered chapter, lie in other files."""
    whole = place.folder / "whole.mkv"
    ffmpeg("-i", place.folder / "one.mp4", "-c", "copy", whole)
    data = whole.read_bytes()
    whole.unlink()
    other = bytes(range(16))
    info = _sized("1549a966", _sized("2ad7b1", b"\x0f\x42\x40") + _sized("3eb923", other)
                  + _sized("3e83bb", b"one.mp4"))  # fmt: skip
    atom = _sized("b6", _sized("73c4", b"\1") + _sized("91", b"\0") + _sized("6e67", other))
    chapters = _sized("1043a770", _sized("45b9", _sized("45dd", b"\1") + atom))
    at = data.index(bytes.fromhex("18538067")) + 12
    size = int.from_bytes(data[at - 8 : at], "big") + len(info + chapters)
    return data[: at - 8] + size.to_bytes(8, "big") + info + chapters + data[at:]


def _avi_with_playlist(place: Place) -> bytes:
    """Return an AVI file whose subtitles (a GAB2 chunk) are a playlist of this server's files."""
    whole = place.folder / "whole.avi"
    ffmpeg("-i", place.folder / "one.mp4", "-an", "-c:v", "mpeg4", whole)
    data = bytearray(whole.read_bytes())
    whole.unlink()
    text = _playlist(f"{place.elsewhere}/secret.txt").encode()
    gab2 = b"GAB2\0" + struct.pack("<HI", 2, 2) + b"a\0" + struct.pack("<HI", 4, len(text)) + text
    gab2 += bytes(len(gab2) % 2)
    streams = data.index(b"strl") + 8
    header = bytearray(data[streams : streams + 56])
    header[0:4] = b"txts"
    header[4:8] = bytes(4)
    strl = b"strl" + b"strh" + struct.pack("<I", 56) + bytes(header[:56])
    strl += b"strf" + struct.pack("<I", 0)
    packed = b"LIST" + struct.pack("<I", len(strl)) + strl
    head_size = struct.unpack_from("<I", data, 16)[0]
    end = 20 + head_size
    struct.pack_into("<I", data, 16, head_size + len(packed))
    chunk = b"01tx" + struct.pack("<I", len(gab2)) + gab2
    movi = data.index(b"movi") + 4
    size = struct.unpack_from("<I", data, movi - 8)[0]
    struct.pack_into("<I", data, movi - 8, size + len(chunk))
    return bytes(data[:end] + packed + data[end:movi] + chunk + data[movi:])


_add("mkv_linked", _linked_segments, known=False, video=True)
_add("avi_gab2", _avi_with_playlist, known=False, video=True)
