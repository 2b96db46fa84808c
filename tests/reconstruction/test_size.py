"""Sizes that a network takes, and back."""

import pytest
import torch
from torch.nn.functional import interpolate

from napari_mri_cae.reconstruction.size import fit_size


def _ramp(height: int, width: int) -> torch.Tensor:
    """Return two slices whose pixels all differ."""
    return torch.arange(2.0 * height * width).reshape(2, 1, height, width)


@pytest.mark.parametrize("size", [(16, 24), (17, 24), (16, 31), (1, 1), (3, 50), (9, 15)])
@pytest.mark.parametrize("multiple_of", [1, 2, 8, 32])
def test_padding_is_undone_exactly(size: tuple[int, int], multiple_of: int) -> None:
    slices = _ramp(*size)
    before = slices.clone()
    fitted, undo = fit_size(slices, multiple_of=multiple_of)
    for length, wanted in zip(fitted.shape[-2:], size, strict=True):
        assert length % multiple_of == 0
        assert wanted <= length < wanted + multiple_of
    assert torch.equal(undo(fitted), slices)
    assert torch.equal(slices, before)


def test_padding_repeats_the_edge_on_both_sides() -> None:
    slices = _ramp(5, 6)
    fitted, _ = fit_size(slices, multiple_of=8)
    assert fitted.shape == (2, 1, 8, 8)
    assert torch.equal(fitted[..., 1:6, 1:7], slices)
    assert torch.equal(fitted[..., 0, 1:7], slices[..., 0, :])
    assert torch.equal(fitted[..., 6, 1:7], slices[..., -1, :])
    assert torch.equal(fitted[..., 7, 1:7], slices[..., -1, :])
    assert torch.equal(fitted[..., 0], fitted[..., 1])
    assert torch.equal(fitted[..., 7], fitted[..., 6])


def test_what_comes_back_is_the_middle_of_the_output() -> None:
    _, undo = fit_size(_ramp(5, 6), multiple_of=8)
    output = _ramp(8, 8)
    assert torch.equal(undo(output), output[..., 1:6, 1:7])


@pytest.mark.parametrize("size", [(20, 30), (7, 5), (32, 16), (1, 1)])
@pytest.mark.parametrize("multiple_of", [1, 5])
def test_a_fixed_size_there_and_back(size: tuple[int, int], multiple_of: int) -> None:
    slices = _ramp(*size)
    fitted, undo = fit_size(slices, fixed_size=(32, 16), multiple_of=multiple_of)
    assert fitted.shape == (2, 1, *((32, 16) if multiple_of == 1 else (35, 20)))
    back = undo(fitted)
    assert back.shape == slices.shape
    if size[0] <= 32 and size[1] <= 16:
        # What fits is padded, and so comes back as it was.
        assert torch.equal(back, slices)
    elif multiple_of == 1:
        resized = interpolate(slices, size=(32, 16), mode="bilinear", align_corners=False)
        assert torch.equal(fitted, resized)


def test_a_smooth_slice_survives_resizing() -> None:
    rows, columns = torch.meshgrid(torch.linspace(0, 3, 40), torch.linspace(0, 2, 50), indexing="ij")
    slices = (rows.sin() * columns.cos())[None, None]
    fitted, undo = fit_size(slices, fixed_size=(90, 45), multiple_of=8)
    assert fitted.shape == (1, 1, 96, 48)
    inside = (undo(fitted) - slices)[..., 2:-2, 2:-2]
    assert inside.abs().max() < 2e-3
