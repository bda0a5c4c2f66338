"""Counting GPUs: by the driver, within what CUDA_VISIBLE_DEVICES allows."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest
import torch

from framewright import gpus
from framewright.gpus import gpu_count, visible_gpus

pynvml = pytest.importorskip("pynvml")


@pytest.fixture(autouse=True)
def _four_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(gpus, "version", lambda _: "2.14.1")
    monkeypatch.setattr(pynvml, "nvmlInit", lambda: None)
    monkeypatch.setattr(pynvml, "nvmlDeviceGetCount", lambda: 4)


def test_all_where_nothing_is_said() -> None:
    assert visible_gpus() == ("0", "1", "2", "3")
    assert gpu_count() == 4


@pytest.mark.parametrize(
    ("said", "seen"),
    [
        ("", ()),
        ("-1", ()),
        ("2", ("2",)),
        ("3, 1", ("3", "1")),
        ("1,-1,2", ("1",)),
        ("0,4,1", ("0",)),
        ("GPU-5ebe,MIG-77", ("GPU-5ebe", "MIG-77")),
        ("none", ()),
    ],
)
def test_what_the_user_allows(
    said: str, seen: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", said)
    assert visible_gpus() == seen


def test_no_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise pynvml.NVMLError(pynvml.NVML_ERROR_LIBRARY_NOT_FOUND)

    monkeypatch.setattr(pynvml, "nvmlInit", fail)
    assert gpu_count() == 0


def test_a_torch_that_knows_no_gpu_uses_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpus, "version", lambda _: "2.14.1+cpu")
    assert gpu_count() == 0


def test_without_nvml_torch_is_asked_where_there_is_a_driver(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(shutil, "which", lambda _: None)
    assert visible_gpus() == ()
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    assert visible_gpus() == ("0", "1")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5,3")
    assert visible_gpus() == ("5", "3")


def test_torch_is_not_loaded_to_count() -> None:
    code = (
        "import framewright.run, sys; framewright.run.visible_gpus(); print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
