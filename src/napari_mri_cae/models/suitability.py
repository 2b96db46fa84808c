"""Whether a volume looks like those that a model was trained on.

A sample of voxels, taken evenly from the whole volume, is enough to tell: this is cheap, and needs no torch.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from napari_mri_cae.errors import InputError
from napari_mri_cae.models.card import Domain, Head, Histogram
from napari_mri_cae.planes import PLANES, Plane, check_plane, plane_axis

if TYPE_CHECKING:
    from napari_mri_cae.models.card import Card
    from napari_mri_cae.volume import Volume

# How many voxels are looked at, about.
_SAMPLE: Final = 250_000
# On the volume scale. A background that somebody has set to one value stays within the first also after
# interpolation; the second parts tissue from background, that of an image with noisy air too.
_CONSTANT: Final = 0.005
_TISSUE: Final = 0.05
# The share of the border that has to be one value, where the skull and the air have been cut away.
_CONSTANT_BORDER: Final = 0.9
# The share of the border that has to be background, to know what the background is.
_BACKGROUND_BORDER: Final = 0.5
# Litres. Brains with their fluid have 1 to 2; heads, without the air, 3 and more, those of children 2.5. What
# is smaller than the first is no adult's brain, nor a child's.
_SMALLEST_BRAIN: Final = 0.5
_LARGEST_BRAIN: Final = 2.3

_SHARES: Final = (0.1, 0.25, 0.5, 0.75, 0.9)
# What may differ from every training volume before it is worth a word.
_SPACING_FACTOR: Final = 1.25
# In pixels. Two neighbours on either side gave the shipped model 0.1 to 1.5 dB at 1 to 2.3 of them, nothing
# at 3, and took up to 0.3 dB at 4 and more.
_FAR_APART: Final = 2.5
_BACKGROUND_MARGIN: Final = 0.05
_QUANTILE_MARGIN: Final = 0.15

_CONTRASTS: Final = {
    **{name: name for name in ("T1w", "T2w", "PDw", "FLAIR", "T2starw", "inplaneT1", "inplaneT2", "PDT2")},
    **{name: name for name in ("bold", "sbref", "dwi", "epi", "UNIT1", "T1map", "T2map", "angio", "MTw")},
    "T1": "T1w",
    "T2": "T2w",
    "PD": "PDw",
}
_HEADS: Final[dict[str, str]] = {"stripped": "skull-stripped brains", "whole": "whole heads"}

_Array = npt.NDArray[np.floating[Any]]


def unfamiliar(volume: "Volume", plane: str, card: "Card") -> tuple[str, ...]:
    """Return what about a volume does not look like what a model was trained on.

    Compared are the plane, the pixel size in it, how far slices are apart where the model looks at
    neighbours, skull-stripped or whole head, the contrast that the file's name tells, and the distribution of
    intensities where the model sees the volume scale itself. What the card does not say, or the volume does
    not tell, is passed over.

    Parameters
    ----------
    volume : Volume
        Three-dimensional, at least.
    plane : {"axial", "coronal", "sagittal"}
        In which its slices are to be reconstructed.
    card : Card
        Of the model.

    Returns
    -------
    tuple of str
        Sentences for a user; none where everything is familiar.

    Raises
    ------
    InputError
        If there is no such plane, or the volume is a series: choose a frame.
    """
    chosen = check_plane(plane)
    found: list[str] = []
    if volume.is_label:
        found.append("The volume holds labels; the model was trained on images.")
    if card.plane not in ("any", chosen):
        found.append(f"The slices are {chosen}; the model was trained on {card.plane} ones.")
    pixel = _pixel_size(volume, chosen, card.fixed_size)
    if card.neighbours:
        found += _far_apart(volume.spacing[plane_axis(chosen)], pixel)
    domain = card.domain
    if domain is None:
        return tuple(found)
    found += _unfamiliar_spacing(pixel, domain)
    contrast = _contrast(volume)
    if contrast and domain.contrast and contrast != domain.contrast:
        found.append(f"By its name the volume is {contrast}; the model was trained on {domain.contrast}.")
    look = _Look.of(volume)
    if look.head and domain.head and domain.head not in (look.head, "both"):
        found.append(
            f"The volume looks like {'a whole head' if look.head == 'whole' else 'a skull-stripped brain'}; "
            f"the model was trained on {_HEADS[domain.head]}."
        )
    # A scaling of each slice by itself takes away most of what could be compared here.
    if card.intensity == "volume":
        found += [
            sentence
            for histogram in domain.histograms
            if histogram.head == look.head
            for sentence in _unfamiliar_histogram(look, histogram)
        ]
    return tuple(found)


def head_of(volume: "Volume") -> Head | None:
    """Tell a skull-stripped brain from a whole head.

    A brain is stripped if what surrounds it is one constant value that reaches nearly all of the volume's
    border, and if what is left has the size of a brain. A head has more tissue than any brain.

    Returns
    -------
    {"stripped", "whole"} or None
        None where neither is plain: a slab, a part of a head, a brain in noise.

    Raises
    ------
    InputError
        If the volume is a series.
    """
    return _Look.of(volume).head


def domain_of(
    volumes: "Iterable[Volume]",
    *,
    plane: str = "any",
    fixed_size: tuple[int, int] | None = None,
    contrast: str | None = None,
) -> Domain:
    """Describe training volumes.

    Parameters
    ----------
    volumes : iterable of Volume
        Looked at one after the other, so a generator need not hold them all.
    plane : {"any", "axial", "coronal", "sagittal"}
        In which their slices are taken.
    fixed_size : (int, int), optional
        (H, W) that slices are resized to.
    contrast : str, optional
        As BIDS names it. By default that of the names of the volumes, where they agree.

    Raises
    ------
    InputError
        If there is no volume, one is a series, or there is no such plane.
    """
    planes = PLANES if plane == "any" else (check_plane(plane),)
    pixels: list[float] = []
    contrasts: set[str] = set()
    looks: list[_Look] = []
    for volume in volumes:
        looks.append(_Look.of(volume))
        contrasts.add(_contrast(volume))
        for each in planes:
            pixels += _pixel_size(volume, each, fixed_size)
    if not looks:
        raise InputError("there is no volume to describe: give the training volumes.")
    heads = {look.head for look in looks}
    kinds = tuple(kind for kind in ("stripped", "whole") if kind in heads)
    # What is neither plainly may be either.
    head = None if None in heads else "both" if len(kinds) == 2 else kinds[0]
    return Domain(
        spacings=(round(min(pixels), 4), round(max(pixels), 4)),
        head=head,
        contrast=(contrasts.pop() if len(contrasts) == 1 else "") if contrast is None else contrast,
        histograms=tuple(_histogram(kind, [look for look in looks if look.head == kind]) for kind in kinds),
    )


def with_domain(card: "Card", volumes: "Iterable[Volume]", *, contrast: str | None = None) -> "Card":
    """Return a card that says what the training volumes look like.

    Parameters
    ----------
    card : Card
        Its plane and fixed size say how the volumes were seen.
    volumes : iterable of Volume
        Those trained on, and no others.
    contrast : str, optional
        As in `domain_of`.

    Raises
    ------
    InputError
        If there is no volume, or one is a series.
    """
    domain = domain_of(volumes, plane=card.plane, fixed_size=card.fixed_size, contrast=contrast)
    return card.model_copy(update={"domain": domain})


@dataclass(frozen=True)
class _Look:
    """What a volume looks like, on the volume scale."""

    head: Head | None
    background: float
    quantiles: tuple[float, ...]
    """Of the tissue, at `_SHARES`."""

    @classmethod
    def of(cls, volume: "Volume") -> "_Look":
        window = volume.window
        data = volume.data
        step = max(1, round((data.size / _SAMPLE) ** (1 / 3)))
        thin = tuple(slice(None, None, min(step, length)) for length in data.shape)
        sample = window.normalize(data[thin])
        border = window.normalize(
            np.concatenate(
                [
                    np.moveaxis(data, axis, 0)[end][thin[:axis] + thin[axis + 1 :]].ravel()
                    for axis in range(3)
                    for end in (0, -1)
                ]
            )
        )
        background = float(np.median(border))
        around = np.abs(border - background)
        # Of Gaussian noise in the background next to nothing is this far from its middle.
        far = max(_TISSUE, 6.0 * float(np.median(around)))
        tissue = sample[np.abs(sample - background) > far]
        if not tissue.size or np.mean(around <= far) < _BACKGROUND_BORDER:
            return cls(None, background, ())
        litres = tissue.size / sample.size * data.size * float(np.prod(volume.spacing)) / 1e6
        head: Head | None = None
        if litres > _LARGEST_BRAIN:
            head = "whole"
        elif litres > _SMALLEST_BRAIN and np.mean(around <= _CONSTANT) >= _CONSTANT_BORDER:
            head = "stripped"
        quantiles = tuple(float(value) for value in np.quantile(tissue, _SHARES))
        return cls(head, background, quantiles)


def _histogram(head: Head, looks: list[_Look]) -> Histogram:
    def bounds(values: Iterable[float]) -> tuple[float, float]:
        numbers = [round(value, 4) for value in values]
        return min(numbers), max(numbers)

    return Histogram(
        head=head,
        background=bounds(look.background for look in looks),
        quantiles={
            str(share): bounds(look.quantiles[index] for look in looks) for index, share in enumerate(_SHARES)
        },
    )


def _pixel_size(volume: "Volume", plane: Plane, fixed_size: tuple[int, int] | None) -> tuple[float, float]:
    """Return height and width in mm of the pixels that a network sees."""
    rows, columns = (axis for axis in range(3) if axis != plane_axis(plane))
    height, width = volume.spacing[rows], volume.spacing[columns]
    shape = volume.data.shape[-3:]
    if fixed_size is not None and (shape[rows] > fixed_size[0] or shape[columns] > fixed_size[1]):
        height *= shape[rows] / fixed_size[0]
        width *= shape[columns] / fixed_size[1]
    return height, width


def _far_apart(distance: float, pixel: tuple[float, float]) -> list[str]:
    if distance <= _FAR_APART * max(pixel):
        return []
    return [
        f"The slices lie {distance:.2g} mm apart; the model also looks at those beside each, which help it "
        f"where they are closer, up to about {_FAR_APART:g} times the pixels' width."
    ]


def _unfamiliar_spacing(pixel: tuple[float, float], domain: Domain) -> list[str]:
    if domain.spacings is None:
        return []
    low, high = domain.spacings
    if low / _SPACING_FACTOR <= min(pixel) and max(pixel) <= high * _SPACING_FACTOR:
        return []
    trained = f"{low:.2g}" if f"{low:.2g}" == f"{high:.2g}" else f"{low:.2g} to {high:.2g}"
    return [
        f"The pixels are {pixel[0]:.2g} x {pixel[1]:.2g} mm; the model was trained on pixels of {trained} mm."
    ]


def _unfamiliar_histogram(look: _Look, histogram: Histogram) -> list[str]:
    low, high = histogram.background
    if not low - _BACKGROUND_MARGIN <= look.background <= high + _BACKGROUND_MARGIN:
        return [
            f"The background lies at {look.background:.2f} of the intensity window; in the volumes that the "
            f"model was trained on it was {_between(low, high)}."
        ]
    worst, sentence = _QUANTILE_MARGIN, ""
    for share, value in zip(_SHARES, look.quantiles, strict=True):
        if str(share) not in histogram.quantiles:
            continue
        low, high = histogram.quantiles[str(share)]
        excess = max(low - value, value - high)
        if excess > worst:
            worst = excess
            sentence = (
                f"The intensities are distributed otherwise: {share:.0%} of the tissue is darker than "
                f"{value:.2f} of the window; in the volumes that the model was trained on that was "
                f"{_between(low, high)}."
            )
    return [sentence] if sentence else []


def _between(low: float, high: float) -> str:
    first, last = f"{low:.2f}", f"{high:.2f}"
    return first if first == last else f"{first} to {last}"


def _contrast(volume: "Volume") -> str:
    """Return the contrast that a volume's name ends in, as BIDS has it; empty where it does not say."""
    return _CONTRASTS.get(volume.name.rsplit("_", 1)[-1], "")
