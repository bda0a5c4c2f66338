"""The command: exit status, messages, and no output where there must be none."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from PIL import Image

from framewright.cli import main
from framewright.settings import get_settings
from framewright.types import Manifest
from tests.support import SLOW, install_scorer
from tests.torture.expect import observe
from tests.torture.make import QUICK_BAD_KINDS, Clip, make, make_bad

COMMAND = str(Path(sys.executable).with_name("framewright"))
PLAIN = ("--scorer", "identity")
PATIENCE_SECONDS = 60.0
HEEDING = (
    "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL); "
    "os.execv(sys.argv[1], sys.argv[1:])"
)
"""Starts a command that heeds SIGINT, also where whoever started the tests ignores it: a shell does
so for what it starts with "&", and the command inherits it."""


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """An empty folder for results."""
    folder = tmp_path / "results"
    folder.mkdir()
    return folder


def refused(capsys: pytest.CaptureFixture[str], *arguments: str | Path, status: int = 2) -> str:
    """Run the command; it must fail, and say why on standard error only."""
    try:
        found = main([str(argument) for argument in arguments])
    except SystemExit as stopped:  # argparse
        found = int(stopped.code or 0)
    said = capsys.readouterr()
    assert found == status, said.err
    assert said.out == ""
    assert "Traceback" not in said.err
    assert said.err.strip()
    return said.err


class TestScore:
    def test_a_file(
        self, cfr25: Clip, out: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        report = tmp_path / "report.json"
        target = out / "done.MKV"
        arguments = ["score", cfr25.path, target, *PLAIN, "--workers", "1", "--report", report]
        assert main([str(argument) for argument in arguments]) == 0
        said = capsys.readouterr()
        assert said.out.splitlines()[-1] == f"output: {target}"
        assert "75 frames in, 75 out" in said.out
        assert os.listdir(out) == ["done.MKV"]
        seen = observe(target)
        assert (seen.container, seen.codes) == ("matroska,webm", cfr25.codes)
        assert json.loads(report.read_text())["frames_out"] == 75

        # a folder, with everything scored before: no process is started
        assert main(["score", str(cfr25.path), f"{out}/sub/", *PLAIN]) == 0
        assert os.listdir(out / "sub") == ["cfr25.identity.mp4"]
        assert "0 of 1 units scored in this run" in capsys.readouterr().out

    def test_verbose_shows_what_scoring_processes_log(
        self, cfr25: Clip, out: Path, tmp_path: Path
    ) -> None:
        command = [COMMAND, "score", str(cfr25.path), f"{out}/x.mp4", *PLAIN, "--workers", "1"]
        done = subprocess.run(
            [*command, "--verbose"], capture_output=True, text=True, check=True, cwd=tmp_path
        )
        assert re.search(r"^INFO framewright\.score\[\d+\]: unit 0 \[0, 75\)", done.stderr, re.M)

    def test_a_report_that_cannot_be_written_in_the_end_fails_nothing(
        self,
        cfr25: Clip,
        out: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        scored_here(monkeypatch)
        arguments = ["score", str(cfr25.path), f"{out}/x.mp4", *PLAIN, "--report", "/dev/full"]
        assert main(arguments) == 0
        said = capsys.readouterr()
        assert said.out.splitlines()[-1] == f"output: {out}/x.mp4"
        assert "warning: the report could not be written to '/dev/full' (No space" in said.err

    def test_a_cluster_that_is_for_the_flow_is_not_used_silently(
        self,
        cfr25: Clip,
        out: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        scored_here(monkeypatch)
        monkeypatch.setenv("FRAMEWRIGHT_DASK_ADDRESS", "tcp://127.0.0.1:9")
        get_settings.cache_clear()
        arguments = ["score", str(cfr25.path), f"{out}/", *PLAIN]
        assert main(arguments) == 0
        told = "note: scoring on this machine; FRAMEWRIGHT_DASK_ADDRESS is for the flow"
        assert told in capsys.readouterr().err
        assert main([*arguments, "--quiet"]) == 0
        assert capsys.readouterr().err == ""
        monkeypatch.delenv("FRAMEWRIGHT_DASK_ADDRESS")
        get_settings.cache_clear()
        assert main(arguments) == 0
        assert told not in capsys.readouterr().err

    @pytest.mark.parametrize("name", ["quotes", "dash", "newline", "brackets", "percent"])
    def test_hostile_names(
        self,
        name: str,
        clip_folder: Path,
        out: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """Relative to the working folder, so that a name begins with a dash; in one process."""
        clip = make(f"name_{name}", clip_folder)
        scored_here(monkeypatch)
        monkeypatch.chdir(clip.path.parent)
        assert main(["score", *PLAIN, "--", clip.path.name, f"{out}/"]) == 0
        [result] = out.iterdir()
        assert result.name == f"{clip.path.stem}.identity.mp4"
        assert observe(result).codes == clip.codes
        assert main(["score", *PLAIN, "--", clip.path.name, f"{out}/-x'\n.mkv"]) == 0
        assert observe(out / "-x'\n.mkv").codes == clip.codes

    def test_names_that_are_no_text(
        self, cfr25: Clip, out: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Bytes that are not UTF-8 are a legal name on Linux, but not for FFmpeg."""
        name = os.fsdecode(b"caf\xe9.mp4")
        shutil.copy(cfr25.path, out.parent / name)
        said = refused(capsys, "score", out.parent / name, f"{out}/", *PLAIN)
        assert "is not UTF-8, which FFmpeg needs; rename it" in said
        said = refused(capsys, "score", cfr25.path, out / name, *PLAIN)
        assert "is not UTF-8; name another output" in said
        assert os.listdir(out) == []

    def test_an_interrupt_stops_everything_and_the_same_command_goes_on(
        self, cfr25: Clip, slow: Slow
    ) -> None:
        """Ctrl-C reaches the whole process group."""
        with slow.started() as process:
            os.killpg(process.pid, signal.SIGINT)
            said, complained = process.communicate(timeout=PATIENCE_SECONDS)
        assert process.returncode == 1
        assert said == ""
        assert complained.strip() == (
            "framewright: stopped; finished units are kept, run the same command to go on."
        )
        slow.is_gone()
        assert os.listdir(slow.scratch) == []
        finished = slow.finished()
        assert 0 < finished < 15
        done = subprocess.run(
            slow.command, env=slow.environment, capture_output=True, text=True, check=True
        )
        assert f"{15 - finished} of 15 units scored in this run" in done.stdout
        assert observe(slow.out / "x.mp4").codes == cfr25.codes

    @pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
    def test_a_killed_command_leaves_no_process_and_no_output(
        self, how: signal.Signals, slow: Slow
    ) -> None:
        """Only the command itself is told; its scoring processes must follow it."""
        with slow.started() as process:
            process.send_signal(how)
            process.communicate(timeout=PATIENCE_SECONDS)
        slow.is_gone()
        assert process.returncode == (1 if how == signal.SIGTERM else -signal.SIGKILL)
        if how == signal.SIGTERM:
            assert os.listdir(slow.scratch) == []
        else:  # the next command removes what it had no time for
            subprocess.run(slow.command, env=slow.environment, capture_output=True, check=True)
            assert os.listdir(slow.scratch) == []


