"""What is no video at all."""

from __future__ import annotations

import random
from pathlib import Path

from PIL import Image

from tests.torture.bad.bad import bad
from tests.torture.tool import ffmpeg


@bad("empty", "empty.mp4", "empty", "unreadable")
def _empty(out: Path) -> None:
    out.touch()


@bad("garbage", "garbage.mp4", "unreadable")
def _garbage(out: Path) -> None:
    out.write_bytes(random.Random(5).randbytes(50_000))  # noqa: S311


@bad("text", "text.mp4", "unreadable")
def _text(out: Path) -> None:
    out.write_text("This is not a video.\n" * 200)


@bad("folder", "folder.mp4", "unreadable", "not_found")
def _folder(out: Path) -> None:
    out.mkdir()


@bad("audio_only", "audio.mp4", "no_video")
def _audio_only(out: Path) -> None:
    ffmpeg("-f", "lavfi", "-i", "sine=duration=2", "-c:a", "aac", f"file:{out}")


@bad("song_with_cover", "song.mp4", "no_video")
def _song(out: Path) -> None:
    cover = out.with_name("cover.jpg")
    _still(cover)
    ffmpeg(
        *("-f", "lavfi", "-i", "sine=duration=2", "-i", cover, "-map", "0:a", "-map", "1:v"),
        *("-c:a", "aac", "-c:v", "copy", "-disposition:v:0", "attached_pic", f"file:{out}"),
    )


def _still(path: Path, form: str | None = None) -> None:
    Image.effect_mandelbrot((96, 64), (-2, -1.5, 1, 1.5), 50).convert("RGB").save(path, form)


@bad("jpg", "still.jpg", "still_image")
def _jpg(out: Path) -> None:
    _still(out)


@bad("png_as_mp4", "still.mp4", "still_image")
def _png(out: Path) -> None:
    _still(out, "PNG")


@bad("jpg_as_mp4", "photo.mp4", "still_image")
def _jpg_as_mp4(out: Path) -> None:
    _still(out, "JPEG")


@bad("subtitles_only", "lines.mkv", "no_video")
def _subtitles_only(out: Path) -> None:
    srt = out.with_name("lines.srt")
    srt.write_text("1\n00:00:00,200 --> 00:00:01,000\nNothing to see\n")
    ffmpeg("-i", srt, "-c:s", "srt", f"file:{out}")


@bad("sound_in_webm", "song.webm", "no_video")
def _sound_in_webm(out: Path) -> None:
    ffmpeg("-f", "lavfi", "-i", "sine=duration=2", "-c:a", "libopus", f"file:{out}")


@bad("sound_in_ts", "radio.ts", "no_video")
def _sound_in_ts(out: Path) -> None:
    ffmpeg("-f", "lavfi", "-i", "sine=duration=2", "-c:a", "aac", f"file:{out}")


for _name, _file, _form in (
    ("webp", "still.webp", "WEBP"),
    ("bmp", "still.bmp", "BMP"),
    ("tiff", "still.tif", "TIFF"),
    ("ppm", "still.ppm", "PPM"),
    ("ico", "still.ico", "ICO"),
    ("tga", "still.tga", "TGA"),
    ("jpeg_2000", "still.jp2", "JPEG2000"),
    ("png_as_avi", "still.avi", "PNG"),
):

    def _one_still(out: Path, form: str = _form) -> None:
        _still(out, form)

    bad(_name, _file, "still_image", "unreadable")(_one_still)


def _moving(out: Path, form: str) -> None:
    pictures = [Image.new("RGB", (96, 64), (40 * n, 90, 255 - 40 * n)) for n in range(5)]
    pictures[0].save(out, form, save_all=True, append_images=pictures[1:], duration=100)


@bad("webp_animated", "moving.webp", "still_image", "unreadable")
def _webp_animated(out: Path) -> None:
    _moving(out, "WEBP")


@bad("apng", "moving.png", "still_image", "unreadable")
def _apng(out: Path) -> None:
    _moving(out, "PNG")


def _avif(out: Path, frames: str) -> None:
    picture = ("-f", "lavfi", "-i", "testsrc2=size=96x64:rate=10", "-frames:v", frames)
    ffmpeg(*picture, "-c:v", "libaom-av1", "-cpu-used", "8", "-f", "avif", f"file:{out}")


@bad("avif", "still.avif", "still_image", "unreadable")
def _avif_still(out: Path) -> None:
    _avif(out, "1")


@bad("avif_as_mp4", "photo_avif.mp4", "still_image", "unreadable")
def _avif_as_mp4(out: Path) -> None:
    _avif(out, "1")


@bad("avif_animated", "moving.avif", "still_image", "unreadable")
def _avif_animated(out: Path) -> None:
    _avif(out, "5")


@bad("heic", "photo.heic", "still_image", "unreadable")
def _heic(out: Path) -> None:
    """An AVIF picture that says it is HEIC: no encoder at hand writes the real thing."""
    _avif(out, "1")
    out.write_bytes(out.read_bytes().replace(b"ftypavif", b"ftypheic", 1))


@bad("jxl", "still.jxl", "still_image", "unreadable")
def _jxl(out: Path) -> None:
    picture = ("-f", "lavfi", "-i", "testsrc2=size=96x64", "-frames:v", "1", "-update", "1")
    ffmpeg(*picture, "-c:v", "libjxl", f"file:{out}")


@bad("pdf", "paper.mp4", "unreadable")
def _pdf(out: Path) -> None:
    out.write_bytes(b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\n" * 50)


@bad("zip", "archive.mp4", "unreadable")
def _zip(out: Path) -> None:
    out.write_bytes(b"PK\3\4" + bytes(range(256)) * 40)


@bad("zeros", "zeros.mp4", "unreadable")
def _zeros(out: Path) -> None:
    out.write_bytes(b"\0" * 200_000)


@bad("one_byte", "one.mp4", "unreadable")
def _one_byte(out: Path) -> None:
    out.write_bytes(b"\0")
