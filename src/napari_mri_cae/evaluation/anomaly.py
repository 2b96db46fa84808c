"""How well a residual finds what is not as it should be: the area under the ROC curve.

For a model that has learnt what healthy slices look like. A defined anomaly is put into slices, at a known
place; the model is given the changed slice, as a user would give it a scan, and its residual is that slice
minus the reconstruction. A good residual is larger where the anomaly is, and in slices that have one.

A residual is a signal about the image and the model, never a diagnosis; anomalies made by a formula are not
disease.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from napari_mri_cae.errors import InputError
from napari_mri_cae.evaluation.evaluation import Evaluation, Reconstructed
from napari_mri_cae.planes import Plane
from napari_mri_cae.slices import OnProgress

if TYPE_CHECKING:
    from torch import Tensor

_PERCENTILE: Final = 99.0
# On the volume's scale; what a model reconstructs as darker than this is air, or as dark.
_AIR: Final = 0.05

FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True)
class AnomalyScore:
    """How well one model's residual finds one kind of anomaly in one volume.

    The score of a pixel is its absolute residual. A slice has three: the mean and the 99th percentile of its
    pixels' scores in the brain, the one for what changes a slice everywhere, the other for what is small; and
    the mean where the model reconstructs air (below 0.05 on the volume's scale). What goes wrong during
    acquisition, as ghosts and motion, blurs the brain, so that little is left of it in a residual, and puts
    signal into the air, where MRI's quality measures look for it too (B. Mortamet et al., "Automatic quality
    assessment in structural brain magnetic resonance imaging", Magnetic Resonance in Medicine 62:365-372,
    2009). Areas are 0.5 by chance and 1 where every anomaly scores higher than everything healthy.

    Attributes
    ----------
    volume, subject, plane, corruption, model
        As in `Row`.
    n_slices : int
        Slices with the anomaly in the brain; each is compared with all healthy slices of the volume.
    n_without : int
        Slices that the anomaly missed, and which are left out.
    changed : float
        Share of the brain's pixels that it changed, in those slices.
    auc_pixels : float
        Finding the changed pixels among those of the brain, in those slices; NaN where all are changed.
    auc_slices_mean, auc_slices_percentile, auc_slices_air : float
        Finding the changed slices, by the mean and by the 99th percentile in the brain, and by the air.
    """

    volume: str
    subject: str
    plane: Plane
    corruption: str
    model: str
    n_slices: int
    n_without: int
    changed: float
    auc_pixels: float
    auc_slices_mean: float
    auc_slices_percentile: float
    auc_slices_air: float


def measure_anomalies(
    evaluation: Evaluation, *, least_change: float = 0.05, on_progress: OnProgress | None = None
) -> Iterator[AnomalyScore]:
    """Yield how well each model of an evaluation finds each of its corruptions.

    Parameters
    ----------
    evaluation : Evaluation
        One of its conditions is the clean slice, `Condition()`: the healthy ones.
    least_change : float
        A pixel counts as changed if the corruption moved it by more than this on the volume's scale.
    on_progress : callable, optional
        As for `Evaluation.run`.

    Yields
    ------
    AnomalyScore
        For each volume, plane, corruption and model, in that order.

    Raises
    ------
    InputError
        If there is no clean condition, or no volume can be measured.
    """
    if all(condition.corruptions for condition in evaluation.conditions):
        raise InputError("Anomalies are found among healthy slices: add the clean slice to the conditions.")
    batches = evaluation.run_slices(on_progress=on_progress)
    for (name, plane), of_plane in groupby(batches, lambda batch: (batch.name, batch.plane)):
        scored: dict[str, list[_Scored]] = {}
        for batch in of_plane:
            scored.setdefault(batch.condition.label, []).extend(_score(batch, least_change))
        healthy = scored.pop("none")
        for corruption, slices in scored.items():
            with_it = [one for one in slices if one.changed.any()]
            for number, model in enumerate(evaluation.model_names):
                yield AnomalyScore(
                    name.volume,
                    name.subject,
                    plane,
                    corruption,
                    model,
                    len(with_it),
                    len(slices) - len(with_it),
                    _share(with_it),
                    *_areas(with_it, healthy, number),
                )


def roc_area(anomalous: npt.ArrayLike, healthy: npt.ArrayLike) -> float:
    """Return the area under the ROC curve, by ranks.

    The probability that a score of an anomaly exceeds one of healthy tissue, ties counting half: the
    statistic of Mann and Whitney over the number of pairs (J. A. Hanley and B. J. McNeil, "The meaning and
    use of the area under a receiver operating characteristic (ROC) curve", Radiology 143:29-36, 1982).

    Parameters
    ----------
    anomalous, healthy : array_like
        Scores, any number of each.

    Returns
    -------
    float
        0 to 1; NaN where either has none.
    """
    from scipy.stats import rankdata

    positive, negative = np.ravel(anomalous), np.ravel(healthy)
    if not (positive.size and negative.size):
        return float("nan")
    ranks = rankdata(np.concatenate([positive, negative]))[: positive.size]
    wins = float(ranks.sum()) - positive.size * (positive.size + 1) / 2
    return wins / (positive.size * negative.size)


@dataclass(frozen=True)
class _Scored:
    """The brain of one slice: which of its pixels are changed, and their scores, one row per model.

    And the mean score of the slice's air, one number per model.
    """

    changed: npt.NDArray[np.bool_]
    scores: FloatArray
    air: list[float]

    def of_slice(self, model: int) -> tuple[float, float, float]:
        """Return the slice's own scores: mean, 99th percentile and that of the air."""
        scores = self.scores[model]
        return float(scores.mean()), float(np.percentile(scores, _PERCENTILE)), self.air[model]


def _score(batch: Reconstructed, least_change: float) -> Iterator[_Scored]:
    for n in range(len(batch.indices)):
        mask = batch.mask[n]
        if not mask.any():
            continue

        def inside(images: "Tensor", n: int = n, mask: "Tensor" = mask) -> npt.NDArray[np.float32]:
            pixels: npt.NDArray[np.float32] = images[n, 0][mask].cpu().numpy()
            return pixels

        given = inside(batch.corrupted)
        yield _Scored(
            np.abs(given - inside(batch.clean)) > least_change,
            np.stack([np.abs(given - inside(output)) for output in batch.outputs]),
            [_score_of_air(batch.corrupted[n, 0], output[n, 0]) for output in batch.outputs],
        )


def _score_of_air(given: "Tensor", output: "Tensor") -> float:
    air = output < _AIR
    return float((given - output)[air].abs().mean()) if air.any() else 0.0


def _share(slices: list[_Scored]) -> float:
    return float(np.concatenate([one.changed for one in slices]).mean()) if slices else float("nan")


def _areas(with_it: list[_Scored], healthy: list[_Scored], model: int) -> tuple[float, float, float, float]:
    """Return the areas of pixels, and of slices by their mean, by their percentile and by their air."""
    if not with_it:
        nan = float("nan")
        return nan, nan, nan, nan
    changed = np.concatenate([one.changed for one in with_it])
    scores = np.concatenate([one.scores[model] for one in with_it])
    of_slices = (np.array([one.of_slice(model) for one in group]) for group in (with_it, healthy))
    anomalous, normal = of_slices
    return (
        roc_area(scores[changed], scores[~changed]),
        roc_area(anomalous[:, 0], normal[:, 0]),
        roc_area(anomalous[:, 1], normal[:, 1]),
        roc_area(anomalous[:, 2], normal[:, 2]),
    )
