"""What holds for every corruption, and for a chain of them."""

import subprocess
import sys

import pytest
import torch
from pydantic import ValidationError

from napari_mri_cae.corruptions import (
    BiasField,
    BlankOut,
    Blobs,
    Corruption,
    Downsampling,
    GaussianBlur,
    GaussianNoise,
    Ghosting,
    GibbsRinging,
    Motion,
    PixelDropout,
    RicianNoise,
    Spikes,
    corrupt,
    corruption_kinds,
)
from napari_mri_cae.errors import InputError

ALL = [
    GaussianNoise(sigma=0.05),
    GaussianNoise(sigma=0.2, clip=True),
    RicianNoise(sigma=0.05),
    RicianNoise(sigma=0.2, clip=True),
    PixelDropout(rate=0.3),
    PixelDropout(rate=0.3, rescale=True),
    GaussianBlur(sigma=1.3),
    GaussianBlur(sigma=0.6, kernel_size=3),
    BlankOut(size=7),
    BlankOut(size=5, row=3, column=20, value=0.5),
    Blobs(radius=4),
    Blobs(number=20, radius=2, contrast=-0.4, softness=0),
    Motion(degrees=4),
    Motion(degrees=0, pixels=3, movements=8, horizontal=True),
    Ghosting(),
    Ghosting(intensity=1, ghosts=3, restore=0, horizontal=True),
    Spikes(),
    Spikes(intensity=0.1, number=16),
    GibbsRinging(kept=0.3),
    BiasField(),
    BiasField(coefficient=1, order=0),
    Downsampling(),
    Downsampling(factor=2.5, horizontal=True),
]
NOTHING = [
    GaussianNoise(sigma=0),
    RicianNoise(sigma=0),
    PixelDropout(rate=0),
    PixelDropout(rate=0, rescale=True),
    GaussianBlur(sigma=0),
    GaussianBlur(sigma=0, kernel_size=5),
    BlankOut(size=0),
    BlankOut(size=0, row=2, column=2),
    Blobs(number=0),
    Blobs(radius=0),
    Blobs(contrast=0),
    Motion(degrees=0),
    Motion(movements=0),
    Ghosting(intensity=0),
    Spikes(intensity=0),
    Spikes(number=0),
    GibbsRinging(kept=1),
    BiasField(coefficient=0),
    Downsampling(factor=1),
]


