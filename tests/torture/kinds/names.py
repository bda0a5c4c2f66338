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
    "percent": "100%05d.mp4",
    "colon": "co:lon.mp4",
    "unicode": "日本語.mp4",
    "newline": "new\nline.mp4",
    "brackets": "[1]{2}*?$(x).mp4",
    "no_suffix": "video",
}
for _name, _file in HOSTILE.items():
    add(f"name_{_name}", _file, build=_write_sample, count=40)
