"""A network rewritten for inference computes what it did before."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from napari_mri_cae.models.architectures import ARCHITECTURES, build
from napari_mri_cae.models.architectures.keras_layers import BatchNorm, Conv, UpConv
from napari_mri_cae.reconstruction import fused_layers
from napari_mri_cae.reconstruction.fused_layers import (
    FewChannelsConv,
    FusedConv,
    HalvingMaxPool,
    has_fused_convolutions,
)
from napari_mri_cae.reconstruction.fused_network import fold_batch_norm, for_processor
from napari_mri_cae.reconstruction.graph import traced

_NETWORKS = [*((name, {}) for name in ARCHITECTURES), ("uoc2021-shallow-residual", {"block": "original"})]


def _trained(name: str, **parameters: Any) -> nn.Module:
    """Return a network whose statistics, biases and signs are those of no fresh one."""
    generator = torch.Generator().manual_seed(0)
    network = build(name, **parameters)

    def around(tensor: Tensor | None, centre: float, spread: float) -> None:
        if tensor is not None:
            tensor.data.copy_(centre + spread * torch.randn(tensor.shape, generator=generator))

    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            around(layer.running_mean, 0, 0.2)
            around(layer.weight, 0.6, 0.5)  # some below zero
            around(layer.bias, 0, 0.2)
            assert layer.running_var is not None
            layer.running_var.copy_(torch.rand(layer.num_features, generator=generator) + 0.3)
        elif isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            around(layer.bias, 0, 0.05)
    if hasattr(network, "last"):  # which starts at zero
        around(network.last.weight, 0, 0.02)
    return network.eval()


def _slices(height: int = 32, width: int = 48) -> Tensor:
    return torch.rand((2, 1, height, width), generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(("name", "parameters"), _NETWORKS)
def test_folded_is_the_same(name: str, parameters: dict[str, Any]) -> None:
    network, slices = _trained(name, **parameters), _slices()
    graph = traced(network)
    assert graph is not None
    fold_batch_norm(graph)
    with torch.inference_mode():
        torch.testing.assert_close(graph(slices), network(slices), atol=1e-5, rtol=0)


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize(("name", "parameters"), _NETWORKS)
def test_in_float32_it_is_the_same(
    name: str, parameters: dict[str, Any], fused: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not fused:
        monkeypatch.setattr(
            "napari_mri_cae.reconstruction.fused_network.has_fused_convolutions", lambda _: False
        )
    network = _trained(name, **parameters)
    before = {key: tensor.clone() for key, tensor in network.state_dict().items()}
    fast = for_processor(network, torch.float32)
    with torch.inference_mode():
        # Another size and another batch, with the weights laid out for the first.
        for slices in (_slices(), _slices(48, 32)[:1], _slices()):
            given = slices.clone(memory_format=torch.channels_last)
            torch.testing.assert_close(fast(given), network(slices), atol=1e-5, rtol=0)
            assert torch.equal(given, slices)
    assert network.state_dict().keys() == before.keys()
    assert all(torch.equal(tensor, before[key]) for key, tensor in network.state_dict().items())


@pytest.mark.parametrize(("name", "parameters"), _NETWORKS)
def test_in_bfloat16_it_is_close(name: str, parameters: dict[str, Any]) -> None:
    network, slices = _trained(name, **parameters), _slices()
    with torch.inference_mode():
        exact, fast = network(slices), for_processor(network, torch.bfloat16)(slices).float()
    spread = exact.std()
    assert spread > 1e-3  # or there would be nothing to compare
    # Weights that nobody trained put some outputs far outside [0, 1].
    signal = max(float(exact.max() - exact.min()), 1.0)
    assert 20 * torch.log10(signal / (fast - exact).square().mean().sqrt()) > 60


def test_batch_norm_after_a_convolution_disappears() -> None:
    graph = traced(build("uoc2021-skip-connection"))
    assert graph is not None
    fold_batch_norm(graph)
    assert not any(isinstance(layer, nn.BatchNorm2d) for layer in graph.modules())


def test_batch_norm_that_only_rises_comes_after_pooling() -> None:
    network, slices = _trained("datacamp2018"), _slices()
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.weight.data.abs_()
    fast = for_processor(network, torch.float32)
    assert isinstance(fast, torch.fx.GraphModule)
    kinds = [type(fast.get_submodule(n.target)) for n in fast.graph.nodes if n.op == "call_module"]
    pool = kinds.index(HalvingMaxPool)
    assert (kinds[pool - 1], kinds[pool + 1]) == (FusedConv, BatchNorm)
    with torch.inference_mode():
        torch.testing.assert_close(fast(slices), network(slices), atol=1e-5, rtol=0)


class _ReadTwice(nn.Module):
    """A convolution and a layer whose results are needed as they are, besides."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm, self.up = Conv(1, 4), BatchNorm(4), UpConv(4, 1, bias=False)
        self.again = Conv(4, 4)
        for tensor in (self.norm.running_mean, self.norm.bias):
            assert tensor is not None
            tensor.data += 0.5

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x)
        z = self.norm(y) + y
        y = z + self.again(z)
        y = y + self.again(y.relu()) + z
        result: Tensor = self.up(y)
        return result


def test_what_is_read_twice_stays() -> None:
    network, slices = _ReadTwice().eval(), _slices()
    with torch.inference_mode():
        torch.testing.assert_close(
            for_processor(network, torch.float32)(slices), network(slices), atol=1e-5, rtol=0
        )


@pytest.mark.parametrize("doubled", [False, True])
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("size", [(8, 12), (7, 9), (5, 4)])
def test_few_channels_by_squares(size: tuple[int, int], channels: int, doubled: bool) -> None:
    conv = Conv(5, channels).requires_grad_(False)
    conv.bias = nn.Parameter(torch.arange(channels) + 0.5, requires_grad=False)
    assert FewChannelsConv.suits(conv)
    layer = FewChannelsConv(conv, torch.float32, doubled=doubled)
    x = torch.randn((2, 5, *size), generator=torch.Generator().manual_seed(0))
    expected = conv(nn.functional.interpolate(x, scale_factor=2) if doubled else x)
    torch.testing.assert_close(layer(x), expected, atol=1e-5, rtol=0)


def test_a_torch_without_fused_convolutions(monkeypatch: pytest.MonkeyPatch) -> None:
    class Nothing:
        def __getattr__(self, name: str) -> Any:
            raise AttributeError(name)

    monkeypatch.setattr(fused_layers.torch.ops, "mkldnn", Nothing())
    has_fused_convolutions.cache_clear()
    try:
        assert not has_fused_convolutions(torch.float32)
        fast = for_processor(_trained("uoc2021-residual-unet"), torch.float32)
        assert not any(layer.fused for layer in fast.modules() if isinstance(layer, FusedConv))
        assert fast(_slices()).shape == (2, 1, 32, 48)
    finally:
        has_fused_convolutions.cache_clear()


class _Decides(nn.Module):
    """Looks at its input's values, which a graph of layers cannot."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 1, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv(x)
        return y if x.mean() > 0 else -y


def test_a_network_that_is_no_graph_is_run_as_it_is() -> None:
    network, slices = _Decides().eval(), _slices()
    assert traced(network) is None
    with torch.inference_mode():
        assert torch.equal(for_processor(network, torch.float32)(-slices), network(-slices))
