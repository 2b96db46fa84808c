"""What is usual for a model, slice by slice, and which slices it finds unusual.

How well a slice is reconstructed depends first of all on how much there is in it: air costs nothing. So
slices are compared with those of the training volumes that hold as much tissue, in the same plane, of heads
of the same kind, after the same corruptions. What comes out is a signal of quality: the slice is unlike what
the model has learnt, because of noise, motion, an artefact, another protocol or anatomy. It is never a
diagnosis.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
import numpy.typing as npt

from napari_mri_cae.errors import InputError
from napari_mri_cae.models.card import Card, Head, SliceBin, SliceStatistics
from napari_mri_cae.models.suitability import head_of
from napari_mri_cae.planes import PLANES, Plane, check_plane
from napari_mri_cae.slices import FloatArray
from napari_mri_cae.volume import Volume

if TYPE_CHECKING:
    from napari_mri_cae.corruptions import Corruption
    from napari_mri_cae.models import Model

Array = npt.NDArray[np.float64]
Metric = Literal["psnr", "ssim"]

#: A slice with a smaller share of tissue is background: neither good nor bad says anything about it.
LEAST_TISSUE: Final = 0.01
#: So many standard deviations from the mean are unusual.
UNUSUAL: Final = 3.0

# On the volume scale; as `models.suitability` parts tissue from background.
_TISSUE: Final = 0.05
# The upper ends of the bins: three decibels each, where all of the error lies in the tissue.
_BIN_EDGES: Final = (0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.0)
_LEAST_SLICES: Final = 8
# A reconstruction this close differs from its original by the device's arithmetic, no more by the model.
_CEILING_DB: Final = 50.0
# Below these a standard deviation says more about how few volumes there were than about the model.
_LEAST_SD: Final[dict[Metric, float]] = {"psnr": 0.25, "ssim": 0.001}


def tissue_shares(volume: FloatArray) -> dict[Plane, Array]:
    """Return how much of every slice is tissue, in all three planes.

    Parameters
    ----------
    volume : numpy.ndarray
        (I, P, L), on the volume scale.

    Returns
    -------
    dict of str to numpy.ndarray
        By plane, (slices,): the share of the pixels, 0 to 1, that differ from the background by more than
        0.05. The background is the median of the volume's faces, or 0 where they are no background.
    """
    faces = np.concatenate([np.take(volume, end, axis).ravel() for axis in range(3) for end in (0, -1)])
    background = float(np.median(faces))
    if np.mean(np.abs(faces - background) <= _TISSUE) < 0.5:
        background = 0.0
    counts = [np.zeros(length) for length in volume.shape]
    for index, axial in enumerate(volume):
        tissue = np.abs(axial - background) > _TISSUE
        counts[0][index] = np.count_nonzero(tissue)
        counts[1] += np.count_nonzero(tissue, axis=1)
        counts[2] += np.count_nonzero(tissue, axis=0)
    return {plane: count / (volume.size / len(count)) for plane, count in zip(PLANES, counts, strict=True)}


def usual_conditions() -> "tuple[tuple[Corruption, ...], ...]":
    """Return what cards are to speak of: clean slices, and the noise that Compare begins with."""
    from napari_mri_cae.corruptions import GaussianNoise

    return (), (GaussianNoise(sigma=0.03),)


class SliceMeasurement:
    """Measures how well a model reconstructs slices, volume after volume.

    Every slice is corrupted, reconstructed and measured as in a `Comparison`.

    Parameters
    ----------
    model : Model
    planes : sequence of {"axial", "coronal", "sagittal"}, optional
        Those that the card names if left out.
    conditions : sequence of sequences of Corruption
        What is done to the slices before, one chain after the other; the clean slices by default.
    seed : int
        Of the first volume's noise, and of which of its slices are taken; each has its own.
    device : str
        "auto" or a device's name. The arithmetic is float32 on all of them.
    check : callable, optional
        Called before every batch; what it raises ends the measurement.

    Raises
    ------
    InputError
        If there is no such plane or device.
    """

    def __init__(
        self,
        model: "Model",
        *,
        planes: Sequence[str] | None = None,
        conditions: "Sequence[Sequence[Corruption]]" = ((),),
        seed: int = 0,
        device: str = "auto",
        check: Callable[[], None] = lambda: None,
    ) -> None:
        from napari_mri_cae.reconstruction import Reconstructor

        own = PLANES if model.card.plane == "any" else (model.card.plane,)
        self._planes = own if planes is None else tuple(map(check_plane, planes))
        self._conditions = conditions
        self._seed = seed
        self._check = check
        self._reconstructor = Reconstructor(model, device, exact=True)
        self._rows: dict[tuple[Plane, Head | None, int], list[Array]] = defaultdict(list)

    def add(self, volume: Volume, per_bin: int | None = None) -> None:
        """Measure the slices of a volume.

        Parameters
        ----------
        volume : Volume
        per_bin : int, optional
            Take at most so many slices of each plane that hold about as much tissue as each other, at random;
            all that have tissue if left out.

        Raises
        ------
        InputError
            If the volume is a series, or `per_bin` is less than 1.
        """
        if per_bin is not None and per_bin < 1:
            raise InputError(f"{per_bin} slices are none: give 1 or more.")
        head, shares = head_of(volume), tissue_shares(volume.normalized)
        for plane in self._planes:
            indices = _sample(
                shares[plane], per_bin, np.random.default_rng((self._seed, PLANES.index(plane)))
            )
            if not len(indices):
                continue
            for position, chain in enumerate(self._conditions):
                values = self._measure(volume, plane, indices, chain)
                self._rows[plane, head, position].append(np.vstack([shares[plane][indices], values]))
        self._seed += 1

    def statistics(self) -> tuple[SliceStatistics, ...]:
        """Return what a card is to say: one for each plane, kind of head and condition.

        PSNR is taken as 50 dB where it is more. A bin with fewer than 8 slices is left out.

        Raises
        ------
        InputError
            If there are no slices with tissue in them, or too few.
        """
        statistics = [
            SliceStatistics(
                plane=plane,
                head=head,
                corruptions=tuple(corruption.to_dict() for corruption in self._conditions[position]),
                volumes=len(measured),
                bins=bins,
            )
            for (plane, head, position), measured in self._rows.items()
            if (bins := _bins(np.hstack(measured)))
        ]
        if not statistics:
            raise InputError(
                "There are too few slices with tissue in them to say what is usual: give more volumes."
            )
        return tuple(statistics)

    def _measure(
        self, volume: Volume, plane: Plane, indices: npt.NDArray[np.intp], chain: "Sequence[Corruption]"
    ) -> Array:
        """Return PSNR and SSIM of some slices, (2, slices)."""
        import torch

        from napari_mri_cae.corruptions import CorruptedSlices
        from napari_mri_cae.metrics import compare

        columns = []
        reconstructor = self._reconstructor
        slices = CorruptedSlices(
            volume.normalized,
            chain,
            plane=plane,
            seed=self._seed,
            device=str(reconstructor.device.torch_device),
        )
        for start in range(0, len(indices), reconstructor.batch_size):
            self._check()
            batch = tuple(int(index) for index in indices[start : start + reconstructor.batch_size])
            with torch.inference_mode():
                reconstructed = reconstructor(slices(batch, reconstructor.neighbours))
                values = compare(slices.clean(batch), [reconstructed], data_range=1.0)[0]
                columns.append(
                    torch.stack([values.psnr.clamp(max=_CEILING_DB), values.ssim]).cpu().double().numpy()
                )
        return np.hstack(columns)


def slice_statistics(
    model: "Model",
    volumes: Iterable[Volume],
    *,
    planes: Sequence[str] | None = None,
    conditions: "Sequence[Sequence[Corruption]]" = ((),),
    per_bin: int | None = None,
    seed: int = 0,
    device: str = "auto",
) -> tuple[SliceStatistics, ...]:
    """Measure how well a model reconstructs the slices of its own training or validation volumes.

    Parameters
    ----------
    model : Model
    volumes : iterable of Volume
        Looked at one after the other, so a generator need not hold them all. Of few volumes the standard
        deviations are too small for those of other people: slices of one subject are much alike.
    planes, conditions, seed, device
        As for `SliceMeasurement`.
    per_bin : int, optional
        As in its `add`.

    Returns
    -------
    tuple of SliceStatistics
        For the card, as of `SliceMeasurement.statistics`.

    Raises
    ------
    InputError
        If there is no volume or no slice with tissue in it, if a volume is a series, or if there is no such
        plane or device.
    """
    measurement = SliceMeasurement(model, planes=planes, conditions=conditions, seed=seed, device=device)
    for volume in volumes:
        measurement.add(volume, per_bin)
    return measurement.statistics()


def statistics_of(
    card: Card, *, plane: str, head: Head | None, corruptions: "Sequence[Corruption]"
) -> SliceStatistics | None:
    """Return what a card says about slices like these, or None where it says nothing.

    Parameters
    ----------
    card : Card
    plane : {"axial", "coronal", "sagittal"}
    head : {"stripped", "whole"} or None
        As `head_of` tells.
    corruptions : sequence of Corruption
        What was done to them, in order. The noise may be another, its strength may not.
    """
    for statistics in card.slice_statistics:
        if (
            statistics.plane == plane
            and statistics.head == head
            and _is_chain(statistics.corruptions, corruptions)
        ):
            return statistics
    return None


def z_scores(
    statistics: SliceStatistics, metric: Metric, values: npt.ArrayLike, tissue: npt.ArrayLike
) -> Array:
    """Return how unusual slices are: how many standard deviations from the mean of slices like them.

    Mean and standard deviation are interpolated over the logarithm of the share of tissue. The standard
    deviation is taken as 0.25 dB or 0.001 (SSIM) where it is less, and PSNR as 50 dB where it is more.

    Parameters
    ----------
    statistics : SliceStatistics
    metric : {"psnr", "ssim"}
    values : array_like
        (slices,): dB, or SSIM.
    tissue : array_like
        (slices,): the share of their pixels that is tissue.

    Returns
    -------
    numpy.ndarray
        (slices,); negative where the reconstruction is worse than usual; NaN where there is no value or less
        tissue than 1 %.
    """
    shares = np.asarray(tissue, np.float64)
    measured = np.asarray(values, np.float64)
    if metric == "psnr":
        measured = np.minimum(measured, _CEILING_DB)
    at = np.log(np.maximum(shares, LEAST_TISSUE))
    knots = np.log([one.tissue for one in statistics.bins])
    mean, sd = (
        np.interp(at, knots, column)
        for column in np.transpose([getattr(one, metric) for one in statistics.bins])
    )
    z: Array = (measured - mean) / np.maximum(sd, _LEAST_SD[metric])
    z[shares < LEAST_TISSUE] = np.nan
    return z


def _sample(shares: Array, per_bin: int | None, rng: np.random.Generator) -> npt.NDArray[np.intp]:
    """Return slices with tissue in them, (slices,), in order: all, or so many of each bin."""
    indices = np.flatnonzero(shares >= LEAST_TISSUE)
    if per_bin is None:
        return indices
    which = np.searchsorted(_BIN_EDGES, shares[indices])
    chosen = [rng.permutation(indices[which == number])[:per_bin] for number in np.unique(which)]
    return np.sort(np.concatenate([indices[:0], *chosen]))


def _bins(rows: Array) -> tuple[SliceBin, ...]:
    """Return the bins of slices, (3, slices): their tissue, PSNR and SSIM."""
    bins = []
    which = np.searchsorted(_BIN_EDGES, rows[0])
    for position in range(len(_BIN_EDGES)):
        inside = rows[:, which == position]
        if inside.shape[1] < _LEAST_SLICES:
            continue
        tissue, *means = (float(value) for value in inside.mean(axis=1))
        _, *sds = (float(value) for value in inside.std(axis=1, ddof=1))
        psnr, ssim = zip(means, sds, strict=True)
        bins.append(
            SliceBin(
                tissue=round(tissue, 4),
                slices=inside.shape[1],
                psnr=(round(psnr[0], 3), round(psnr[1], 3)),
                ssim=(round(ssim[0], 5), round(ssim[1], 5)),
            )
        )
    return tuple(bins)


def _is_chain(records: Sequence[dict[str, Any]], corruptions: "Sequence[Corruption]") -> bool:
    """Return whether records describe these corruptions; what they leave out has its default."""
    from napari_mri_cae.corruptions import Corruption

    try:
        return [Corruption.from_dict(record) for record in records] == list(corruptions)
    except InputError:
        return False
