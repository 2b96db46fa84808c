"""Which slices of a comparison are worth a look: the worst, and those that a model finds unusual."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from napari_mri_cae.comparison.comparison import Comparison
from napari_mri_cae.comparison.wording import chain_text
from napari_mri_cae.corruptions import Corruption
from napari_mri_cae.errors import InputError
from napari_mri_cae.models import Model
from napari_mri_cae.slice_statistics import LEAST_TISSUE, UNUSUAL, Metric, statistics_of, z_scores

Array = npt.NDArray[np.float64]


def worst_slices(
    comparison: Comparison, metric: Metric = "psnr", image: str = "reconstructed", count: int | None = None
) -> tuple[int, ...]:
    """Return the finished slices, the one that is furthest from its original first.

    Parameters
    ----------
    comparison : Comparison
    metric : {"psnr", "ssim"}
    image : str
        "corrupted", "reconstructed", or with a second model "reconstructed_2".
    count : int, optional
        How many at most; all of them if left out.

    Returns
    -------
    tuple of int
        Without the slices that are background only, or equal to their original. Of equal ones the first
        comes first.
    """
    values = comparison.metrics[f"{metric}_{image}"]
    counts = comparison.done & np.isfinite(values) & (comparison.tissue >= LEAST_TISSUE)
    indices = np.flatnonzero(counts)
    order = indices[np.argsort(values[indices], kind="stable")]
    return tuple(int(index) for index in order[:count])


@dataclass(frozen=True)
class Typicality:
    """How a comparison's slices stand among the training slices of the model that reconstructs them.

    Attributes
    ----------
    psnr, ssim : numpy.ndarray
        (slices,): z-scores, negative where the reconstruction is worse than usual; NaN where there is none.
    reason : str
        Why there are none at all, as a sentence; empty where there are.
    """

    psnr: Array
    ssim: Array
    reason: str = ""

    def of(self, metric: Metric) -> Array:
        """Return the z-scores of a metric."""
        return self.psnr if metric == "psnr" else self.ssim

    def is_unusual(self, metric: Metric) -> npt.NDArray[np.bool_]:
        """Return which slices are more than 3 standard deviations from the mean, (slices,)."""
        unusual: npt.NDArray[np.bool_] = np.abs(self.of(metric)) > UNUSUAL
        return unusual


def typicality(comparison: Comparison, image: str = "reconstructed") -> Typicality:
    """Compare what a model makes of the slices with what it made of its own training slices.

    Parameters
    ----------
    comparison : Comparison
    image : {"reconstructed", "reconstructed_2"}
        Which model's.

    Returns
    -------
    Typicality
        With a reason where the model's card says nothing about slices like these: the same plane, kind of
        head and corruptions.
    """
    model = comparison.model if image == "reconstructed" else comparison.second_model
    nothing = np.full(comparison.n_slices, np.nan)
    if model is None:
        return Typicality(nothing, nothing, "There is no second model.")
    found = statistics_of(
        model.card,
        plane=comparison.plane,
        head=comparison.head,
        corruptions=comparison.corruptions,
    )
    if found is None:
        return Typicality(nothing, nothing, _why_not(comparison, model))

    def scores(metric: Metric) -> Array:
        values = comparison.metrics[f"{metric}_{image}"]
        return z_scores(found, metric, np.where(comparison.done, values, np.nan), comparison.tissue)

    return Typicality(scores("psnr"), scores("ssim"))


def _why_not(comparison: Comparison, model: Model) -> str:
    name = model.card.name
    if not model.card.slice_statistics:
        return f"The card of {name} does not tell how well it does on its own training slices."
    known = [
        statistics.corruptions
        for statistics in model.card.slice_statistics
        if statistics.plane == comparison.plane and statistics.head == comparison.head
    ]
    if not known:
        return (
            f"The card of {name} does not tell how well it does on {comparison.plane} slices of such heads."
        )
    chains = []
    for records in known:
        try:
            chains.append(chain_text(Corruption.from_dict(record) for record in records))
        except InputError:
            continue
    return f"The card of {name} tells what is usual with these corruptions only: {'; '.join(chains)}."
