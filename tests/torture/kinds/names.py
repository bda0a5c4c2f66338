"""Names that a program may trip over. The clips are the same."""

from __future__ import annotations

from pathlib import Path

from tests.torture.kinds.kind import add, sample_mp4

__all__ = ["HOSTILE"]


def _write_sample(out: Path) -> None:
    out.write_bytes(sample_mp4())


HOSTILE = {
    "quotes": "a b'c\".mp4",
    "dash": "-dash.mp4",
    "only_dash": "-",
    "option": "-i",
    "percent": "100%05d.mp4",
    "percent_s": "%s%n%d.mp4",
    "colon": "co:lon.mp4",
    "unicode": "日本語.mp4",
    "emoji": "🎬👩‍👩‍👧‍👦.mp4",
    "decomposed": "e\u0301te\u0301.mp4",
    "right_to_left": "\u202egpj.mp4",
    "newline": "new\nline.mp4",
    "tab": "tab\t\x07bell.mp4",
    "brackets": "[1]{2}*?$(x).mp4",
    "backslash": "back\\slash.mp4",
    "dollar": "$HOME`id`;rm.mp4",
    "tilde": "~",
    "hash": "a#b&c=d.mp4",
    "pipe": "a|b.mp4",
    "no_suffix": "video",
    "dots": "...",
    "hidden": ".mp4",
    "trailing_space": "space.mp4 ",
    "trailing_dot": "dot.mp4.",
    "long": "ü" * 125 + "x.mp4",
    "upper": "VIDEO.MP4",
    "two_suffixes": "video.mkv.mp4",
    "wrong_suffix": "video.avi",
    "file_url": "file:video.mp4",
    "concat_url": "concat:one.mp4|two.mp4",
    "http_url": "http:example.org.mp4",
    "pipe_url": "pipe:0",
    "data_url": "data:video,mp4;base64,AAAA",
    "subfile_url": "subfile,,start,0,end,9,,:video.mp4",
    "lavfi": "testsrc=duration=1.mp4",
    "fd_url": "fd:",
}
for _name, _file in HOSTILE.items():
    add(f"name_{_name}", _file, build=_write_sample, count=40)
