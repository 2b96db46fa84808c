"""Networks computed by OpenVINO, beside the same in float32 by torch."""

import importlib
import math
import subprocess
import sys
import threading

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from napari_mri_cae.models import Card, Model
from napari_mri_cae.models.architectures import ARCHITECTURES, build
from napari_mri_cae.reconstruction import Reconstructor, fastest, resolve_device
from napari_mri_cae.reconstruction.graph import traced
from napari_mri_cae.reconstruction.openvino_network import OpenVinoNetwork

pytest.importorskip("openvino")


@pytest.fixture(autouse=True)
def _with_openvino(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NAPARI_MRI_CAE_OPENVINO", raising=False)
    monkeypatch.setattr("platform.machine", lambda: "x86_64")


def textured(count: int, height: int, width: int) -> Tensor:
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    image = 0.5 + 0.3 * np.sin(9 * rows) * np.cos(7 * columns)
    noisy = image + 0.03 * rng.standard_normal((count, 1, height, width))
    return torch.from_numpy(noisy.astype(np.float32))


def model_of(architecture: str) -> Model:
    torch.manual_seed(0)
    network = build(architecture)
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            assert layer.running_mean is not None
            assert layer.running_var is not None
            layer.running_mean.normal_(0, 0.1)
            layer.running_var.uniform_(0.5, 1.5)
    if hasattr(network, "last"):
        nn.init.normal_(network.last.weight, 0, 0.01)
    multiple: int = getattr(network, "multiple_of", 8)
    return Model(network.eval(), Card(name="test", architecture=architecture, multiple_of=multiple))


@pytest.mark.parametrize("architecture", sorted(ARCHITECTURES))
def test_every_architecture_is_what_torch_computes(architecture: str) -> None:
    model = model_of(architecture)
    fast, exact = Reconstructor(model, "cpu"), Reconstructor(model, "cpu", exact=True)
    assert "OpenVINO" in fast.device.description
    assert isinstance(fast._network, OpenVinoNetwork)
    slices = textured(2, 48, 64)
    error = fast(slices) - exact(slices)
    assert -10 * math.log10(float(error.square().mean())) > 60
    assert not fast._network.fell_back


def test_float32_is_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("napari_mri_cae.reconstruction.devices._fastest_precision", lambda name: "float32")
    model = model_of("residual-unet")
    slices = textured(1, 32, 32)
    error = Reconstructor(model, "cpu")(slices) - Reconstructor(model, "cpu", exact=True)(slices)
    assert error.abs().max() < 1e-5


def test_a_slice_is_the_same_alone_in_a_batch_and_after_other_sizes() -> None:
    reconstruct = Reconstructor(model_of("residual-unet"), "cpu")
    slices = textured(3, 40, 48)
    kept = slices.clone()
    first = reconstruct(slices)
    # More sizes than are kept.
    for width in range(8, 56, 8):
        assert reconstruct(textured(1, 16, width)).shape == (1, 1, 16, width)
    assert torch.equal(torch.cat([reconstruct(part) for part in slices.split(1)]), first)
    assert torch.equal(slices, kept)
    assert torch.equal(reconstruct(slices[1:]), first[1:])


def test_threads_take_turns() -> None:
    reconstruct = Reconstructor(model_of("residual-unet"), "cpu")
    slices = textured(1, 64, 64)
    expected, found = reconstruct(slices), []
    threads = [threading.Thread(target=lambda: found.append(reconstruct(slices))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert all(torch.equal(one, expected) for one in found)


def test_torch_computes_what_openvino_cannot(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*args: object) -> None:
        raise RuntimeError("no such operation")

    monkeypatch.setattr("napari_mri_cae.reconstruction.openvino_network._compile", refuse)
    model = model_of("residual-unet")
    slices = textured(2, 32, 32)
    reconstruct = Reconstructor(model, "cpu")
    assert "OpenVINO" not in reconstruct.device.description
    assert reconstruct(slices).shape == slices.shape
    assert "no such operation" in caplog.text
    # Also where only a later size is refused.
    graph = traced(model.network)
    assert graph is not None
    network = OpenVinoNetwork(graph, lambda: model.network, "float32")
    torch.testing.assert_close(network(slices), model.network(slices))
    assert network.fell_back


class Shrinks(nn.Module):
    """Returns one row and one column less, as pooling and doubling do of odd sizes."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 1, 2)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv(x)
        return y


def test_a_network_may_return_another_size() -> None:
    model = Model(Shrinks().eval(), Card(name="test", architecture="test"))
    fast, exact = Reconstructor(model, "cpu"), Reconstructor(model, "cpu", exact=True)
    assert isinstance(fast._network, OpenVinoNetwork)
    slices = textured(2, 24, 31)
    torch.testing.assert_close(fast(slices), exact(slices), rtol=0, atol=0.01)
    assert not fast._network.fell_back


def test_what_one_size_is_refused_other_sizes_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    module = "napari_mri_cae.reconstruction.openvino_network"
    compile_ = importlib.import_module(module)._compile

    def refuse(network: nn.Module, inputs: list[np.ndarray], precision: str) -> object:
        if inputs[0].shape[-1] == 40:
            raise MemoryError
        return compile_(network, inputs, precision)

    graph = traced(model_of("residual-unet").network)
    assert graph is not None
    network = OpenVinoNetwork(graph, lambda: nn.Identity(), "float32")
    monkeypatch.setattr(f"{module}._compile", refuse)
    slices = textured(1, 32, 40)
    assert torch.equal(network(slices), slices)
    assert network.fell_back
    assert not torch.equal(network(slices[..., :32]), slices[..., :32])


def test_a_layer_that_openvino_takes_for_another_is_left_to_torch() -> None:
    class Soft(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.first, self.last = nn.Conv2d(1, 8, 3, padding=1), nn.Conv2d(8, 1, 3, padding=1)
            self.soft = nn.Softplus(beta=2)

        def forward(self, x: Tensor) -> Tensor:
            y: Tensor = self.last(self.soft(self.first(x)))
            return y

    model = Model(Soft().eval(), Card(name="test", architecture="test"))
    slices = textured(1, 32, 32)
    error = Reconstructor(model, "cpu")(slices) - Reconstructor(model, "cpu", exact=True)(slices)
    assert -10 * math.log10(float(error.square().mean())) > 50


def test_a_model_is_compiled_once_for_each_size(monkeypatch: pytest.MonkeyPatch) -> None:
    module = "napari_mri_cae.reconstruction.openvino_network"
    compile_, sizes = importlib.import_module(module)._compile, []

    def counted(network: nn.Module, inputs: tuple[Tensor, ...], precision: str) -> object:
        sizes.append(tuple(inputs[0].shape[-2:]))
        return compile_(network, inputs, precision)

    monkeypatch.setattr(f"{module}._compile", counted)
    model = model_of("residual-unet")
    for _ in range(3):
        Reconstructor(model, "cpu")(textured(1, 32, 40))
    assert sizes.count((32, 40)) == 1


def test_a_network_that_chooses_by_values_is_left_to_torch() -> None:
    class Chooses(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(1, 1, 3, padding=1)

        def forward(self, x: Tensor) -> Tensor:
            y: Tensor = self.conv(x) if x.mean() > 0.5 else x
            return y

    model = Model(Chooses().eval(), Card(name="test", architecture="test"))
    reconstruct = Reconstructor(model, "cpu")
    assert not isinstance(reconstruct._network, OpenVinoNetwork)
    dark = torch.full((1, 1, 8, 8), 0.2)
    assert torch.equal(reconstruct(dark), dark)
    assert not torch.equal(reconstruct(dark + 0.5), dark + 0.5)


def test_a_way_that_is_not_close_does_not_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("napari_mri_cae.reconstruction.devices._fastest_precision", lambda name: "bfloat16")
    monkeypatch.setattr(fastest, "CLOSE", 140.0)
    model = model_of("residual-unet")
    assert Reconstructor(model, "cpu").device.precision == "float32"
    assert all(way.precision == "float32" for way in fastest._compiled.get(model, {}))


def test_nobody_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenVINO's own conversion sends a message to its makers; ours must not."""
    sent: list[object] = []
    telemetry = pytest.importorskip("openvino_telemetry")
    monkeypatch.setattr(telemetry.Telemetry, "send_event", lambda *args, **named: sent.append(args))
    monkeypatch.setattr(telemetry.Telemetry, "start_session", lambda *args, **named: sent.append(args))
    Reconstructor(model_of("residual-unet"), "cpu")(textured(1, 16, 16))
    assert not sent


INTERRUPTED = """
import gc, os, platform, signal, torch
from napari_mri_cae.models import Card, Model
from napari_mri_cae.models.architectures import build
from napari_mri_cae.reconstruction import Reconstructor

platform.machine = lambda: "x86_64"
for _ in range(2):
    model = Model(build("residual-unet").eval(), Card(name="test", architecture="residual-unet"))
    reconstruct = Reconstructor(model, "cpu")
    for height in range(16, 112, 16):
        reconstruct(torch.zeros(1, 1, height, 16))
assert reconstruct.device.openvino, reconstruct.device
del model, reconstruct
gc.collect()
try:
    os.kill(os.getpid(), signal.SIGINT)
except KeyboardInterrupt:
    print("interrupted")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="has no such signals")
def test_a_process_in_which_it_was_used_can_be_interrupted() -> None:
    """With one OpenVINO for each network this was a segmentation fault."""
    result = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", INTERRUPTED], capture_output=True, text=True, timeout=300
    )
    assert (result.returncode, result.stdout) == (0, "interrupted\n"), result.stderr


@pytest.mark.parametrize(
    ("machine", "environment", "exact", "used"),
    [
        ("x86_64", None, False, True),
        ("AMD64", "1", False, True),
        ("x86_64", "0", False, False),
        ("arm64", None, False, False),
        ("x86_64", None, True, False),
    ],
)
def test_where_it_is_used(
    monkeypatch: pytest.MonkeyPatch, machine: str, environment: str | None, exact: bool, used: bool
) -> None:
    monkeypatch.setattr("platform.machine", lambda: machine)
    if environment is not None:
        monkeypatch.setenv("NAPARI_MRI_CAE_OPENVINO", environment)
    device = resolve_device("cpu", exact=exact)
    assert (device.openvino is not None) == used
    assert ("OpenVINO" in device.description) == used
