"""A faster arithmetic is used where it is close to float32."""

import math
import threading

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from napari_mri_cae import Comparison
from napari_mri_cae.models import Card, Model
from napari_mri_cae.models.architectures import build
from napari_mri_cae.reconstruction import Device, Reconstructor, fastest
from napari_mri_cae.reconstruction.graph import layer_of, traced
from napari_mri_cae.reconstruction.halves import Halves, halves_into, split_inputs, take_halves
from napari_mri_cae.volume import Volume

BFLOAT16 = Device("cpu", "bfloat16", "CPU")


class FirstLayer(nn.Module):
    """Looks at differences of large numbers in its first layer, and at nothing finer after it."""

    def __init__(self, *, beside: bool = False) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, 16, 3, padding=1, bias=False)
        self.last = nn.Conv2d(16, 1, 1, bias=False)
        torch.manual_seed(1)
        kernel = torch.randn(16, 1, 3, 3)
        self.first.weight.data = kernel - kernel.mean(dim=(2, 3), keepdim=True)
        self.last.weight.data = 0.1 * torch.randn(16, 1, 1, 1).reshape(1, 16, 1, 1)
        self.beside = beside

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.last(self.first(x.contiguous()))
        return x + y if self.beside else y


class Deep(nn.Module):
    """Rounds large numbers in its middle, and shows their difference."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, 1, 1)
        self.middle = nn.Conv2d(1, 4, 1)
        self.last = nn.Conv2d(4, 1, 1, bias=False)
        for layer in (self.first, self.middle):
            nn.init.ones_(layer.weight)
            assert layer.bias is not None
            nn.init.constant_(layer.bias, 100)
        self.last.weight.data = torch.tensor([1.0, -0.75, -0.5, 0.26]).reshape(1, 4, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.last(self.middle(self.first(x)))
        return y


def model_of(network: nn.Module) -> Model:
    return Model(network.eval(), Card(name="test", architecture="test"))


def psnr(one: Tensor, other: Tensor) -> float:
    return -10 * math.log10(float((one - other).square().mean()) + 1e-15)


def rounded(values: Tensor) -> Tensor:
    return values.bfloat16().float()


def test_halves_make_up_the_slices() -> None:
    slices = torch.rand(2, 1, 16, 16) + torch.tensor([0.0, 100.0]).reshape(2, 1, 1, 1)
    halves = Halves()(slices)
    assert halves.shape == (2, 3, 16, 16)
    assert torch.equal(halves[:, 0] + halves[:, 1], slices[:, 0])
    assert torch.equal(halves[:, 0], halves[:, 2])
    assert torch.equal(rounded(halves[:, 0]), halves[:, 0])
    assert ((rounded(halves[:, 1]) - halves[:, 1]).abs() <= 2.0**-16 * slices[:, 0]).all()


def test_halves_by_numpy_make_up_the_slices_as_well() -> None:
    slices = np.random.default_rng(0).normal(size=(2, 2, 16, 16)).astype(np.float32)
    halves = np.full((2, 6, 16, 16), np.nan, np.float32)
    halves_into(slices, halves)
    high, low, again = halves[:, :2], halves[:, 2:4], halves[:, 4:]
    by_torch = Halves()(torch.from_numpy(slices)).numpy()
    # Numbers half-way between two of bfloat16 may go either way, and there are none.
    np.testing.assert_array_equal(halves, by_torch)
    np.testing.assert_array_equal(high + low, slices)
    np.testing.assert_array_equal(again, high)
    halves_into(np.float32([[[[np.nan, 0.0, -0.0]]]]), unknown := np.ones((1, 3, 1, 3), np.float32))
    np.testing.assert_array_equal(np.isnan(unknown).any(axis=1)[0, 0], [True, False, False])


@pytest.mark.parametrize("beside", [False, True])
def test_the_first_layer_is_nearly_as_exact_as_in_float32(beside: bool) -> None:
    network = FirstLayer(beside=beside).requires_grad_(False).eval()
    generator = torch.Generator().manual_seed(0)
    slices = 1 + torch.rand(1, 1, 32, 32, generator=generator)
    graph = traced(network)
    assert graph is not None
    split_inputs(graph)
    torch.testing.assert_close(graph(slices), network(slices), rtol=0, atol=2e-5)
    (conv,) = (
        layer for layer in graph.modules() if isinstance(layer, nn.Conv2d) and layer.out_channels == 16
    )
    # As a processor computes it: products of bfloat16 numbers, summed in float32.
    exact = network.first(slices)
    with_halves = functional.conv2d(rounded(Halves()(slices)), rounded(conv.weight), padding=1)
    without = functional.conv2d(rounded(slices), rounded(network.first.weight), padding=1)
    assert psnr(with_halves, exact) > psnr(without, exact) + 40


@pytest.mark.parametrize("beside", [False, True])
def test_halves_can_be_given(beside: bool) -> None:
    network = FirstLayer(beside=beside).requires_grad_(False).eval()
    graph = traced(network)
    assert graph is not None
    split_inputs(graph)
    assert take_halves(graph) == (beside, True)
    slices = torch.rand(2, 1, 8, 8)
    given = (slices, Halves()(slices)) if beside else (Halves()(slices),)
    torch.testing.assert_close(graph(*given), network(slices), rtol=1e-5, atol=1e-5)


def test_a_first_layer_of_another_kind_stays() -> None:
    network = nn.Sequential(nn.ReLU(), nn.Conv2d(1, 2, 3, padding=1), nn.Conv2d(2, 1, 3, padding=1))
    graph = traced(network)
    assert graph is not None
    split_inputs(graph)
    assert not any(isinstance(layer_of(graph, node), Halves) for node in graph.graph.nodes)
    assert take_halves(graph) == (True, False)


def test_what_bfloat16_is_too_coarse_for_runs_in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("napari_mri_cae.reconstruction.devices._fastest_precision", lambda name: "bfloat16")
    model = model_of(Deep())
    reconstruct = Reconstructor(model, "cpu")
    assert reconstruct.asked.precision == "bfloat16"
    assert reconstruct.device.precision == "float32"
    slices = torch.rand(1, 1, 16, 16)
    assert psnr(reconstruct(slices), model.network(slices).detach()) > 80
    # What says how a result was made knows it too.
    volume = Volume.from_array(torch.rand(4, 16, 16).numpy())
    comparison = Comparison(volume, model, device="cpu")
    assert comparison.device_description.endswith("bfloat16")
    for _ in comparison.run():
        pass
    assert comparison.device_description.endswith("float32")
    assert comparison.provenance()["device"].endswith("float32")


def test_a_close_one_keeps_the_fast_arithmetic(monkeypatch: pytest.MonkeyPatch) -> None:
    network = build("residual-unet", channels=[8, 16], blocks=[1, 1], up_blocks=[1])
    model = model_of(network)
    assert fastest.fastest(model, BFLOAT16) == BFLOAT16
    monkeypatch.setattr(fastest, "_is_close", lambda *_: pytest.fail("asked twice"))
    assert fastest.fastest(model, BFLOAT16) == BFLOAT16


def test_ways_are_tried_from_the_fastest_to_the_exact_one(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[tuple[str, str | None, bool]] = []

    def never(model: Model, device: Device) -> bool:
        tried.append((device.precision, device.openvino, device.exact))
        return device.exact

    monkeypatch.setattr(fastest, "_is_close", never)
    chosen = fastest.fastest(model_of(FirstLayer()), Device("cpu", "bfloat16", "CPU", openvino="1"))
    assert tried == [
        ("bfloat16", "1", False),
        ("bfloat16", None, False),
        ("float32", "1", False),
        ("float32", None, False),
        ("float32", None, True),
    ]
    assert chosen == Device("cpu", "float32", "CPU", exact=True)


class Nested(nn.Module):
    """Two layers whose names differ by a dot."""

    def __init__(self) -> None:
        super().__init__()
        self.up = nn.Module()
        self.up.conv = nn.Conv2d(1, 4, 3, padding=1)
        self.up_conv = nn.Conv2d(4, 1, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.up_conv(torch.relu(self.up.conv(x)))
        return y


class Clamps(FirstLayer):
    """Changes the slices it is given, in a statement of its own."""

    def forward(self, x: Tensor) -> Tensor:
        x.clamp_(0, 1)
        y: Tensor = self.last(self.first(x))
        return x + y


class Standardized(nn.Conv2d):
    """A convolution that computes with other weights than its own."""

    def forward(self, input: Tensor) -> Tensor:
        return functional.conv2d(input, self.weight - self.weight.mean(), self.bias, padding=1)


@pytest.mark.parametrize("precision", ["bfloat16", "float32"])
@pytest.mark.parametrize(
    "network",
    [Nested(), Clamps(), nn.Sequential(Standardized(1, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 1, 1))],
    ids=["names", "in place", "subclass"],
)
def test_what_is_rewritten_computes_the_same(
    network: nn.Module, precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("napari_mri_cae.reconstruction.devices._fastest_precision", lambda name: precision)
    model = model_of(network)
    slices = torch.randn(2, 1, 16, 16, generator=torch.Generator().manual_seed(0)) + 0.5
    fast = Reconstructor(model, "cpu")
    assert not fast.device.exact
    assert psnr(fast(slices), Reconstructor(model, "cpu", exact=True)(slices)) > 45


def test_networks_are_looked_into_by_several_threads() -> None:
    """torch's tracer listens to every module of the process meanwhile."""
    call, layer, failed = nn.Module.__call__, nn.Conv2d(1, 1, 1), []
    done = threading.Event()

    def compute() -> None:
        try:
            while not done.is_set():
                layer(torch.zeros(1, 1, 2, 2))
        except Exception as error:
            failed.append(error)

    def look() -> None:
        for _ in range(5):
            if (
                traced(build("residual-unet", channels=[4, 8, 16], blocks=[1, 1, 1], up_blocks=[1, 1]))
                is None
            ):
                failed.append(AssertionError("not traced"))

    others = [threading.Thread(target=compute)]
    lookers = [threading.Thread(target=look) for _ in range(3)]
    for thread in (*others, *lookers):
        thread.start()
    for thread in lookers:
        thread.join()
    done.set()
    others[0].join()
    assert failed == []
    assert nn.Module.__call__ is call