class Slow:
    """The command on a scorer that takes 0.2 s a frame, in fifteen units."""

    def __init__(self, source: Path, out: Path, folder: Path) -> None:
        install_scorer(folder, "slow", SLOW)
        self.out, self.scratch = out, folder / "scratch"
        self.scratch.mkdir()
        self.environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")]),
            "TMPDIR": str(self.scratch),
            "FRAMEWRIGHT_SCRATCH_FOLDER": str(self.scratch),
        }
        self.command = [COMMAND, "score", str(source), f"{out}/x.mp4", "--scorer", "slow"]
        self.command += ["--unit-seconds", "0.2", "--workers", "1"]
        self._store = Path(os.environ["FRAMEWRIGHT_WORK_STORE"])
        self._family: list[int] = []

    def finished(self) -> int:
        """Units that are scored."""
        return len(list(self._store.glob("jobs/*/units/*.json")))

    @contextmanager
    def started(self) -> Iterator[subprocess.Popen[str]]:
        """The command, somewhere in the middle of its scoring."""
        with subprocess.Popen(
            [sys.executable, "-c", HEEDING, *self.command],
            env={**self.environment, "SLOW_SECONDS": "0.2"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            text=True,
        ) as process:
            wait_for(lambda: self.finished() > 0)
            children = psutil.Process(process.pid).children(recursive=True)
            assert children
            self._family = [process.pid, *(child.pid for child in children)]
            yield process

    def is_gone(self) -> None:
        """No process of it is left, and no output."""
        wait_for(lambda: not any(map(alive, self._family)))
        assert os.listdir(self.out) == []


def alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.fixture
def slow(cfr25: Clip, out: Path, tmp_path: Path) -> Slow:
    return Slow(cfr25.path, out, tmp_path)


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.02)


