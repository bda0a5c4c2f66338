"""The slice of VGG-19: the same maps as the network, fetched once, checked, and kept."""

from __future__ import annotations

import hashlib
import pickle
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
from safetensors.torch import load
from torch import nn
from torchvision.models import vgg19
from torchvision.transforms.functional import normalize

from framewright.errors import ScorerOptionError
from framewright.perceptual.cache import EncoderCache
from framewright.perceptual.slices import VggEncoder, read_slice, slice_of
from framewright.perceptual.vgg import fetch_vgg19, load_vgg19
from tests.perceptual.slices import random_slice, saved, torchvision_state


@cache
def network_file() -> bytes:
    return saved(torchvision_state())


def file_name() -> str:
    return f"vgg19-{hashlib.sha256(network_file()).hexdigest()[:8]}.pth"


class Server:
    """Gives one file to whoever asks, and counts."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.asked = 0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:  # the name that http.server asks for
                outer.asked += 1
                self.send_response(200)
                self.send_header("Content-Length", str(len(outer.content)))
                self.end_headers()
                self.wfile.write(outer.content)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/models/{file_name()}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server(network_file())
    yield server
    server.close()


def test_the_maps_are_those_of_torchvisions_network_before_each_relu() -> None:
    state = torchvision_state()
    features = vgg19_features(state)
    pictures = torch.rand(2, 3, 36, 28)
    x = normalize(pictures, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    wanted = []
    for layer in features:
        x = layer(x)
        if isinstance(layer, nn.Conv2d):
            wanted.append(x)
    found = VggEncoder(slice_of(state), "zeros")(pictures)
    assert [tuple(m.shape[1:]) for m in found] == [tuple(m.shape[1:]) for m in wanted]
    for ours, theirs in zip(found, wanted, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


def vgg19_features(state: dict[str, torch.Tensor]) -> nn.Sequential:
    """torchvision's own layers up to conv3_1, with our weights."""
    with torch.device("meta"):
        whole = vgg19(weights=None).features[:11]
    features = whole.to_empty(device="cpu")
    features.load_state_dict(
        {key.removeprefix("features."): value for key, value in state.items() if "feat" in key}
    )
    for layer in features:
        if isinstance(layer, nn.ReLU):
            layer.inplace = False
    return features.requires_grad_(False)


def test_reflected_borders_show_no_edge_on_a_flat_picture() -> None:
    maps = VggEncoder(random_slice(), "reflect")(torch.full((1, 3, 32, 32), 0.3))
    assert max(float(features.std((2, 3)).max()) for features in maps) < 1e-5
    zeros = VggEncoder(random_slice(), "zeros")(torch.full((1, 3, 32, 32), 0.3))
    assert float(zeros[0].std((2, 3)).max()) > 1e-3


def test_nothing_in_it_is_trained() -> None:
    assert not list(VggEncoder(random_slice()).parameters())


def test_a_normalised_network_keeps_its_own_colours(tmp_path: Path) -> None:
    state = torchvision_state()
    numbers = {"0": "2", "2": "5", "5": "9", "7": "12", "10": "16"}
    other = {"0.weight": torch.rand(3, 3, 1, 1), "0.bias": torch.rand(3)}
    for number, place in numbers.items():
        for part in ("weight", "bias"):
            other[f"{place}.{part}"] = state[f"features.{number}.{part}"]
    (tmp_path / "normalised.pth").write_bytes(saved(other))
    data = read_slice(tmp_path / "normalised.pth")
    assert VggEncoder(data).kind == "vgg19-normalised"
    assert torch.equal(load(data)["colour.weight"], other["0.weight"])
    (tmp_path / "kept.safetensors").write_bytes(data)
    assert read_slice(tmp_path / "kept.safetensors") == data


def test_it_is_downloaded_once_and_only_the_slice_is_kept(server: Server, tmp_path: Path) -> None:
    path = fetch_vgg19(tmp_path, server.url)
    assert path.read_bytes() == random_slice()
    assert path.stem == hashlib.sha256(random_slice()).hexdigest()
    assert fetch_vgg19(tmp_path, server.url) == path
    assert load_vgg19(tmp_path, server.url).kind == "vgg19"
    assert server.asked == 1
    assert {p.suffix for p in tmp_path.iterdir()} == {".safetensors", ".sha256"}


def test_two_at_once_leave_one_whole_file(server: Server, tmp_path: Path) -> None:
    with ThreadPoolExecutor(2) as pool:
        paths = list(pool.map(lambda _: fetch_vgg19(tmp_path, server.url), range(2)))
    assert paths[0] == paths[1]
    assert paths[0].read_bytes() == random_slice()
    assert len(list(tmp_path.iterdir())) == 2


def test_another_file_than_its_name_says_is_refused(server: Server, tmp_path: Path) -> None:
    server.content = server.content[:-1] + b"x"
    with pytest.raises(ScorerOptionError, match="does not begin with"):
        fetch_vgg19(tmp_path, server.url)
    assert not list(tmp_path.iterdir())


def test_a_file_put_there_by_hand_needs_no_download(tmp_path: Path) -> None:
    (tmp_path / file_name()).write_bytes(network_file())
    path = fetch_vgg19(tmp_path, f"http://127.0.0.1:9/{file_name()}")
    assert path.read_bytes() == random_slice()


def test_without_a_network_it_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ScorerOptionError, match=r"put it into .* as vgg19-.*encoder=small"):
        fetch_vgg19(tmp_path, f"http://127.0.0.1:9/{file_name()}")


def test_a_slice_changed_on_disk_is_refused(tmp_path: Path) -> None:
    cache = EncoderCache(tmp_path)
    path = cache.keep(random_slice())
    cache.name("vgg19", path)
    path.write_bytes(random_slice(1))
    with pytest.raises(ScorerOptionError, match="it was changed; delete it"):
        fetch_vgg19(tmp_path)


class Trap:
    def __reduce__(self) -> tuple[object, ...]:
        return (exec, ("raise SystemExit('unpickled')",))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "it cannot be read: it is damaged, or no file of weights"),
        (b"a text file", r"it (is damaged|cannot be read: .* no file of weights \(KeyError: )"),
        (b"\x80\x02", "it (is damaged|cannot be read)"),
        (b".", "it (is damaged|cannot be read)"),
        (pickle.dumps({"a": 1.0}, 2)[:-6], "it (is damaged|cannot be read)"),
        (saved(Trap()), "it is damaged, or holds Python objects"),
        (saved({"features.0.weight": 1}), "no parameters by name"),
        (saved([1]), "no parameters by name"),
        (saved({"features.0.weight": torch.zeros(64, 3, 3, 3)}), "it has no features"),
        (
            saved({**torchvision_state(), "features.10.bias": torch.zeros(5)}),
            r"conv3_1.bias has shape \(5,\), not \(256,\)",
        ),
    ],
)
def test_what_is_no_network_is_refused_unread(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "file.pth").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read_slice(tmp_path / "file.pth")


@pytest.mark.parametrize("content", [b"", b"\x04\0\0\0\0\0\0\0{}  ", random_slice()[:-8]])
def test_what_is_no_slice_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "file.safetensors").write_bytes(content)
    with pytest.raises(ValueError, match=r"slice|safetensors"):
        read_slice(tmp_path / "file.safetensors")
