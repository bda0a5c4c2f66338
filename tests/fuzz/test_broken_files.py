"""A short slice of `make fuzz`, and the parts of it that must not be blind themselves."""

from __future__ import annotations

import faulthandler
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from framewright.score import score_unit
from framewright.stitch import stitch
from framewright.types import Manifest, Treatment
from tests.fuzz import box
from tests.fuzz.box import boxed
from tests.fuzz.formats import changes_of
from tests.fuzz.judge import Verdict, compare, judged, limits
from tests.fuzz.mutate import mutated
from tests.fuzz.seeds import Seed
from tests.fuzz.tree import ebml, mp4, riff, written
from tests.support import plan_job
from tests.torture.kinds import sample_mp4
from tests.torture.make import Clip, make
from tests.torture.tool import encode, ffmpeg, x264

CASES = 24


def test_a_slice_of_the_broken_files(clip_folder: Path) -> None:
    command = [sys.executable, "-m", "tests.fuzz.run", "--seed", "1", "--count", str(CASES)]
    done = subprocess.run(
        [*command, "--folder", str(clip_folder)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{CASES} broken files: " in done.stdout
    assert done.stdout.rstrip().endswith("0 findings")


SEEDS = [Seed("one", ".mp4", sample_mp4()), Seed("two", ".mp4", sample_mp4(10))]


def test_a_case_is_always_the_same_file() -> None:
    assert [mutated(1, n, SEEDS) for n in range(20)] == [mutated(1, n, SEEDS) for n in range(20)]
    assert len({mutated(seed, n, SEEDS).data for n in range(20) for seed in (1, 2)}) > 35


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".avi", ".ts", ".flv", ".mpg", ".ogg"])
def test_changes_of_a_format_change_it(suffix: str) -> None:
    from random import Random

    data = _as(suffix)
    for name, change in changes_of(suffix).items():
        made = {change(Random(n), data) for n in range(30)}  # noqa: S311
        assert len(made - {data}) > 3, name


def _as(suffix: str) -> bytes:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"one{suffix}"
        codec = ("-c:v", "libtheora") if suffix == ".ogg" else ("-c:v", "mpeg2video")
        encode(path, *(x264() if suffix == ".flv" else codec), count=10)
        return path.read_bytes()


def test_what_is_taken_apart_goes_together_again() -> None:
    for form, data in ((mp4, sample_mp4()), (riff, _as(".avi"))):
        whole = form.read(data)
        assert whole is not None
        assert written(whole, form) == data
    whole = ebml.read(_as(".mkv"))  # sizes are written at their full length
    assert whole is not None
    assert ebml.read(written(whole, ebml)) == whole


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Manifest, Path]:
    """A source, its plan and its output."""
    folder = tmp_path_factory.mktemp("job")
    source, output = folder / "source.mp4", folder / "output.mp4"
    source.write_bytes(sample_mp4())
    store, manifest = plan_job(source, folder, settings=limits())
    for unit in manifest.units:
        score_unit(store, manifest.job_key, unit.index, settings=limits())
    stitch(store, manifest, source, output, settings=limits())
    return source, manifest, output


def test_a_true_output_is_accepted(job: tuple[Path, Manifest, Path]) -> None:
    assert compare(*(job[0], job[2], job[1])) == ""


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("-c", "copy", "-frames:v", "39"), "39 frames came out, not 40"),
        (("-c", "copy", "-bsf:v", "setts=pts=PTS+eq(N\\,20)*100:dts=DTS"), "times differ"),
        (
            ("-vf", "drawbox=0:0:4:4:color=red:t=fill:enable='eq(n,30)'", "-crf", "0"),
            "frame 30 shows something else",
        ),
        (("-vf", "hue=b=1", "-c:v", "libx264"), "frame 0 shows something else"),
    ],
)
def test_an_output_that_is_not_whole_is_noticed(
    options: tuple[str, ...], words: str, job: tuple[Path, Manifest, Path], tmp_path: Path
) -> None:
    source, manifest, output = job
    changed = tmp_path / "changed.mp4"
    ffmpeg("-i", output, "-map", "0:v", *options, changed)
    assert words in compare(source, changed, manifest)


def test_a_source_with_more_frames_than_planned_is_noticed(
    job: tuple[Path, Manifest, Path], tmp_path: Path
) -> None:
    longer = tmp_path / "longer.mp4"
    longer.write_bytes(sample_mp4(45))
    assert compare(longer, job[2], job[1]) == "a plain decode gives 45 frames, not 40"


def test_an_exception_of_any_kind_is_a_finding(
    cfr25: Clip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise KeyError("surprise")

    monkeypatch.setattr("tests.fuzz.judge.split", fails)
    verdict = judged(cfr25.path, tmp_path, Treatment())
    assert verdict.is_finding
    assert "split: KeyError at test_broken_files.py" in verdict.detail


def test_held_frames_are_compared_with_those_they_show(clip_folder: Path, tmp_path: Path) -> None:
    data = bytearray(make("closed_no_b", clip_folder).path.read_bytes())
    middle = data.index(b"mdat") + (len(data) - data.index(b"mdat")) // 2
    data[middle : middle + 300] = b"\xff" * 300
    path = tmp_path / "case.mp4"
    path.write_bytes(data)
    verdict = judged(path, tmp_path, Treatment(on_damage="hold"))
    assert verdict.outcome == "held", verdict


def _crash(_: Path) -> Verdict:
    faulthandler.disable()
    os.kill(os.getpid(), signal.SIGSEGV)
    return Verdict("exact")


def _hang(_: Path) -> Verdict:
    time.sleep(60)
    return Verdict("exact")


def _eat(_: Path) -> Verdict:
    eaten = bytearray(b"x" * (512 << 20))  # much more than what libraries take, unseen by a child
    return Verdict("exact", str(len(eaten)))


def test_crash_hang_and_hunger_are_findings(monkeypatch: pytest.MonkeyPatch) -> None:
    assert boxed(_crash).verdict == Verdict("finding", "crash: signal SIGSEGV")
    monkeypatch.setattr(box, "MOST_SECONDS", 1.0)
    assert boxed(_hang).verdict == Verdict("finding", "hang: not done after 1 s")
    monkeypatch.setattr(box, "MOST_SECONDS", 60.0)
    assert boxed(_eat).verdict.outcome == "exact"
    monkeypatch.setattr(box, "MOST_MIB", 48)
    assert boxed(_eat).verdict.detail.startswith("memory: ")
