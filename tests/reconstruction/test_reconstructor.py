"""A model on the processor: what is put around its network is taken away again."""

import weakref
from typing import Any

import numpy as np
import pytest
import skimage.metrics
import torch
from torch import Tensor, nn

from napari_mri_cae.errors import InputError
from napari_mri_cae.intensity import SCALINGS
from napari_mri_cae.models import Card, Model
from napari_mri_cae.models.architectures import build
from napari_mri_cae.reconstruction import Device, Reconstructor, resolve_device
from napari_mri_cae.reconstruction.around import arithmetic
from napari_mri_cae.reconstruction.graph import traced
from napari_mri_cae.reconstruction.volume import reconstruct_volume


class Recorder(nn.Module):
    """Returns its input and remembers it."""

    seen: list[Tensor]

    def __init__(self) -> None:
        super().__init__()
        self.seen = []

    def __deepcopy__(self, memo: dict[int, Any]) -> "Recorder":
        return self

    def forward(self, x: Tensor) -> Tensor:
        self.seen.append(x.clone())
        return x


class InPlace(nn.Module):
    """Works on its input itself."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mul_(0.5)


def model_of(network: nn.Module, **card: Any) -> Model:
    return Model(network, Card(name="test", architecture="test", **card))


def unet() -> Model:
    """Return the shipped denoiser's architecture with small random weights: a correction of about 0.03."""
    network = build("skip-unet", channels=8, levels=2)
    generator = torch.Generator().manual_seed(0)
    last = network.last.weight
    last.data[:] = 0.03 * torch.randn(last.shape, generator=generator)
    return model_of(network.eval(), multiple_of=4)