def scored_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Score in this process: starting one takes seconds, and other tests do it."""
    from framewright import run

    def score_here(manifest, todo, workers, settings, done, counter):  # type: ignore[no-untyped-def]
        for index in todo:
            done[index] = run._score_one(settings, manifest.job_key, index)

    monkeypatch.setattr(run, "_score_in_pool", score_here)


class TestRefused:
    """Status 2, the reason on standard error, and the output as it was before."""

    @pytest.fixture(params=["no output", "an output from before"])
    def target(self, request: pytest.FixtureRequest, out: Path) -> Path:
        path = out / "out.mp4"
        if request.param == "an output from before":
            path.write_bytes(b"from before")
        return path

    def unchanged(self, target: Path) -> bool:
        names = os.listdir(target.parent)
        return names == [] or (names == ["out.mp4"] and target.read_bytes() == b"from before")

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            (("--scorer", "nope"), "unknown scorer 'nope'. Installed scorers: checkpoint, color,"),
            (("--scorer", "identity", "--style", "wave"), "takes no option 'style'"),
            ((*PLAIN, "--option", "depth=3"), "takes no option 'depth'. Its options: none"),
            ((*PLAIN, "--option", "depth"), "write it as KEY=VALUE"),
            ((*PLAIN, "--option", "=3"), "write it as KEY=VALUE"),
            ((*PLAIN, "--unit-seconds", "0"), "use more than 0, at most 3600 s"),
            ((*PLAIN, "--unit-seconds", "nan"), "a unit of nan s is not possible"),
            ((*PLAIN, "--unit-seconds", "-1"), "a unit of -1.0 s is not possible"),
            ((*PLAIN, "--unit-seconds", "inf"), "a unit of inf s is not possible"),
            ((*PLAIN, "--unit-seconds", "long"), "invalid float value: 'long'"),
            ((*PLAIN, "--workers", "-1"), "--workers -1 is not possible; use 1 or more"),
            ((*PLAIN, "--workers", "two"), "invalid int value: 'two'"),
            ((*PLAIN, "--report", "/nowhere/at/all.json"), "cannot write the report"),
            ((*PLAIN, "--nonsense"), "unrecognized arguments: --nonsense"),
        ],
        ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
    )
    def test_options(
        self,
        arguments: tuple[str, ...],
        said: str,
        cfr25: Clip,
        target: Path,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        assert said in refused(capsys, "score", cfr25.path, target, *arguments)
        assert self.unchanged(target)

    @pytest.mark.parametrize("other", ["link", "the same path", "another spelling", "address"])
    def test_a_report_over_the_source(
        self, other: str, cfr25: Clip, out: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        source, link = out.parent / "in.mp4", out.parent / "link.json"
        shutil.copy(cfr25.path, source)
        link.hardlink_to(source)
        report = {
            "link": link,
            "the same path": source,
            "another spelling": f"{out}/../in.mp4",
            "address": source,
        }[other]
        named = f"file://{source}" if other == "address" else source
        said = refused(capsys, "score", named, out / "x.mp4", *PLAIN, "--report", report)
        assert "would replace the source; name another file" in said
        assert source.read_bytes() == cfr25.path.read_bytes()
        assert os.listdir(out) == []

    def test_a_report_over_the_output(
        self, cfr25: Clip, target: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        said = refused(capsys, "score", cfr25.path, target, *PLAIN, "--report", target)
        assert "would replace the output; name another file" in said
        into = target.parent / "cfr25.identity.mp4"
        said = refused(capsys, "score", cfr25.path, f"{into.parent}/", *PLAIN, "--report", into)
        assert "would replace the output; name another file" in said
        assert self.unchanged(target)
        assert not Path(get_settings().work_store).exists(), "before anything is done"

    def test_a_report_that_may_not_be_replaced(
        self,
        cfr25: Clip,
        target: Path,
        capsys: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        report = target.parent.parent / "report.json"
        report.touch()
        may = os.access
        monkeypatch.setattr(os, "access", lambda path, mode: path != report and may(path, mode))
        said = refused(capsys, "score", cfr25.path, target, *PLAIN, "--report", report)
        assert "name a file that may be written" in said
        assert self.unchanged(target)

    @pytest.mark.parametrize("options", [("mean=0.5", "covariance=1"), ("mean=0.5",)])
    def test_values_that_a_scorer_cannot_use(
        self,
        options: tuple[str, ...],
        cfr25: Clip,
        target: Path,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        given = [part for option in options for part in ("--option", option)]
        said = refused(capsys, "score", cfr25.path, target, "--scorer", "color", *given)
        assert "mean" in said
        assert self.unchanged(target)

    @pytest.mark.parametrize("scorer", ["fast", "color"])
    def test_a_style_that_is_not_known(
        self, scorer: str, cfr25: Clip, target: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        said = refused(capsys, "score", cfr25.path, target, "--scorer", scorer, "--style", "cubism")
        assert "unknown style 'cubism'. Styles: " in said
        assert self.unchanged(target)

    @pytest.mark.parametrize("name", ["out.avi", "out", "out.mp4.part", "out.gif"])
    def test_a_container_that_cannot_be_written(
        self, name: str, cfr25: Clip, out: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        said = refused(capsys, "score", cfr25.path, out / name, *PLAIN)
        assert "use one of .mp4, .m4v, .mov, .mkv, .webm" in said
        assert os.listdir(out) == []

    @pytest.mark.parametrize("kind", QUICK_BAD_KINDS)
    def test_a_bad_source(
        self,
        kind: str,
        clip_folder: Path,
        target: Path,
        capsys: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        path = make_bad(kind, clip_folder)
        scored_here(monkeypatch)
        said = refused(capsys, "score", path, target, *PLAIN)
        words = QUICK_BAD_KINDS[kind].words
        assert any(f"refused ({word})" in said for word in words), said
        assert path.name in said, "the message names the file"
        assert len(said) < 700
        assert self.unchanged(target)

    def test_a_source_that_is_not_there(
        self, target: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        said = refused(capsys, "score", tmp_path / "nothing.mp4", target, *PLAIN)
        assert "refused (not_found): there is no file" in said
        assert "check the path" in said
        assert self.unchanged(target)

    def test_the_source_as_output(
        self, cfr25: Clip, out: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        source = out / "out.mp4"
        shutil.copy(cfr25.path, source)
        before = source.read_bytes()
        assert "is the source itself" in refused(capsys, "score", source, source, *PLAIN)
        assert source.read_bytes() == before

    def test_a_folder_without_slash(
        self, cfr25: Clip, out: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert f"write '{out}/'" in refused(capsys, "score", cfr25.path, out, *PLAIN)
        assert os.listdir(out) == []

    def test_a_folder_that_cannot_be_written_to(
        self, cfr25: Clip, out: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (out / "file").touch()
        said = refused(capsys, "score", cfr25.path, out / "file" / "x.mp4", *PLAIN)
        assert "cannot write to the folder" in said
        assert os.listdir(out) == ["file"]

    @pytest.mark.parametrize(("source", "target"), [("gone.mp4", ""), ("", "file/")])
    def test_no_painting_is_fitted_for_what_cannot_be_read_or_written(
        self, source: str, target: str, cfr25: Clip, out: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (out / "file").touch()
        Image.new("RGB", (64, 64), "red").save(out / "my.png")
        video = out / source if source else cfr25.path
        refused(capsys, "score", video, f"{out}/{target}x.mp4", "--style", out / "my.png")
        assert not Path(get_settings().cache_folder).exists()

    def test_no_name_at_all(self, out: Path, capsys: pytest.CaptureFixture[str]) -> None:
        for command in (("score", "", f"{out}/x.mp4"), ("plan", "")):
            assert "no video was named" in refused(capsys, *command, *PLAIN)

    def test_no_place_for_what_is_temporary(
        self,
        cfr25: Clip,
        out: Path,
        capsys: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setenv("FRAMEWRIGHT_SCRATCH_FOLDER", f"{out}/nowhere")
        get_settings.cache_clear()
        said = refused(capsys, "score", cfr25.path, f"{out}/x.mp4", *PLAIN)
        assert f"in '{out}/nowhere' (No such file" in said
        assert "set FRAMEWRIGHT_SCRATCH_FOLDER" in said

    @pytest.mark.parametrize("mask", ["gone.png", "empty.png", "."])
    def test_a_mask_that_is_none(
        self, mask: str, cfr25: Clip, out: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (out / "empty.png").touch()
        said = refused(capsys, "score", cfr25.path, f"{out}/x.mp4", *PLAIN, "--mask", out / mask)
        assert "the mask: " in said

    def test_a_name_that_looks_like_an_option(
        self, out: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        refused(capsys, "score", "-dash.mp4", f"{out}/x.mp4", *PLAIN)
        assert os.listdir(out) == []

    def test_a_setting_that_is_not_possible(
        self,
        cfr25: Clip,
        target: Path,
        capsys: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setenv("FRAMEWRIGHT_QUALITY_CRF", "99")
        get_settings.cache_clear()
        assert "FRAMEWRIGHT_QUALITY_CRF=99" in refused(capsys, "score", cfr25.path, target, *PLAIN)
        assert self.unchanged(target)

    def test_a_store_that_is_not_understood(
        self,
        cfr25: Clip,
        target: Path,
        capsys: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setenv("FRAMEWRIGHT_WORK_STORE", "s3://bucket")
        get_settings.cache_clear()
        said = refused(capsys, "score", cfr25.path, target, *PLAIN)
        assert "storage address 's3://bucket' is not understood" in said
        assert self.unchanged(target)

    @pytest.mark.parametrize("arguments", [(), ("paint",), ("score",), ("score", "x.mp4")])
    def test_too_little(
        self, arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert "usage: framewright" in refused(capsys, *arguments)


class TestFailed:
    """Status 1: not the input's fault."""

    def test_a_scorer_that_breaks(
        self,
        cfr25: Clip,
        out: Path,
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        install_scorer(tmp_path, "broken", SLOW.replace('"slow"', '"broken"').replace(
            "time.sleep(", "raise ValueError('upside down') or ("))  # fmt: skip
        monkeypatch.syspath_prepend(str(tmp_path))
        scored_here(monkeypatch)
        said = refused(capsys, "score", cfr25.path, out / "x.mp4", "--scorer", "broken", status=1)
        assert "scorer 'broken' raised ValueError: upside down, in unit 0." in said
        assert "--verbose" in said
        assert os.listdir(out) == []

    def test_a_store_that_cannot_be_written_to(
        self,
        cfr25: Clip,
        out: Path,
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        (tmp_path / "file").touch()
        monkeypatch.setenv("FRAMEWRIGHT_WORK_STORE", str(tmp_path / "file"))
        get_settings.cache_clear()
        said = refused(capsys, "score", cfr25.path, out / "x.mp4", *PLAIN, status=1)
        assert "cannot write 'bundles/" in said
        assert "Check that the folder" in said
        assert os.listdir(out) == []


class TestOther:
    def test_plan_for_people(self, cfr25: Clip, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["plan", str(cfr25.path), *PLAIN, "--unit-seconds", "1"]) == 0
        said = capsys.readouterr().out
        assert "h264 128x96 yuv420p" in said
        assert "75 frames, 25.000 frames/s" in said
        assert "    2  frames [50, 75)" in said
        assert "stream 1: audio aac" in said
        assert not Path(get_settings().work_store).exists()

    def test_plan_for_programs(self, cfr25: Clip, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["plan", str(cfr25.path), *PLAIN, "--json"]) == 0
        manifest = Manifest.model_validate_json(capsys.readouterr().out)
        assert manifest.frames == 75

    def test_plan_with_a_mask(
        self, cfr25: Clip, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        mask = tmp_path / "mask.png"
        Image.new("L", (8, 8), 255).save(mask)
        assert main(["plan", str(cfr25.path), *PLAIN, "--json", "--mask", str(mask)]) == 0
        found = Manifest.model_validate_json(capsys.readouterr().out)
        assert found.mask
        assert (found.mask.source.name, found.mask.frames) == ("mask.png", 1)
        assert found.treatment.mask == f"asset:{found.mask.source.sha256}.png"

    def test_plan_uses_the_scratch_folder(
        self,
        cfr25: Clip,
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setenv("FRAMEWRIGHT_SCRATCH_FOLDER", str(tmp_path / "nowhere"))
        get_settings.cache_clear()
        assert str(tmp_path / "nowhere") in refused(capsys, "plan", cfr25.path, *PLAIN)

    def test_plan_of_nothing(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert "not_found" in refused(capsys, "plan", tmp_path / "nothing.mp4", *PLAIN)

    def test_styles(self, capsys: pytest.CaptureFixture[str]) -> None:
        from framewright.scorers.fast.weights import styles

        assert main(["styles"]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert len(lines) == len(styles()) >= 6
        assert [line.split()[0] for line in lines] == [style.name for style in styles()]
        assert all(style.artist in line for style, line in zip(styles(), lines, strict=True))

    def test_scorers(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["scorers"]) == 0
        said = capsys.readouterr().out
        ours = {"checkpoint", "color", "detect", "exported", "fast", "gatys", "identity"}
        assert {line.split()[0] for line in said.splitlines()} == ours
        assert "Options: style, image" in said

    def test_a_scorer_that_cannot_be_loaded_hides_no_other(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        install_scorer(tmp_path, "bad", "import nowhere_at_all")
        monkeypatch.syspath_prepend(str(tmp_path))
        assert main(["scorers"]) == 1
        said = capsys.readouterr().out
        assert "bad          BAD: scorer 'bad' cannot be loaded" in said
        assert "identity     Returns each frame as it came" in said

    def test_settings(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["settings"]) == 0
        said = capsys.readouterr().out
        assert f"FRAMEWRIGHT_WORK_STORE={get_settings().work_store}\n" in said
        assert "FRAMEWRIGHT_UNIT_SECONDS=30.0\n    Length of video" in said

    def test_doctor(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("PREFECT_API_URL", raising=False)
        assert main(["doctor"]) == 0
        said = capsys.readouterr().out
        assert "ok   encoder libx264" in said
        assert "BAD " not in said

    def test_doctor_finds_a_problem(
        self,
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        (tmp_path / "file").touch()
        monkeypatch.setenv("FRAMEWRIGHT_WORK_STORE", str(tmp_path / "file"))
        get_settings.cache_clear()
        assert main(["doctor"]) == 1
        assert "BAD  work store" in capsys.readouterr().out

    @pytest.mark.parametrize("command", [(), ("score",), ("plan",), ("doctor",), ("settings",)])
    def test_help(self, command: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit) as stopped:
            main([*command, "--help"])
        assert stopped.value.code == 0
        assert "usage: framewright" in capsys.readouterr().out

    def test_version(self, capsys: pytest.CaptureFixture[str]) -> None:
        from framewright import __version__

        with pytest.raises(SystemExit):
            main(["--version"])
        assert capsys.readouterr().out == f"framewright {__version__}\n"
