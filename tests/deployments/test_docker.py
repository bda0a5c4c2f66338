"""What can be known of the image without building it: no Docker engine is needed here."""

from __future__ import annotations

import itertools
import re
import shlex
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml

PROJECT = Path(__file__).resolve().parents[2]
DOCKER = PROJECT / "docker"


def instructions(text: str) -> list[tuple[str, str]]:
    """The Dockerfile's instructions and their arguments, in order."""
    joined = re.sub(r"\\\n", " ", re.sub(r"^\s*#.*\n", "", text, flags=re.MULTILINE))
    return [
        (word, re.sub(r"\s+", " ", rest).strip())
        for word, _, rest in (line.partition(" ") for line in joined.splitlines() if line.strip())
    ]


FILE = instructions((DOCKER / "Dockerfile").read_text())
STAGES = [number for number, (word, _) in enumerate(FILE) if word == "FROM"]
BUILD, FINAL = FILE[STAGES[0] : STAGES[1]], FILE[STAGES[1] :]


def copied(stage: list[tuple[str, str]]) -> list[str]:
    """What a stage takes from this folder."""
    found: list[str] = []
    for word, rest in stage:
        parts = shlex.split(rest)
        if word == "COPY" and not any(part.startswith("--from=") for part in parts):
            found += [part for part in parts[:-1] if not part.startswith("--")]
    return found


def copy(stage: list[tuple[str, str]], folder: Path) -> Path:
    """Do the copies of a stage."""
    folder.mkdir()
    for name in copied(stage):
        source = PROJECT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder / name)
    return folder


def test_what_is_copied_is_there_and_let_in() -> None:
    let_in = {
        line[1:] for line in (PROJECT / ".dockerignore").read_text().splitlines() if line[:1] == "!"
    }
    wanted = {*copied(BUILD), *copied(FINAL)}
    assert all((PROJECT / name).exists() for name in wanted)
    assert wanted == let_in
    assert "*" in (PROJECT / ".dockerignore").read_text().splitlines()


def test_nothing_runs_as_root_and_all_is_pinned() -> None:
    users = [rest for word, rest in FINAL if word == "USER"]
    assert users
    assert not users[-1].startswith(("0", "root"))
    last = max(number for number, (word, _) in enumerate(FINAL) if word == "USER")
    assert {word for word, _ in FINAL[last + 1 :]} == {"CMD"}
    installs = [rest for word, rest in FILE if word == "RUN" and "pip install" in rest]
    assert installs
    assert all("--constraint constraints.txt" in line for line in installs)
    kubernetes = yaml.safe_load((PROJECT / "deployments/pools/kubernetes.json").read_text())
    pod = kubernetes["job_configuration"]["job_manifest"]["spec"]["template"]["spec"]
    assert users[-1].startswith(f"{pod['securityContext']['runAsUser']}:")


def test_no_secret_is_baked_in() -> None:
    secret = re.compile(r"(KEY|SAS|LOGINS|CONNECTION_STRING|PASSWORD|SECRET|TOKEN|AUTH_STRING)=")
    for word, rest in FILE:
        if word in ("ENV", "ARG"):
            assert not secret.search(rest), rest


def test_the_build_stage_has_what_the_package_is_built_from(tmp_path: Path) -> None:
    source = copy(BUILD, tmp_path / "src")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps"]
    command += ["--no-build-isolation", "--wheel-dir", str(tmp_path), str(source)]
    subprocess.run(command, check=True, cwd=tmp_path, capture_output=True)
    [wheel] = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert "framewright/cli.py" in names
    assert any(name.startswith("framewright/scorers/fast/weights/") for name in names)


def test_the_final_stage_has_what_the_flows_need(tmp_path: Path) -> None:
    app = copy(FINAL, tmp_path / "app")
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "framewright").symlink_to(PROJECT / "framewright")  # as if installed
    done = subprocess.run(
        [sys.executable, "-m", "deployments.lint"],
        cwd=app,
        env={
            "PYTHONPATH": f"{app}:{tmp_path}/site",
            "HOME": str(tmp_path),
            "PREFECT_HOME": str(tmp_path),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


COMPOSE: dict[str, Any] = yaml.safe_load((DOCKER / "docker-compose.yml").read_text())


@pytest.mark.parametrize("name", COMPOSE["services"])
def test_a_service_is_restarted_and_holds_no_secret(name: str) -> None:
    service = COMPOSE["services"][name]
    assert service["restart"] == "unless-stopped"
    for key, value in service.get("environment", {}).items():
        if re.search(r"(PASSWORD|AUTH_STRING|CONNECTION_URL)$", key):
            assert "${" in str(value), key
    for port in service.get("ports", []):
        assert port.startswith("127.0.0.1:"), "a proxy with TLS stands before it"
    assert set(service.get("depends_on", {})) <= set(COMPOSE["services"])
    for volume in service.get("volumes", []):
        assert volume.partition(":")[0] in COMPOSE["volumes"]


def test_the_modules_that_services_run_are_there() -> None:
    modules = ["tasks.score", "framewright.model", "deployments.relay"]
    for service in COMPOSE["services"].values():
        command = service.get("command", [])
        for flag, module in itertools.pairwise(command):
            if flag in ("--preload", "-m"):
                assert module in modules
                path = PROJECT / module.replace(".", "/")
                assert path.with_suffix(".py").exists() or (path / "__main__.py").exists()
