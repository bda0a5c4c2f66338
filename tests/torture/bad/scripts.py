"""Playlists and scripts that would make a player open something else."""

from __future__ import annotations

import struct
from pathlib import Path

from tests.torture.bad.bad import bad, siblings
from tests.torture.boxes import parse, write


@bad("ffconcat_as_mp4", "concat.mp4", "unsafe")
def _ffconcat(out: Path) -> list[str]:
    names = siblings(out)
    out.write_text("ffconcat version 1.0\n" + "".join(f"file '{name}'\n" for name in names))
    return names


@bad("m3u8_as_mp4", "list.mp4", "unsafe")
def _m3u8(out: Path) -> list[str]:
    names = siblings(out)
    lines = "".join(f"#EXTINF:1.6,\n{name}\n" for name in names)
    head = "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:2\n"
    out.write_text(f"{head}{lines}#EXT-X-ENDLIST\n")
    return names


@bad("sdp_as_mp4", "session.mp4", "unsafe", "unreadable")
def _sdp(out: Path) -> None:
    out.write_text(
        "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\n"
        "m=video 5004 RTP/AVP 96\na=rtpmap:96 H264/90000\n"
    )


def _script(name: str, file: str, text: str, *words: str) -> None:
    def build(out: Path) -> list[str]:
        names = siblings(out)
        out.write_text(text.format(one=names[0], two=names[1], folder=out.parent))
        return names

    bad(name, file, *(words or ("unsafe", "unreadable")))(build)


XML = '<?xml version="1.0" encoding="utf-8"?>\n'
_script(
    "mpd_as_mp4",
    "dash.mp4",
    XML + '<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" profiles="urn:mpeg:dash:'
    'profile:isoff-on-demand:2011"><Period><AdaptationSet mimeType="video/mp4"><Representation '
    'id="1" bandwidth="1"><BaseURL>{one}</BaseURL></Representation></AdaptationSet></Period></MPD>',
)
_script("smil_as_mp4", "smil.mp4", '<smil><body><video src="{one}"/></body></smil>')
_script("asx_as_wmv", "asx.wmv", '<ASX version="3.0"><Entry><Ref href="{one}"/></Entry></ASX>')
_script("wvx_as_mp4", "wvx.mp4", "[Reference]\nRef1=file:{one}\n")
_script("pls_as_mp4", "pls.mp4", "[playlist]\nNumberOfEntries=1\nFile1={one}\nVersion=2\n")
_script(
    "xspf_as_mp4",
    "xspf.mp4",
    XML + '<playlist version="1" xmlns="http://xspf.org/ns/0/"><trackList><track><location>{one}'
    "</location></track></trackList></playlist>",
)
_script("m3u_bare", "list.m3u", "{one}\n{two}\n")
_script("m3u8_bom", "bom.mp4", "\ufeff#EXTM3U\n#EXTINF:1,\n{one}\n#EXT-X-ENDLIST\n")
_script("m3u8_as_ts", "list.ts", "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:1,\n{one}\n")
_script("m3u8_as_mkv", "list.mkv", "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:1,\nfile:{one}\n")
_script("concat_no_head", "files.mp4", "file '{one}'\nfile '{two}'\n")
_script("ffconcat_absolute", "absolute.mp4", "ffconcat version 1.0\nfile '{folder}/{one}'\n")
_script("mpv_edl", "edl.mp4", "# mpv EDL v0\n{one},0,1\n")
_script("avisynth", "script.avi", 'AVISource("{one}")\n')
_script("quicktime_text", "rtsp.mov", "RTSPtext\nrtsp://127.0.0.1/{one}\n")
_script("internet_shortcut", "link.mp4", "[InternetShortcut]\nURL=file:///{one}\n")
_script("cue_sheet", "cue.mp4", 'FILE "{one}" WAVE\n TRACK 01 AUDIO\n  INDEX 01 00:00:00\n')
_script("ffmetadata", "tags.mp4", ";FFMETADATA1\ntitle={one}\n")
_script("svg", "drawing.mp4", '<svg xmlns="http://www.w3.org/2000/svg"><image href="{one}"/></svg>')
_script(
    "smooth_manifest",
    "manifest.mp4",
    XML + '<SmoothStreamingMedia MajorVersion="2"><StreamIndex Url="{one}"/>'
    "</SmoothStreamingMedia>",
)
_script("imf_cpl", "cpl.mxf", XML + "<CompositionPlaylist><Id>{one}</Id></CompositionPlaylist>")


def _reference(out: Path, kind: bytes, body: bytes) -> list[str]:
    """A movie whose samples are said to lie in another file."""
    names = siblings(out)
    file = parse((out.with_name(names[0])).read_bytes())
    entry = struct.pack(">I4sI", 12 + len(body), kind, 0) + body
    for box in file.all(b"dref"):
        box.data = struct.pack(">II", 0, 1) + entry
    file.boxes = [box for box in file.boxes if box.kind != b"mdat"]
    out.write_bytes(write(file))
    return names


@bad("dref_url", "dref_url.mov", "unsafe", "unreadable", "no_frames", "truncated", "damaged")
def _dref_url(out: Path) -> list[str]:
    return _reference(out, b"url ", b"file:one.mp4\0")


@bad("dref_alias", "dref_alias.mov", "unsafe", "unreadable", "no_frames", "truncated", "damaged")
def _dref_alias(out: Path) -> list[str]:
    name = b"one.mp4"
    record = struct.pack(">4sHHH", b"\0" * 4, 150, 2, 0) + b"\x04disk".ljust(28, b"\0")
    record += b"\0" * 12 + bytes([len(name)]) + name.ljust(63, b"\0") + b"\0" * 16
    record += struct.pack(">HH", 0, 1) + b"\0" * 26
    return _reference(out, b"alis", record + struct.pack(">Hh", 2, len(name)) + name + b"\0")


@bad("reference_movie", "reference.mov", "unsafe", "unreadable", "no_video", "truncated")
def _reference_movie(out: Path) -> list[str]:
    """QuickTime's way to say: play that one instead."""
    names = siblings(out)
    place = struct.pack(">I4sI", 0, b"url ", 8) + b"one.mp4\0"
    rdrf = struct.pack(">I4s", 8 + len(place), b"rdrf") + place
    for kind in (b"rmda", b"rmra", b"moov"):
        rdrf = struct.pack(">I4s", 8 + len(rdrf), kind) + rdrf
    out.write_bytes(struct.pack(">I4s4sI", 16, b"ftyp", b"qt  ", 0) + rdrf)
    return names
