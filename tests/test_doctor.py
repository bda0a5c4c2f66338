"""An examination that never raises and always says what to do."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import torch

from framewright import doctor
from framewright.doctor import Finding, examine
from framewright.settings import get_settings
from framewright.storage import open_store
from tests.azurite import Azurite
from tests.support import install_scorer


def found(what: str) -> Finding:
    [finding] = [finding for finding in examine() if finding.what == what]
    return finding


def test_what_is_not_right_comes_with_advice() -> None:
    findings = examine()
    assert len(findings) > 15
    assert all(f.advice for f in findings if f.verdict != "ok")
    assert all(f.what and f.found for f in findings)


def test_this_installation_is_sound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    assert [f for f in examine() if f.verdict == "problem"] == []


def test_a_store_that_can_be_written_to(tmp_path: Path) -> None:
    assert found("work store") == Finding("work store", "ok", str(tmp_path / "work"))


def test_a_store_that_cannot(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("FRAMEWRIGHT_WORK_STORE", str(tmp_path / "file"))
    get_settings.cache_clear()
    finding = found("work store")
    assert finding.verdict == "problem"
    assert "FRAMEWRIGHT_WORK_STORE" in finding.advice


def test_a_store_that_is_not_understood(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FRAMEWRIGHT_WORK_STORE", "s3://bucket/x")
    get_settings.cache_clear()
    assert found("work store").verdict == "problem"
    assert list(tmp_path.iterdir()) == [], "no folder named s3:"


def test_a_store_in_azure_is_tried_out(azure: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRAMEWRIGHT_WORK_STORE", azure)
    get_settings.cache_clear()
    assert found("work store") == Finding("work store", "ok", azure)
    assert list(open_store(azure).list()) == []


@pytest.mark.parametrize(
    ("rights", "missing"), [("rl", "write"), ("cw", "read"), ("rcw", "list"), ("rcwl", "delete")]
)
def test_the_right_that_is_missing_in_azure_is_named(
    rights: str, missing: str, azure: str, azurite: Azurite, monkeypatch: pytest.MonkeyPatch
) -> None:
    sas = azurite.sas(azure.split("/")[3], rights)
    monkeypatch.setenv("FRAMEWRIGHT_AZURE_SAS", sas)
    monkeypatch.setenv("FRAMEWRIGHT_WORK_STORE", azure)
    get_settings.cache_clear()
    finding = found("work store")
    assert finding.verdict == "problem"
    assert f"The right to {missing} is missing: the SAS token" in finding.found
    assert finding.advice.startswith(f"The right to {missing} is missing. Needed on the container")
    assert "sig=" not in finding.found


def test_a_store_in_azure_that_does_not_answer(azure: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRAMEWRIGHT_AZURE_ENDPOINT", "http://127.0.0.1:1/{account}")
    monkeypatch.setenv("FRAMEWRIGHT_AZURE_RETRY_SECONDS", "0.5")
    monkeypatch.setenv("FRAMEWRIGHT_WORK_STORE", azure)
    get_settings.cache_clear()
    finding = found("work store")
    assert finding.verdict == "problem"
    assert "Check the network" in finding.found


def test_a_setting_that_is_not_possible_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRAMEWRIGHT_QUALITY_CRF", "99")
    get_settings.cache_clear()
    problems = [f for f in examine() if f.verdict == "problem"]
    assert any("FRAMEWRIGHT_QUALITY_CRF=99" in f.found for f in problems)


def test_a_misspelt_setting_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRAMEWRIGHT_BATCHFRAMES", "3")
    monkeypatch.setenv("FRAMEWRIGHT_BATCH_FRAMES", "3")
    monkeypatch.setenv("FRAMEWRIGHT_RELAY_WATCH", "/in")
    finding = found("environment")
    assert finding.verdict == "note"
    assert finding.found.startswith("FRAMEWRIGHT_BATCHFRAMES is no setting")
    assert "Did you mean FRAMEWRIGHT_BATCH_FRAMES?" in finding.advice


def test_names_in_the_environment_are_taken_in_any_case(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("framewright_batchframes", "3")
    monkeypatch.setenv("framewright_batch_frames", "3")
    assert found("environment").found.startswith("FRAMEWRIGHT_BATCHFRAMES is no setting")


def test_a_misspelt_setting_in_the_file_is_a_finding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text(
        "export framewright_dask_adress='tcp://there:8786'\nFRAMEWRIGHT_QUALITY_CRF=20\n"
        "framewright_workers=2\nFRAMEWRIGHT_RELAY_WATCH=/in\nOTHERS=1\n"
    )
    [finding] = [one for one in examine() if "is no setting" in one.found]
    assert (finding.what, finding.verdict) == (str(tmp_path / ".env"), "note")
    assert finding.found.startswith("FRAMEWRIGHT_DASK_ADRESS is no setting")
    assert finding.advice.startswith("Did you mean FRAMEWRIGHT_DASK_ADDRESS?")


def test_a_scorer_that_cannot_be_loaded_is_a_finding(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    install_scorer(tmp_path, "bad", "import nowhere_at_all")
    monkeypatch.syspath_prepend(str(tmp_path))
    [bad, others] = [one for one in examine() if one.what == "scorers"]
    assert (bad.verdict, others.verdict) == ("problem", "ok")
    assert "'plugin_bad'" in bad.found
    assert "bad" not in others.found.split(", ")


def test_a_gpu_that_torch_cannot_use(monkeypatch: pytest.MonkeyPatch) -> None:
    """Scoring would start one process for it, and leave all other cores idle."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(doctor, "gpu_count", lambda: 2)
    finding = found("GPU")
    assert finding.verdict == "problem"
    assert finding.found.startswith("2, but torch ")
    assert "CUDA_VISIBLE_DEVICES=" in finding.advice


@pytest.fixture
def server() -> Iterator[str]:
    class Health(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/api/health" else 404)
            self.end_headers()
            self.wfile.write(b"true")

        def log_message(self, *_: object) -> None:
            pass

    httpd = HTTPServer(("127.0.0.1", 0), Health)
    thread = threading.Thread(target=httpd.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{httpd.server_port}"
    httpd.shutdown()
    thread.join()
    httpd.server_close()


def test_prefect_that_answers(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_API_URL", f"{server}/api")
    finding = found("Prefect server")
    assert (finding.verdict, finding.found) == ("ok", f"{server}/api answers 200")


@pytest.mark.parametrize("path", ["/wrong", None])
def test_prefect_that_does_not(
    path: str | None, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = f"{server}{path}" if path else "http://127.0.0.1:1/api"
    monkeypatch.setenv("PREFECT_API_URL", address)
    finding = found("Prefect server")
    assert finding.verdict == "problem"
    assert "prefect server start" in finding.advice


@pytest.mark.parametrize("address", ["", "file:///etc/passwd"])
def test_prefect_that_is_not_asked(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_API_URL", address)
    finding = found("Prefect server")
    assert finding.verdict == "note"
    assert "Not needed for `framewright score`" in finding.advice


def test_a_package_out_of_range_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    from framewright import doctor

    monkeypatch.setattr(doctor, "requires", lambda _: ["pillow>=999", "nowhere-to-be-found>=1"])
    findings = {f.what: f for f in examine()}
    assert findings["pillow"].verdict == "problem"
    assert "but >=999 is needed" in findings["pillow"].found
    assert findings["nowhere-to-be-found"].found == "not installed"
