"""MRI artefacts against their physics: numpy transforms of whole k-spaces, and numbers by hand."""

import math

import numpy as np
import pytest
import scipy.ndimage
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from napari_mri_cae.corruptions import (
    BiasField,
    Corruption,
    Downsampling,
    Ghosting,
    GibbsRinging,
    Motion,
    SliceSource,
    Spikes,
    corrupt,
)
from napari_mri_cae.corruptions.bias_field import apply_bias
from napari_mri_cae.corruptions.downsampling import downsample
from napari_mri_cae.corruptions.ghosting import add_ghosts
from napari_mri_cae.corruptions.motion import move
from napari_mri_cae.corruptions.spikes import add_spikes

HORIZONTAL = pytest.mark.parametrize("horizontal", [False, True])


def _corrupt(slices: torch.Tensor, corruption: Corruption, seed: int = 0) -> torch.Tensor:
    return corrupt(slices, [corruption], seed=seed, plane="axial", indices=range(len(slices)))


def _kspace(image: NDArray[np.float64]) -> NDArray[np.complex128]:
    return np.fft.fftshift(np.fft.fft2(image))


def _image(kspace: NDArray[np.complex128]) -> NDArray[np.float64]:
    return np.abs(np.fft.ifft2(np.fft.ifftshift(kspace)))


def _turned(image: torch.Tensor, horizontal: bool) -> torch.Tensor:
    """Make rows of columns for what runs along the other direction."""
    return image.transpose(-1, -2) if horizontal else image


def _phantom(height: int = 64, width: int = 48) -> torch.Tensor:
    rows, columns = np.mgrid[:height, :width]
    image = np.exp(-(((rows - 28) / 12) ** 2) - ((columns - 26) / 9) ** 2)
    image += 0.5 * (np.hypot(rows - 35, columns - 20) < 7)
    return torch.from_numpy(image)[None, None]


