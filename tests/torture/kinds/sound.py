"""Sound: channels, rates, depths, codecs, and many tracks of it."""

from __future__ import annotations

from pathlib import Path

from tests.torture.kinds.kind import AAC, PLAIN, TS, add, sine
from tests.torture.tool import encode, x264


def _noise(layout: str, rate: int = 48000) -> tuple[str, ...]:
    channels = {"mono": 1, "stereo": 2, "5.1": 6, "5.1(side)": 6, "7.1": 8, "quad": 4, "3.0": 3}
    voices = "|".join(f"0.3*sin({200 + 90 * n}*2*PI*t)" for n in range(channels[layout]))
    sound = f"aevalsrc=exprs='{voices}':channel_layout={layout}:sample_rate={rate}:duration=1.2"
    return ("-f", "lavfi", "-i", sound)


for _name, _file, _codec, _layout, _rate in (
    ("aac_51", "aac.mp4", ("aac",), "5.1", 48000),
    ("aac_71", "aac.mp4", ("aac",), "7.1", 48000),
    ("aac_96k", "aac.mp4", ("aac",), "stereo", 96000),
    ("aac_8k", "aac.mp4", ("aac",), "mono", 8000),
    ("ac3_51_side", "ac3.mp4", ("ac3",), "5.1(side)", 48000),
    ("eac3_51_side", "eac3.mkv", ("eac3",), "5.1(side)", 48000),
    ("dts_51", "dts.mkv", ("dca", "-strict", "-2"), "5.1(side)", 48000),
    ("truehd_51", "truehd.mkv", ("truehd", "-strict", "-2"), "5.1(side)", 48000),
    ("opus_51", "opus.mkv", ("libopus", "-mapping_family", "1"), "5.1", 48000),
    ("opus_71_mp4", "opus.mp4", ("libopus", "-mapping_family", "1"), "7.1", 48000),
    ("vorbis_71", "vorbis.mkv", ("libvorbis",), "7.1", 48000),
    ("flac_192k_24", "flac.mkv", ("flac", "-sample_fmt", "s32"), "stereo", 192000),
    ("flac_mp4", "flac.mp4", ("flac",), "stereo", 96000),
    ("alac_24", "alac.mov", ("alac", "-sample_fmt", "s32p"), "stereo", 96000),
    ("alac_71", "alac.mp4", ("alac",), "7.1", 48000),
    ("wavpack", "wavpack.mkv", ("wavpack",), "5.1", 96000),
    ("tta", "tta.mkv", ("tta",), "stereo", 48000),
    ("pcm_f32_mkv", "float.mkv", ("pcm_f32le",), "7.1", 192000),
    ("pcm_s24_mov", "s24.mov", ("pcm_s24be",), "5.1", 96000),
    ("pcm_s32_mov", "s32.mov", ("pcm_s32le",), "stereo", 192000),
    ("pcm_f64_mkv", "f64.mkv", ("pcm_f64le",), "stereo", 48000),
    ("pcm_f32_mov", "f32.mov", ("pcm_f32le",), "quad", 96000),
    ("pcm_be_mkv", "be.mkv", ("pcm_s16be",), "stereo", 48000),
    ("pcm_u8_avi", "u8.avi", ("pcm_u8",), "mono", 11025),
    ("pcm_s16_mp4", "pcm.mp4", ("pcm_s16le",), "5.1", 48000),
    ("mulaw_mov", "mulaw.mov", ("pcm_mulaw",), "mono", 8000),
    ("alaw_mkv", "alaw.mkv", ("pcm_alaw",), "mono", 8000),
    ("adpcm_avi", "adpcm.avi", ("adpcm_ms",), "stereo", 44100),
    ("adpcm_mov", "ima.mov", ("adpcm_ima_qt",), "stereo", 44100),
    ("s302m_ts", "s302m.ts", ("s302m", "-strict", "-2", "-f", "mpegts"), "stereo", 48000),
    ("mp3_mono", "mp3.mkv", ("mp3",), "mono", 22050),
    ("wma_mkv", "wma.mkv", ("wmav2",), "stereo", 44100),
    ("speex_like_g726", "g722.mkv", ("g722",), "mono", 16000),
):
    add(
        f"sound_{_name}",
        _file,
        [*x264("bframes=0"), *PLAIN, "-c:a", *_codec],
        inputs=_noise(_layout, _rate),
        count=25,
    )

LANGUAGES = ("eng", "deu", "fra", "jpn", "zho", "ara", "ell", "sqi", "nld", "und", "mul", "qaa")
DISPOSITIONS = (
    *("default+original", "dub", "comment", "hearing_impaired", "visual_impaired"),
    *("lyrics", "karaoke", "forced", "clean_effects", "0", "default+dub", "descriptions"),
)


def _many(out: Path) -> None:
    options: list[str] = ["-map", "0:v"]
    for number, (language, disposition) in enumerate(zip(LANGUAGES, DISPOSITIONS, strict=True)):
        options += ["-map", f"{1 + number % 2}:a"]
        options += [f"-metadata:s:a:{number}", f"language={language}"]
        options += [f"-metadata:s:a:{number}", f"title=Spur {number}: “{language}” тест"]
        options += [f"-disposition:a:{number}", disposition]
    encode(
        out,
        *(*options, *x264(), "-c:a", "aac", "-b:a", "48k"),
        inputs=(*sine(2), *sine(2, 700)),
        count=40,
    )


for _suffix in ("mkv", "mp4", "mov"):
    add(f"many_languages_{_suffix}", f"many.{_suffix}", build=_many, count=40)
add("two_sounds_ts", "two.ts", [
    *("-map", "0:v", "-map", "1:a", "-map", "2:a", *x264(), "-c:a:0", "ac3", "-c:a:1", "aac"),
    *("-metadata:s:a:0", "language=eng", "-metadata:s:a:1", "language=deu", *TS),
], inputs=(*sine(3), *sine(3, 700)))  # fmt: skip
add("sound_44100_mp4", "cd.mp4", [*x264(), *AAC], inputs=sine(3, rate=44100))
