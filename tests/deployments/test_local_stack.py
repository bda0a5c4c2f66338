import json
import os
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import psutil
import pytest

from deployments import local_stack, processes
from deployments.local_stack import Service, Stack, StackError

PROJECT = Path(__file__).resolve().parents[2]


@pytest.fixture
def sleeper(tmp_path: Path) -> Service:
    """A process that waits to be stopped."""
    log = tmp_path / "sleeper.log"
    log.write_text("first\nlast line\n")
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    processes.children.append(process)
    return Service("sleeper", process.pid, psutil.Process(process.pid).create_time(), str(log))


@pytest.fixture
def stack(tmp_path: Path, sleeper: Service) -> Stack:
    """A stack of one process, noted in its folder as a started one is."""
    made = Stack(str(tmp_path), "http://127.0.0.1:9/api", "tcp://127.0.0.1:9", (sleeper,))
    (tmp_path / "stack.json").write_text(json.dumps(asdict(made)))
    return made


def test_stopping_ends_the_processes_and_forgets_them(stack: Stack, tmp_path: Path) -> None:
    stack.check()
    local_stack.stop(tmp_path)
    assert stack.services[0].process() is None
    assert not (tmp_path / "stack.json").exists()
    local_stack.stop(tmp_path)  # nothing runs: nothing to do


def test_a_process_that_has_ended_is_noticed(stack: Stack, tmp_path: Path) -> None:
    psutil.Process(stack.services[0].pid).kill()
    psutil.Process(stack.services[0].pid).wait()
    with pytest.raises(StackError, match=r"sleeper has stopped(.|\n)*last line"):
        stack.check()
    assert local_stack.attach(tmp_path) is None


def test_a_recycled_process_id_is_left_alone(stack: Stack, tmp_path: Path) -> None:
    ours = stack.services[0]
    stranger = replace(ours, born=ours.born - 1000)
    changed = replace(stack, services=(stranger,))
    (tmp_path / "stack.json").write_text(json.dumps(asdict(changed)))
    local_stack.stop(tmp_path)
    assert ours.process() is not None
    psutil.Process(ours.pid).kill()
    psutil.Process(ours.pid).wait()


def test_the_users_prefect_settings_do_not_leak_in(
    stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_API_KEY", "secret")
    monkeypatch.setenv("PREFECT_API_URL", "https://elsewhere")
    environment = stack.environment()
    assert "PREFECT_API_KEY" not in environment
    assert environment["PREFECT_API_URL"] == stack.api_url
    assert environment["PREFECT_HOME"].startswith(str(tmp_path))
    assert environment["PYTHONPATH"].split(os.pathsep)[0] == str(PROJECT)
    local_stack.stop(tmp_path)


def test_a_part_that_dies_at_the_start_is_told_with_its_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "sitecustomize.py").write_text("raise SystemExit('no server today')\n")
    monkeypatch.setenv("PYTHONPATH", str(broken))
    with pytest.raises(StackError, match=r"has stopped(.|\n)*no server today"):
        local_stack.start(tmp_path / "home")
    assert not (tmp_path / "home" / "stack.json").exists()


@pytest.mark.parametrize("asked", ["", sys.executable])
def test_a_python_is_found(asked: str) -> None:
    script = PROJECT / "deployments" / "find_python.sh"
    done = subprocess.run([script, asked], capture_output=True, text=True, check=True)
    assert done.stdout.strip()


def test_a_python_that_does_not_fit_is_refused() -> None:
    script = PROJECT / "deployments" / "find_python.sh"
    done = subprocess.run([script, "/bin/false"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "Python 3.11 or newer" in done.stderr
    assert "/bin/false is not that" in done.stderr