@HORIZONTAL
@pytest.mark.parametrize("ghosts", [2, 4, 8])
def test_ghosts_of_a_point_lie_a_part_of_the_field_of_view_apart(ghosts: int, horizontal: bool) -> None:
    point = torch.zeros(1, 1, 64, 48, dtype=torch.float64)
    point[0, 0, 10, 7] = 1.0
    ghosted = _corrupt(
        _turned(point, horizontal), Ghosting(intensity=0.6, ghosts=ghosts, restore=0, horizontal=horizontal)
    )
    expected = torch.zeros_like(point)
    for number in range(ghosts):
        expected[0, 0, (10 + number * 64 // ghosts) % 64, 7] = 0.6 / ghosts
    expected[0, 0, 10, 7] = 1 - 0.6 / ghosts
    torch.testing.assert_close(_turned(ghosted, horizontal), expected)


@HORIZONTAL
@pytest.mark.parametrize("restore", [0.0, 0.02, 0.3])
def test_ghosts_are_every_nth_line_of_k_space(restore: float, horizontal: bool) -> None:
    # TorchIO's definition, from its first line on, within a slice.
    image = _phantom()[0, 0].numpy()
    axis = int(horizontal)
    kspace = np.moveaxis(_kspace(image), axis, 0)
    before, length, half = kspace.copy(), len(kspace), round(restore * kspace.shape[0]) // 2
    kspace[::5] *= 1 - 0.7
    centre = slice(length // 2 - half, length // 2 + half)
    kspace[centre] = before[centre]
    expected = _image(np.moveaxis(kspace, 0, axis))
    ghosted = add_ghosts(
        _phantom(), 0.7, 5, torch.zeros(1, 1).double(), restore=restore, horizontal=horizontal
    )
    np.testing.assert_allclose(ghosted[0, 0], expected, atol=1e-12)


def test_a_spike_is_a_plane_wave() -> None:
    field = torch.zeros(1, 16, 3, dtype=torch.float64)
    field[0, 0] = torch.tensor([(32 + 5) / 64, (24 - 3) / 48, 0.25])
    image = 0.2 + _phantom()
    spiked = add_spikes(image, 0.1, 1, field)
    rows, columns = np.mgrid[:64, :48]
    wave = 0.1 * image.mean().item() * np.exp(2j * np.pi * (5 * rows / 64 - 3 * columns / 48 + 0.25))
    np.testing.assert_allclose(spiked[0, 0], np.abs(image[0, 0].numpy() + wave), atol=1e-12)
    # The same from k-space, where it is one point.
    kspace = _kspace(image[0, 0].numpy())
    kspace[32 + 5, 24 - 3] += 0.1 * np.abs(kspace).max() * 1j
    np.testing.assert_allclose(spiked[0, 0], _image(kspace), atol=1e-12)


def test_spikes_come_one_after_another() -> None:
    flat = torch.full((1, 1, 32, 32), 0.5, dtype=torch.float64)
    for number in (1, 3, 16):
        noise = _corrupt(flat, Spikes(intensity=0.01, number=number)) - flat
        peaks = np.abs(np.fft.fft2(noise[0, 0].numpy())) > 0.2 * 0.01 * 0.5 * 32 * 32
        assert 1 <= peaks.sum() <= 2 * number
    one, three = (_corrupt(flat, Spikes(intensity=0.01, number=number)) for number in (1, 3))
    strong = _corrupt(flat, Spikes(intensity=0.02, number=1))
    torch.testing.assert_close(strong - flat, 2 * (one - flat), rtol=0, atol=2e-4)
    assert not torch.equal(one, three)


def test_gibbs_ringing_overshoots_by_nine_percent() -> None:
    step = torch.zeros(1, 1, 8, 1024, dtype=torch.float64)
    step[..., 256:768] = 1.0
    for kept in (0.05, 0.1, 0.2):
        cut = _corrupt(step, GibbsRinging(kept=kept))
        # The integral of sinc over its main lobe, of a jump of 1: Wilbraham, 1848.
        assert cut.max().item() == pytest.approx(1.0895, abs=0.004)
        ringing = cut[0, 0, 0, 300:700] - 1
        crossings = (torch.diff(torch.sign(ringing)) != 0).sum().item()
        assert crossings == pytest.approx(400 * kept, abs=3)  # two in each period of 2 / kept pixels


@given(
    kept=st.floats(0.02, 1), height=st.integers(3, 24), width=st.integers(3, 24), seed=st.integers(0, 2**32)
)
@settings(max_examples=60, deadline=None)
def test_what_is_kept_of_k_space(kept: float, height: int, width: int, seed: int) -> None:
    image = np.random.default_rng(seed).random((height, width))
    rows = np.abs(np.round(np.fft.fftfreq(height) * height)) <= kept * height / 2
    columns = np.abs(np.round(np.fft.fftfreq(width) * width)) <= kept * width / 2
    expected = np.abs(np.fft.ifft2(np.fft.fft2(image) * np.outer(rows, columns)))
    cut = _corrupt(torch.from_numpy(image)[None, None], GibbsRinging(kept=kept))
    np.testing.assert_allclose(cut[0, 0], expected, atol=1e-12)


@pytest.mark.parametrize("order", range(6))
def test_a_bias_field_is_the_exponential_of_a_polynomial(order: int) -> None:
    slices, field = 1 + _phantom(), 2 * torch.rand(1, 6, 6).double() - 1
    biased = apply_bias(slices, 0.4, field, order=order)[0, 0].numpy() / slices[0, 0].numpy()
    y, x = np.meshgrid(np.linspace(-1, 1, 64), np.linspace(-1, 1, 48), indexing="ij")
    exponent = sum(
        0.4 * field[0, i, j].item() * y**i * x**j for i in range(order + 1) for j in range(order + 1 - i)
    )
    np.testing.assert_allclose(biased, np.exp(exponent), rtol=1e-12)
    if order == 0:
        assert np.ptp(biased) < 1e-12


def test_a_bias_field_is_as_strong_as_its_coefficient() -> None:
    ones = torch.ones(200, 1, 9, 9)
    constant = torch.log(_corrupt(ones, BiasField(coefficient=0.5, order=0)))[:, 0, 0, 0]
    assert -0.5 <= constant.min() < -0.48
    assert 0.48 < constant.max() < 0.5
    weak, strong = (torch.log(_corrupt(ones, BiasField(coefficient=value))) for value in (0.1, 0.3))
    torch.testing.assert_close(strong, 3 * weak, rtol=1e-4, atol=1e-6)


@HORIZONTAL
def test_thick_slices_are_means_by_hand(horizontal: bool) -> None:
    image = torch.arange(12, dtype=torch.float64).view(1, 1, 12, 1).square().expand(1, 1, 12, 3).contiguous()
    coarse = _turned(downsample(_turned(image, horizontal), 4, horizontal=horizontal), horizontal)
    means = [(0 + 1 + 4 + 9) / 4, (16 + 25 + 36 + 49) / 4, (64 + 81 + 100 + 121) / 4]
    expected = np.interp(np.arange(12), [1.5, 5.5, 9.5], means)
    for column in range(3):
        np.testing.assert_allclose(coarse[0, 0, :, column], expected, rtol=1e-12)


@given(factor=st.floats(1, 32), length=st.integers(2, 70), seed=st.integers(0, 2**32))
@settings(max_examples=60, deadline=None)
def test_thick_slices_by_integration(factor: float, length: int, seed: int) -> None:
    line = np.random.default_rng(seed).random(length)
    coarse = _corrupt(torch.from_numpy(line).view(1, 1, -1, 1), Downsampling(factor=factor))[0, 0, :, 0]
    if factor == 1:
        np.testing.assert_array_equal(coarse, line)
        return
    count = math.ceil(length / factor - 1e-4)
    edges = length / 2 + factor * (np.arange(count + 1) - count / 2)
    # The integral of the line, as a piecewise linear function, between the edges inside the image.
    within = np.clip(edges, 0, length)
    integral = np.interp(within, np.arange(length + 1), np.concatenate([[0], np.cumsum(line)]))
    means = np.diff(integral) / np.diff(within)
    centres = (edges[:-1] + edges[1:]) / 2 - 0.5
    np.testing.assert_allclose(coarse, np.interp(np.arange(length), centres, means), atol=1e-9)


@HORIZONTAL
def test_a_movement_shifts_its_part_of_k_space(horizontal: bool) -> None:
    # Two movements at 1/3 and 2/3 of the lines; the middle third, with the centre, is the head in its place.
    image = _phantom(66, 48)
    field = torch.full((1, 8, 4), 0.5, dtype=torch.float64)
    field[0, 0, 1] = 1.0  # first movement: down by all of the shift
    field[0, 1, 2] = 0.0  # second: left by all of it
    moved = _turned(
        move(_turned(image, horizontal), 0.0, 3.0, field, movements=2, horizontal=horizontal), horizontal
    )
    plain = image[0, 0].numpy()
    # Rows and columns of the slice as it was given, which `_turned` has turned.
    shifts = [(0, 3), (-3, 0)] if horizontal else [(3, 0), (0, -3)]
    first, second = (scipy.ndimage.shift(plain, by, order=0, mode="nearest") for by in shifts)
    kspace = _kspace(plain)
    kspace[:22] = _kspace(first)[:22]
    kspace[44:] = _kspace(second)[44:]
    np.testing.assert_allclose(moved[0, 0], _image(kspace), atol=1e-9)


def test_a_movement_turns_the_head() -> None:
    # All of k-space but its first lines is acquired before a movement; here the only one comes first.
    image = scipy.ndimage.gaussian_filter(_phantom(65, 65)[0, 0].numpy(), 2)
    field = torch.full((1, 8, 4), 0.5, dtype=torch.float64)
    field[0, 0, 0] = 1.0
    moved = move(torch.from_numpy(image)[None, None], 20.0, 0.0, field, movements=1)[0, 0].numpy()
    # Positive is clockwise on screen; scipy turns the other way.
    turned = scipy.ndimage.rotate(image, -20, reshape=False, mode="nearest")
    kspace = _kspace(image)
    kspace[:32] = _kspace(turned)[:32]
    other = _kspace(image)
    other[32:] = _kspace(turned)[32:]
    error = min(np.abs(moved - _image(k)).max() for k in (kspace, other))
    assert error < 0.01
    assert np.abs(moved - image).max() > 0.05


def test_the_head_stays_in_its_place() -> None:
    slices = _phantom().float().expand(30, -1, -1, -1).contiguous()
    moved = _corrupt(slices, Motion(degrees=5, pixels=4, movements=4))
    centre = [scipy.ndimage.center_of_mass(one[0].numpy()) for one in moved]
    np.testing.assert_allclose(np.mean(centre, 0), scipy.ndimage.center_of_mass(slices[0, 0].numpy()), atol=1)
    # The centre of k-space is untouched, so the sum of a complex image would be the same.
    assert moved.mean() == pytest.approx(slices.mean().item(), rel=0.1)
    weak, strong = ((_corrupt(slices, Motion(degrees=by)) - slices).square().mean() for by in (1, 4))
    assert strong > 2 * weak > 0


@given(
    corruption=st.one_of(
        st.builds(Motion, degrees=st.floats(0, 45), movements=st.integers(0, 8), horizontal=st.booleans()),
        st.builds(Ghosting, intensity=st.floats(0, 1), ghosts=st.integers(2, 32), restore=st.floats(0, 1)),
        st.builds(Spikes, intensity=st.floats(0, 5), number=st.integers(0, 16)),
        st.builds(GibbsRinging, kept=st.floats(0.02, 1)),
        st.builds(BiasField, coefficient=st.floats(0, 2), order=st.integers(0, 5)),
        st.builds(Downsampling, factor=st.floats(1, 32), horizontal=st.booleans()),
    ),
    height=st.integers(1, 20),
    width=st.integers(1, 20),
)
@settings(max_examples=120, deadline=None)
def test_any_parameter_on_any_slice(corruption: Corruption, height: int, width: int) -> None:
    slices = torch.rand((2, 1, height, width), generator=torch.Generator().manual_seed(height * width))
    source = SliceSource(3, "coronal", [0, 7]).for_corruption(corruption.kind)
    corrupted = corruption.apply(slices, source)
    assert corrupted.shape == slices.shape
    assert torch.isfinite(corrupted).all()
    assert corrupted.min() >= -1e-6
    assert Corruption.from_dict(corruption.to_dict()) == corruption
