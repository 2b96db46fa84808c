"""The picture of the four panels, pixel by pixel where it matters."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from napari_mri_cae import Comparison, Volume
from napari_mri_cae.comparison import picture
from napari_mri_cae.comparison.picture import draw_panels, save_picture
from napari_mri_cae.comparison.wording import chain_text
from napari_mri_cae.corruptions import BlankOut, GaussianNoise, PixelDropout
from napari_mri_cae.errors import InputError
from napari_mri_cae.models import Card, Model
from napari_mri_cae.models.architectures import build
from napari_mri_cae.planes import Plane

SHAPE = (10, 20, 30)
SPACING = np.diag([3.0, 2.0, 1.0, 1.0])
# From (I, P, L) to RAS: every axis runs the other way.
AFFINE = np.array([[0.0, 0, -1, 0], [0, -1, 0, 0], [-1, 0, 0, 0], [0, 0, 0, 1]]) @ SPACING


@pytest.fixture
def model() -> Model:
    parameters = {"channels": 2, "levels": 1}
    network = build("skip-unet", **parameters).eval()
    card = Card(name="tiny", architecture="skip-unet", architecture_parameters=parameters, multiple_of=2)
    return Model(network, card)


def _with(comparison: Comparison, index: int) -> Comparison:
    """Compute one slice, which the picture is then of."""
    next(iter(comparison.run(first=index)))
    return comparison


def _panel(image: Image.Image, comparison: Comparison, number: int) -> np.ndarray:
    """Cut a panel out of the picture: 0 original, 1 corrupted, 2 reconstructed, 3 residual."""
    width, height = picture._panel_size(comparison)
    x = picture._MARGIN + (width + picture._GAP) * (number % 2)
    y = picture._MARGIN + picture._HEADING + picture._CAPTION
    y += (height + picture._CAPTION + picture._GAP) * (number // 2)
    return np.asarray(image.crop((x, y, x + width, y + height)))


@pytest.mark.parametrize(
    ("plane", "millimetres"), [("axial", (40, 30)), ("coronal", (30, 30)), ("sagittal", (30, 40))]
)
def test_proportions_are_true(model: Model, plane: Plane, millimetres: tuple[int, int]) -> None:
    data = np.random.default_rng(0).uniform(size=SHAPE)
    comparison = _with(Comparison(Volume.from_array(data, AFFINE), model, plane=plane), 2)
    height, width, _ = _panel(draw_panels(comparison), comparison, 0).shape
    assert height / width == pytest.approx(millimetres[0] / millimetres[1], rel=0.01)
    assert max(height, width) == 480


@pytest.mark.parametrize("plane", ["axial", "coronal", "sagittal"])
def test_upright_and_not_mirrored(model: Model, plane: Plane) -> None:
    """One corner each of the volume is bright: superior, anterior, right is the first of each axis."""
    data = np.zeros(SHAPE)
    data[:5, :10, :15] = 1
    comparison = _with(Comparison(Volume.from_array(data, AFFINE), model, plane=plane), 2)
    panel = _panel(draw_panels(comparison, 2), comparison, 0)[..., 0]
    height, width = panel.shape
    quarters = [[panel[y + 30, x + 50] for x in (0, width // 2)] for y in (0, height // 2)]
    assert quarters == [[255, 0], [0, 0]]


def test_letters_name_the_sides_of_the_ipl_pose() -> None:
    # The side on which an axis begins, and the one it runs to.
    begins = dict(zip("IPL", "SAR", strict=True))
    for plane, axes in (("axial", "PL"), ("coronal", "IL"), ("sagittal", "IP")):
        rows, columns = axes
        assert picture.LETTERS[plane] == (begins[rows], rows, begins[columns], columns)


def test_colours_of_values(model: Model) -> None:
    data = np.zeros(SHAPE)
    data[:, :10] = 0.6
    data[0, 0, 0] = 1
    volume = Volume.from_array(data, AFFINE)
    comparison = _with(Comparison(volume, model, [BlankOut(size=10, row=0, column=0)]), 5)
    comparison.reconstructed[...] = comparison.original
    comparison.residual[:, :10] = 0.05
    comparison.residual[:, 10:] = -1
    image = draw_panels(comparison, 5, residual_range=0.1)
    level = round(float(comparison.original[5, 5, 20]) * 255)
    original, corrupted, reconstructed, residual = (_panel(image, comparison, n) for n in range(4))
    height, width, _ = original.shape
    upper, lower = (height // 4, width * 3 // 4), (height * 3 // 4, width * 3 // 4)
    assert original[upper].tolist() == corrupted[upper].tolist() == reconstructed[upper].tolist()
    assert original[upper].tolist() == [level] * 3
    assert corrupted[height // 4, width // 6].tolist() == [0, 0, 0]
    # Half of the range is the fourth of the five stops, beyond the range is the first.
    assert residual[upper].tolist() == [217, 89, 13]
    assert residual[lower].tolist() == [158, 224, 255]


def test_a_slice_that_is_not_done(model: Model) -> None:
    comparison = _with(Comparison(Volume.from_array(np.ones(SHAPE), AFFINE), model), 4)
    assert draw_panels(comparison).size == draw_panels(comparison, 4).size
    with pytest.raises(ValueError, match="slice 3 is not done"):
        draw_panels(comparison, 3)
    with pytest.raises(IndexError):
        draw_panels(comparison, SHAPE[0])


def test_saved(model: Model, tmp_path: Path) -> None:
    volume = Volume.from_array(np.random.default_rng(0).uniform(size=SHAPE), AFFINE, name="sub-é · 01")
    comparison = _with(Comparison(volume, model, [GaussianNoise(sigma=0.1)]), 3)
    path = save_picture(comparison, tmp_path / "panels.png", 3)
    with Image.open(path) as image:
        assert image.format == "PNG"
        np.testing.assert_array_equal(np.asarray(image), np.asarray(draw_panels(comparison, 3)))
    with pytest.raises(InputError, match="cannot be written"):
        save_picture(comparison, tmp_path / "nowhere" / "panels.png")


def test_a_single_slice_seen_from_the_side(model: Model) -> None:
    volume = Volume.from_array(np.random.default_rng(0).uniform(size=(1, 60, 50)), AFFINE)
    comparison = _with(Comparison(volume, model, plane="coronal"), 30)
    assert draw_panels(comparison).width > 480


def test_corruptions_in_words() -> None:
    chain = [GaussianNoise(sigma=0.03, clip=True), PixelDropout(rate=0.1), BlankOut(size=8, row=3)]
    assert chain_text(chain) == (
        "Gaussian noise (sigma 0.03, clip), Pixel dropout (rate 0.1), "
        "Blank-out square (size 8, row 3, value 0)"
    )
    assert chain_text([]) == "none"