def brain(n: int = 2, height: int = 52, width: int = 44) -> Tensor:
    """Return something like slices: black outside an ellipse, texture and noise inside."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    inside = rows**2 + (1.2 * columns) ** 2 < 0.8
    image = np.where(inside, 0.5 + 0.3 * np.sin(9 * rows) * np.cos(7 * columns), 0)
    noisy = image * (1 + 0.05 * rng.standard_normal((n, 1, height, width)))
    return torch.from_numpy(noisy.clip(0, 1).astype(np.float32))


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("intensity", SCALINGS)
@pytest.mark.parametrize("size", [(16, 24), (21, 19), (1, 3)])
def test_around_a_network_that_does_nothing(intensity: str, size: tuple[int, int], exact: bool) -> None:
    slices = torch.rand((3, 1, *size), generator=torch.Generator().manual_seed(0)) * 0.7 + 0.1
    before = slices.clone()
    model = model_of(nn.Identity(), intensity=intensity, multiple_of=8)
    back = Reconstructor(model, "cpu", exact=exact)(slices)
    assert back.shape == slices.shape
    assert back.dtype == torch.float32
    assert back.is_contiguous()
    assert (back - slices).abs().max() < 1e-6
    assert torch.equal(slices, before)


def test_the_network_sees_what_its_card_says() -> None:
    network = Recorder()
    slices = brain(3, 21, 19)
    Reconstructor(model_of(network, intensity="slice-min-max", multiple_of=8), "cpu")(slices)
    (seen,) = network.seen
    assert seen.shape == (3, 1, 24, 24)
    assert seen.dtype == torch.float32
    assert seen.amin(dim=(1, 2, 3)).tolist() == [0, 0, 0]
    assert seen.amax(dim=(1, 2, 3)).tolist() == pytest.approx([1, 1, 1])
    low, high = slices.amin(dim=(2, 3), keepdim=True), slices.amax(dim=(2, 3), keepdim=True)
    torch.testing.assert_close(seen[..., 1:22, 2:21], (slices - low) / (high - low))


def test_a_fixed_size() -> None:
    network = Recorder()
    reconstructor = Reconstructor(model_of(network, fixed_size=(32, 40), multiple_of=16), "cpu")
    slices = brain(2, 21, 57)
    assert reconstructor(slices).shape == slices.shape
    assert network.seen[0].shape == (2, 1, 32, 48)
    same = brain(2, 32, 40)
    assert torch.equal(reconstructor(same), same)


@pytest.mark.parametrize("intensity", SCALINGS)
def test_slices_without_contrast(intensity: str) -> None:
    slices = torch.tensor([0.0, 0.3, 1.0]).reshape(3, 1, 1, 1).expand(3, 1, 9, 7)
    back = Reconstructor(model_of(nn.Identity(), intensity=intensity, multiple_of=8), "cpu")(slices)
    torch.testing.assert_close(back, slices.contiguous(), atol=1e-6, rtol=0)


def test_a_network_that_works_in_place_leaves_the_slices_alone() -> None:
    slices = brain()
    before = slices.clone()
    back = Reconstructor(model_of(InPlace()), "cpu")(slices)
    assert torch.equal(slices, before)
    assert torch.equal(back, 0.5 * before)


def test_the_result_is_a_tensor_of_its_own() -> None:
    slices = brain()
    back = Reconstructor(model_of(nn.Identity()), "cpu")(slices)
    assert back.data_ptr() != slices.data_ptr()


def test_exact_is_the_plain_network() -> None:
    model, slices = unet(), brain()
    reconstructor = Reconstructor(model, "cpu", exact=True)
    assert reconstructor.device.precision == "float32"
    with torch.no_grad():
        plain = model.network(slices)
    correction = plain - slices
    assert 0.01 < correction.std() < 0.1  # or there would be nothing to compare
    assert (reconstructor(slices) - plain).abs().max() < 4e-6  # sums in another order: channels last
    # Also where whoever calls has asked for less.
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert (reconstructor(slices) - plain).abs().max() < 4e-6


def test_exact_says_so_to_cuda() -> None:
    card = Device("cuda:0", "float32", "a card")
    before = torch.backends.cudnn.allow_tf32
    with arithmetic(card):
        assert not torch.backends.cudnn.allow_tf32
        assert torch.backends.cudnn.enabled
    assert torch.backends.cudnn.allow_tf32 == before


@pytest.mark.skipif(
    resolve_device("cpu").precision == "float32", reason="this processor does not compute in bfloat16"
)
def test_bfloat16_is_close_to_float32() -> None:
    model, slices = unet(), brain()
    reconstructor = Reconstructor(model, "cpu")
    assert reconstructor.device.precision == "bfloat16"
    fast, exact = reconstructor(slices), Reconstructor(model, "cpu", exact=True)(slices)
    assert fast.dtype == torch.float32
    assert not torch.equal(fast, exact)
    for one, other in zip(exact.numpy(), fast.numpy(), strict=True):
        assert skimage.metrics.peak_signal_noise_ratio(one, other, data_range=1) > 60


def test_the_model_is_left_as_it_was() -> None:
    model = unet()
    model.network.train()
    before = {name: tensor.clone() for name, tensor in model.network.state_dict().items()}
    Reconstructor(model, "cpu")(brain())
    assert model.network.training
    for name, tensor in model.network.state_dict().items():
        assert tensor.dtype == torch.float32
        assert tensor.device.type == "cpu"
        assert torch.equal(tensor, before[name])
    assert all(parameter.requires_grad for parameter in model.network.parameters())
    assert all(parameter.is_contiguous() for parameter in model.network.parameters())


def test_a_network_computes_as_in_evaluation() -> None:
    network = nn.Dropout(0.9).train()
    slices = brain()
    assert torch.equal(Reconstructor(model_of(network), "cpu")(slices), slices)


def test_double_precision_comes_back_as_float32() -> None:
    slices = brain()
    back = Reconstructor(model_of(nn.Identity()), "cpu")(slices.double())
    assert back.dtype == torch.float32
    assert torch.equal(back, slices)


@pytest.mark.parametrize("shape", [(2, 3, 8, 8), (2, 8, 8), (8, 8)])
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"slices must be \(N, 1, H, W\) or \(N, 5, H, W\), not \(\d"):
        Reconstructor(model_of(nn.Identity(), architecture_parameters={"neighbours": 2}))(torch.zeros(shape))


def test_one_slice_at_a_time_suits_a_processor() -> None:
    assert Reconstructor(model_of(nn.Identity()), "cpu").batch_size == 1


def test_a_device_that_is_not_there() -> None:
    with pytest.raises(InputError, match="This machine has no device 'abacus'"):
        Reconstructor(model_of(nn.Identity()), "abacus")


class Hungry(nn.Module):
    """Runs out of memory above two slices."""

    most = 2

    def forward(self, x: Tensor) -> Tensor:
        if len(x) > self.most:
            raise torch.OutOfMemoryError("out of memory")
        return 0.5 * x


def test_out_of_memory_halves_the_batch(caplog: pytest.LogCaptureFixture) -> None:
    reconstructor, slices = Reconstructor(model_of(Hungry()), "cpu"), brain(11, 8, 6)
    reconstructor._batch_size = 16  # as on a card
    assert torch.equal(reconstructor(slices), 0.5 * slices)
    assert reconstructor.batch_size == 1  # 11 -> 5 -> 2 and 3 -> 1 and 2
    said = len(caplog.records)
    assert torch.equal(reconstructor(slices[:2]), 0.5 * slices[:2])
    assert len(caplog.records) == said


def test_too_little_memory_for_a_slice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Hungry, "most", 0)
    with pytest.raises(InputError, match="has too little free memory for a slice of 8 x 6: close other"):
        Reconstructor(model_of(Hungry()), "cpu")(brain(2, 8, 6))


def test_a_card_gets_its_memory_back(monkeypatch: pytest.MonkeyPatch) -> None:
    given_back: list[bool] = []
    reconstructor = Reconstructor(unet(), "cpu")
    graph = traced(unet().network)  # what a card gets
    assert graph is not None
    reconstructor._network = graph
    held = weakref.ref(next(graph.parameters()))
    del graph
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: given_back.append(held() is None))
    reconstructor.device = Device("cuda:0", "float32", "a card")
    del reconstructor
    assert given_back == [True]


@pytest.mark.parametrize("plane", ["axial", "coronal", "sagittal"])
def test_a_volume_in_batches(plane: str) -> None:
    class Smaller(Reconstructor):
        sizes = iter([4, 4, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1])

        @property
        def batch_size(self) -> int:
            return next(self.sizes)

    volume = np.random.default_rng(0).random((9, 7, 8), np.float32)
    done: list[tuple[int, int]] = []
    result = reconstruct_volume(
        volume,
        Smaller(model_of(InPlace()), "cpu"),
        plane=plane,
        on_progress=lambda *progress: done.append(progress),
    )
    assert np.array_equal(result, 0.5 * volume)
    assert result.flags.c_contiguous
    n_slices = volume.shape[{"axial": 0, "coronal": 1, "sagittal": 2}[plane]]
    assert [at for at, _ in done] == sorted(at for at, _ in done)
    assert done[-1] == (n_slices, n_slices)