@pytest.fixture
def slices() -> torch.Tensor:
    return torch.rand((5, 1, 24, 31), generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("corruption", ALL, ids=str)
def test_a_copy_of_the_same_shape_and_dtype(
    corruption: Corruption, dtype: torch.dtype, slices: torch.Tensor
) -> None:
    slices = slices.to(dtype)
    before = slices.clone()
    corrupted = corrupt(slices, [corruption], seed=1, plane="axial", indices=range(5))
    assert torch.equal(slices, before)
    assert corrupted.data_ptr() != slices.data_ptr()
    assert (corrupted.shape, corrupted.dtype) == (slices.shape, dtype)
    assert not torch.equal(corrupted, slices)
    single = corrupt(slices.float(), [corruption], seed=1, plane="axial", indices=range(5))
    torch.testing.assert_close(corrupted.float(), single)


@pytest.mark.parametrize("corruption", NOTHING, ids=str)
def test_zero_strength_is_exactly_nothing(corruption: Corruption, slices: torch.Tensor) -> None:
    slices = slices - 0.2  # noise that came before takes values below 0
    corrupted = corrupt(slices, [corruption], seed=1, plane="axial", indices=range(5))
    assert torch.equal(corrupted, slices)
    assert corrupted.data_ptr() != slices.data_ptr()


@pytest.mark.parametrize("corruption", ALL, ids=str)
def test_the_same_bits_in_any_batch(corruption: Corruption, slices: torch.Tensor) -> None:
    chain = [corruption, RicianNoise(sigma=0.01), corruption]
    together = corrupt(slices, chain, seed=7, plane="coronal", indices=[10, 11, 12, 40, 41])
    for position, index in [(3, 40), (0, 10)]:
        one = corrupt(slices[position : position + 1], chain, seed=7, plane="coronal", indices=[index])
        assert torch.equal(one[0], together[position])
    some = corrupt(slices[[4, 1]], chain, seed=7, plane="coronal", indices=[41, 11])
    assert torch.equal(some, together[[4, 1]])


@pytest.mark.parametrize("corruption", ALL, ids=str)
def test_the_same_bits_in_a_large_batch(corruption: Corruption) -> None:
    slices = torch.rand((33, 1, 24, 31), generator=torch.Generator().manual_seed(0))
    together = corrupt(slices, [corruption], seed=7, plane="axial", indices=range(33))
    for position in range(0, 33, 8):
        part = slice(position, position + 3)
        some = corrupt(slices[part], [corruption], seed=7, plane="axial", indices=range(33)[part])
        assert torch.equal(some, together[part])


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("corruption", ALL, ids=str)
def test_the_same_on_a_graphics_card(corruption: Corruption, slices: torch.Tensor) -> None:
    expected = corrupt(slices, [corruption], seed=7, plane="axial", indices=range(5))
    there = corrupt(slices.cuda(), [corruption], seed=7, plane="axial", indices=range(5))
    assert there.is_cuda
    torch.testing.assert_close(there.cpu(), expected, rtol=0, atol=2e-6)


def test_what_noise_does_not_depend_on(slices: torch.Tensor) -> None:
    zeros = torch.zeros_like(slices)

    def noise(*chain: Corruption, seed: int = 3, plane: str = "axial", start: int = 0) -> torch.Tensor:
        return corrupt(zeros, chain, seed=seed, plane=plane, indices=range(start, start + 5))  # type: ignore[arg-type]

    weak, strong = GaussianNoise(sigma=0.01), GaussianNoise(sigma=0.02)
    torch.testing.assert_close(2 * noise(weak), noise(strong), rtol=1e-6, atol=0)
    # Another kind before it, switched to nothing, leaves the field alone; another of its kind has its own.
    assert torch.equal(noise(PixelDropout(rate=0), weak), noise(weak))
    assert not torch.equal(noise(weak, weak), 2 * noise(weak))
    fields = [noise(weak), noise(weak, seed=4), noise(weak, seed=3 + 2**32), noise(weak, plane="coronal")]
    fields += [noise(weak, start=1)[[4, 0, 1, 2, 3]]]
    for number, field in enumerate(fields):
        for other in fields[:number]:
            assert abs(torch.corrcoef(torch.stack([field[0].ravel(), other[0].ravel()]))[0, 1]) < 0.15


def test_in_order(slices: torch.Tensor) -> None:
    noise, blur = GaussianNoise(sigma=0.1), GaussianBlur(sigma=1)
    noisy = corrupt(slices, [noise], seed=0, plane="axial", indices=range(5))
    both = corrupt(slices, [noise, blur], seed=0, plane="axial", indices=range(5))
    assert torch.equal(corrupt(noisy, [blur], seed=0, plane="axial", indices=range(5)), both)
    empty = corrupt(slices, [], seed=0, plane="axial", indices=range(5))
    assert torch.equal(empty, slices)
    assert empty.data_ptr() != slices.data_ptr()


@pytest.mark.parametrize("corruption", ALL, ids=str)
def test_there_and_back_as_plain_values(corruption: Corruption) -> None:
    record = corruption.to_dict()
    assert record["kind"] == corruption.kind
    assert Corruption.from_dict(record) == corruption
    assert "kind" in record  # reading does not change it


def test_forms_have_what_they_need() -> None:
    assert list(corruption_kinds()) == [
        "gaussian-noise",
        "rician-noise",
        "pixel-dropout",
        "gaussian-blur",
        "blank-out",
        "blobs",
        "motion",
        "ghosting",
        "spikes",
        "gibbs-ringing",
        "bias-field",
        "downsampling",
    ]
    for kind in corruption_kinds().values():
        assert kind.label
        assert kind.group
        kind()
        for field in kind.model_fields.values():
            assert field.title
            assert field.description


@pytest.mark.parametrize(
    ("kind", "field", "value"),
    [
        (GaussianNoise, "sigma", -0.01),
        (GaussianNoise, "sigma", 1.5),
        (GaussianNoise, "sigma", float("nan")),
        (RicianNoise, "sigma", "much"),
        (PixelDropout, "rate", 1),
        (GaussianBlur, "sigma", -1),
        (GaussianBlur, "kernel_size", 4),
        (BlankOut, "size", -1),
        (BlankOut, "row", -1),
        (BlankOut, "value", 2),
        (BlankOut, "side", 3),
        (Blobs, "number", 21),
        (Blobs, "contrast", -1.1),
        (Motion, "pixels", -1),
        (Ghosting, "ghosts", 1),
        (Spikes, "number", 17),
        (GibbsRinging, "kept", 0),
        (BiasField, "order", 6),
        (Downsampling, "factor", 0.5),
    ],
)
def test_a_wrong_parameter_is_named(kind: type[Corruption], field: str, value: object) -> None:
    with pytest.raises(ValidationError) as caught:
        kind(**{field: value})
    assert [error["loc"] for error in caught.value.errors()] == [(field,)]


def test_an_unknown_kind_is_named() -> None:
    with pytest.raises(InputError, match="'fog' is not a corruption: choose from gaussian-noise"):
        Corruption.from_dict({"kind": "fog"})


def test_wrong_slices_are_refused(slices: torch.Tensor) -> None:
    with pytest.raises(ValueError, match="5 slices were given with 2 slice indices"):
        corrupt(slices, [], seed=0, plane="axial", indices=[1, 2])
    for wrong in (slices[:, 0], (255 * slices).byte()):
        with pytest.raises(ValueError, match="floating point"):
            corrupt(wrong, [], seed=0, plane="axial", indices=range(5))


def test_importing_does_not_import_torch() -> None:
    code = "import sys, napari_mri_cae.corruptions, napari_mri_cae.metrics; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
