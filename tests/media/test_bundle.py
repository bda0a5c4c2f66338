"""The packet bundle: read back exactly, or refused as a whole."""

from __future__ import annotations

import base64
import hashlib
import io
import random
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from framewright.errors import ManifestError
from framewright.media.bundle import BundleReader, BundleWriter, PacketRecord, StreamHeader

HEADER = StreamHeader(
    codec="h264",
    codec_tag="avc1",
    width=128,
    height=96,
    pixel_format="yuv420p",
    extradata_base64=base64.b64encode(b"\x01\x64\x00").decode(),
)
PACKETS = [
    PacketRecord(b"key frame", 0, -2, True, False),
    PacketRecord(b"", 3, -1, False, False),
    PacketRecord(b"\xff" * 40, None, None, False, True),
    PacketRecord(b"tail", -5, 9, True, False, tail=True),
    PacketRecord(b"colours", 7, 7, True, False, palette=bytes(range(256)) * 4),
]
TIMES = st.none() | st.integers(-(1 << 63) + 1, (1 << 63) - 1)
RECORDS = st.builds(
    PacketRecord,
    payload=st.binary(max_size=60),
    pts=TIMES,
    dts=TIMES,
    key=st.booleans(),
    discard=st.booleans(),
    tail=st.booleans(),
    palette=st.just(b"") | st.binary(min_size=1024, max_size=1024),
)


def written(path: Path, packets: list[PacketRecord]) -> bytes:
    writer = BundleWriter(path, HEADER)
    for packet in packets:
        writer.add(packet)
    digest = writer.close()
    data = path.read_bytes()
    assert digest == hashlib.sha256(data).hexdigest()
    assert writer.size_bytes == len(data)
    return data


def read(data: bytes) -> tuple[StreamHeader, list[PacketRecord]]:
    reader = BundleReader(io.BytesIO(data), "test.pkts")
    return reader.header, list(reader)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return written(tmp_path_factory.mktemp("bundle") / "small.pkts", PACKETS)


@given(st.lists(RECORDS, max_size=12))
def test_what_is_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, packets: list[PacketRecord]
) -> None:
    path = tmp_path_factory.mktemp("bundle") / "one.pkts"
    assert read(written(path, packets)) == (HEADER, packets)


def test_the_header_keeps_the_codec_configuration(small: bytes) -> None:
    assert read(small)[0].extradata == b"\x01\x64\x00"


def test_the_same_packets_give_the_same_bytes(tmp_path: Path, small: bytes) -> None:
    assert written(tmp_path / "again.pkts", PACKETS) == small


def test_an_aborted_bundle_is_gone(tmp_path: Path) -> None:
    writer = BundleWriter(tmp_path / "x.pkts", HEADER)
    writer.add(PACKETS[0])
    writer.abort()
    assert list(tmp_path.iterdir()) == []


def test_every_truncation_is_refused(small: bytes) -> None:
    for length in range(len(small)):
        with pytest.raises(ManifestError, match=r"test\.pkts: (cut off|not a packet bundle)"):
            read(small[:length])


def test_no_flipped_byte_does_more_than_change_a_packet(small: bytes) -> None:
    dice = random.Random(1)  # noqa: S311
    outcomes = {"refused": 0, "other": 0}
    for _ in range(500):
        data = bytearray(small)
        data[dice.randrange(len(data))] ^= dice.randrange(1, 256)
        try:
            _, packets = read(bytes(data))
        except ManifestError:
            outcomes["refused"] += 1
        else:
            outcomes["other"] += 1
            assert len(packets) == len(PACKETS)
    assert min(outcomes.values()) > 20, outcomes


@given(st.binary(max_size=200))
def test_noise_is_refused(data: bytes) -> None:
    with pytest.raises(ManifestError):
        read(data)


@given(st.binary(max_size=120))
def test_noise_after_a_good_beginning_is_refused(data: bytes) -> None:
    with pytest.raises(ManifestError):
        read(b"FWPKTS1\n" + data)


def test_another_version_is_refused(small: bytes) -> None:
    with pytest.raises(ManifestError, match="not a packet bundle of this version"):
        read(small.replace(b"FWPKTS1", b"FWPKTS2"))


def test_a_wrong_count_is_refused(small: bytes) -> None:
    with pytest.raises(ManifestError, match="6 packets declared, 5 found"):
        read(small[:-4] + (6).to_bytes(4, "little"))


def test_what_follows_the_end_is_refused(small: bytes) -> None:
    with pytest.raises(ManifestError, match="after its end"):
        read(small + b"\0")


def test_a_header_that_is_no_header_is_refused() -> None:
    for text in (b"{}", b"[]", b"\xff\xfe", b'{"codec": 1}'):
        data = b"FWPKTS1\n" + len(text).to_bytes(4, "little") + text
        with pytest.raises(ManifestError, match="header not readable"):
            read(data)


def test_extradata_that_is_no_base64_is_refused() -> None:
    text = HEADER.model_dump_json().replace(HEADER.extradata_base64, "%%%").encode()
    with pytest.raises(ManifestError, match="header not readable"):
        read(b"FWPKTS1\n" + len(text).to_bytes(4, "little") + text)


CLAIM = """
import resource, sys
from framewright.errors import ManifestError
from framewright.media.bundle import BundleReader
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    with open(sys.argv[1], "rb") as stream:
        list(BundleReader(stream, "huge"))
except ManifestError as error:
    print("refused:", error)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


@pytest.mark.parametrize("size", [(1 << 30) - 1, (1 << 30) + 1, 0xFFFFFFFE])
def test_a_claimed_gigabyte_is_not_allocated(size: int, small: bytes, tmp_path: Path) -> None:
    head = len(b"FWPKTS1\n") + 4 + len(HEADER.model_dump_json())
    path = tmp_path / "huge.pkts"
    path.write_bytes(small[:head] + size.to_bytes(4, "little") + small[head + 4 :])
    limit = 700 << 20
    done = subprocess.run(
        [sys.executable, "-c", CLAIM, str(path)],
        capture_output=True,
        text=True,
        check=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)),
    )
    assert "refused: huge: " in done.stdout
    assert int(done.stdout.splitlines()[-1]) < 50


def test_a_claimed_header_is_not_allocated() -> None:
    with pytest.raises(ManifestError, match="header of"):
        read(b"FWPKTS1\n" + (0xFFFFFFFF).to_bytes(4, "little"))
