"""Slices to look at: a good one, a median one and the worst."""

import base64
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from napari_mri_cae.comparison.picture import LETTERS, residual_pixels
from napari_mri_cae.comparison.residual_colors import RESIDUAL_RANGE
from napari_mri_cae.evaluation.condition import Condition
from napari_mri_cae.evaluation.evaluation import Evaluation
from napari_mri_cae.evaluation.table import IDENTITY, Row, without_unchanged
from napari_mri_cae.planes import Plane, plane_axis

if TYPE_CHECKING:
    from PIL.Image import Image

# Which slice of those in order of their PSNR, from 0 (the worst) to 1.
_RANKS: Final = {"good": 0.9, "median": 0.5, "worst": 0.0}


@dataclass(frozen=True)
class Panel:
    """One picture: its title, its numbers, and the PNG as a data address."""

    title: str
    caption: str
    address: str


@dataclass(frozen=True)
class Example:
    """One slice: clean, corrupted, and what each model made of it.

    `letters` are those of its top, bottom, left and right; `proportions` is width over height in mm.
    """

    rank: str
    volume: str
    plane: Plane
    index: int
    corruption: str
    panels: tuple[Panel, ...]
    letters: tuple[str, str, str, str]
    proportions: float


def choose_examples(evaluation: Evaluation, rows: Sequence[Row]) -> list[Example]:
    """Return examples of every kind of corruption, at its middle strength, in the first plane.

    A good, a median and the worst slice by the PSNR of the first model over the whole slice: the 90th
    percentile, the median and the minimum. Computed again, which gives what was measured.
    """
    plane = evaluation.settings.planes[0]
    model = evaluation.model_names[0]
    chosen = [
        (condition, rank, row)
        for condition in _middle_strengths(evaluation.conditions)
        for rank, row in _ranked(
            [
                row
                for row in without_unchanged(rows)
                if (row.plane, row.model, row.corruption) == (plane, model, condition.label)
                and row.region == "whole slice"
            ]
        )
    ]
    made: dict[int, Example] = {}
    numbers = {name.volume: number for number, name in enumerate(evaluation.names)}
    # Each volume is opened once.
    for number in sorted({numbers[row.volume] for _, _, row in chosen}):
        volume = evaluation.open(number)
        spacing = list(volume.spacing)
        del spacing[plane_axis(plane)]
        for place, (condition, rank, row) in enumerate(chosen):
            if numbers[row.volume] == number:
                images = evaluation.reconstruct(volume, plane, row.slice, condition)
                arrays = [image.numpy() for image in images]
                height, width = arrays[0].shape
                made[place] = Example(
                    rank,
                    row.volume,
                    plane,
                    row.slice,
                    condition.label,
                    tuple(_panels(evaluation, rows, row, arrays)),
                    LETTERS[plane],
                    width * spacing[1] / (height * spacing[0]),
                )
    return [made[place] for place in range(len(chosen))]


def residual_bar() -> str:
    """Return the colours of residuals from minus to plus the range, as the PNG of a row."""
    return _png(_in_residual_colors(np.linspace(-RESIDUAL_RANGE, RESIDUAL_RANGE, 256)[np.newaxis]))


def _middle_strengths(conditions: Sequence[Condition]) -> list[Condition]:
    """Return one condition of each kind, and every chain."""
    kinds: dict[str, list[Condition]] = {}
    for condition in conditions:
        kinds.setdefault(condition.label if condition.kind == "chain" else condition.kind, []).append(
            condition
        )
    return [
        sorted(of_kind, key=lambda condition: condition.strength)[len(of_kind) // 2]
        for of_kind in kinds.values()
    ]


def _ranked(rows: Sequence[Row]) -> Iterator[tuple[str, Row]]:
    """Yield a good, a median and the worst slice; with few slices, fewer."""
    ordered = sorted(rows, key=lambda row: row.psnr)
    seen = set()
    for rank, share in _RANKS.items():
        place = round(share * (len(ordered) - 1))
        if ordered and place not in seen:
            seen.add(place)
            yield rank, ordered[place]


def _panels(
    evaluation: Evaluation, rows: Sequence[Row], chosen: Row, arrays: Sequence[npt.NDArray[np.float32]]
) -> Iterator[Panel]:
    clean, corrupted, *reconstructed = arrays
    qualities = {
        row.model: f"{row.psnr:.2f} dB, SSIM {row.ssim:.4f}" if np.isfinite(row.psnr) else "equal"
        for row in rows
        if row.job == chosen.job and row.region == "whole slice"
    }
    yield Panel("original", "0 to 1 on the volume's scale", _png(_gray(clean)))
    yield Panel("corrupted", qualities[IDENTITY], _png(_gray(corrupted)))
    several = len(reconstructed) > 1
    for model, image in zip(evaluation.model_names, reconstructed, strict=False):
        by = f", {model}" if several else ""
        yield Panel(f"reconstructed{by}", qualities[model], _png(_gray(image)))
        yield Panel(
            f"residual{by}",
            f"original - reconstructed, ±{RESIDUAL_RANGE:g}",
            _png(_in_residual_colors(clean - image)),
        )


def _gray(values: npt.NDArray[np.float32]) -> "Image":
    from PIL import Image

    return Image.fromarray(np.rint(np.clip(values, 0, 1) * 255).astype(np.uint8))


def _in_residual_colors(values: npt.NDArray[Any]) -> "Image":
    """Return a picture with a palette, a third of the size of one in full colour."""
    from PIL import Image

    levels = np.clip(0.5 + values / (2 * RESIDUAL_RANGE), 0, 1)
    image = Image.fromarray(np.rint(levels * 255).astype(np.uint8))
    image.putpalette(_palette())
    return image


@cache
def _palette() -> bytes:
    return residual_pixels(np.linspace(0, 1, 256)).tobytes()


def _png(image: "Image") -> str:
    data = io.BytesIO()
    image.save(data, format="PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(data.getvalue()).decode()
