"""Measure how well residuals find what was put into healthy slices: ROC areas, by pixel and by slice.

    python benchmarks/find_anomalies.py --model normative-any --model denoiser-any --baseline median \
        --data ds002748 sub-16_T1w.nii.gz sub-44_T1w.nii.gz --data ds000011 sub-11_T1w.nii.gz

Blank squares, bright and dark blobs, ghosting, k-space spikes and motion, in slices with brain; the score of
a pixel is the absolute residual, that of a slice the mean of its pixels' in the brain, or their 99th
percentile, or the mean where the model reconstructs air. An area of 0.5 is chance. The anomalies are made by
formulas: nothing here says anything about disease.
"""

import argparse
from collections import defaultdict
from pathlib import Path

import numpy as np

from napari_mri_cae import InputError, load_model
from napari_mri_cae.corruptions import BlankOut, Blobs, Ghosting, Motion, Spikes
from napari_mri_cae.evaluation import (
    Condition,
    Evaluation,
    EvaluationSettings,
    find_baseline,
    measure_anomalies,
)
from napari_mri_cae.planes import PLANES

ANOMALIES = (
    BlankOut(size=20),
    Blobs(number=2, radius=6, contrast=0.3),
    Blobs(number=2, radius=6, contrast=-0.3),
    Blobs(number=1, radius=12, contrast=0.2),
    Ghosting(intensity=0.5),
    Spikes(intensity=0.3),
    Motion(degrees=3),
)


def main() -> None:
    """Run the measurement as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--model", action="append", default=[], help="name or file; repeatable")
    parser.add_argument("--baseline", nargs="+", default=[], help="classical methods, as gaussian median")
    parser.add_argument(
        "--data", action="append", nargs="+", required=True, metavar=("NAME", "VOLUME"), help="repeatable"
    )
    parser.add_argument("--planes", nargs="+", choices=PLANES, default=["axial"])
    parser.add_argument("--every", type=int, default=8, help="slices from one to the next")
    arguments = parser.parse_args()
    try:
        models = [load_model(name) for name in arguments.model]
        for name, *paths in arguments.data:
            evaluation = Evaluation(
                [Path(path) for path in paths],
                models,
                [Condition(), *map(Condition.of, ANOMALIES)],
                [find_baseline(kind) for kind in arguments.baseline],
                settings=EvaluationSettings(planes=tuple(arguments.planes), every=arguments.every),
            )
            areas: dict[tuple[str, str], list[tuple[float, ...]]] = defaultdict(list)
            for score in measure_anomalies(evaluation):
                areas[score.corruption, score.model].append(
                    (
                        score.auc_pixels,
                        score.auc_slices_mean,
                        score.auc_slices_percentile,
                        score.auc_slices_air,
                    )
                )
            print(
                f"\n{name}: ROC area of pixels / slices by the mean / by the 99th percentile / by the air\n"
            )
            print("| anomaly |", " | ".join(evaluation.model_names), "|")
            print("|---|" + "---|" * len(evaluation.model_names))
            for anomaly in dict.fromkeys(anomaly for anomaly, _ in areas):
                cells = [np.mean(areas[anomaly, model], 0) for model in evaluation.model_names]
                print(
                    f"| {anomaly} |",
                    " | ".join("{:.2f} / {:.2f} / {:.2f} / {:.2f}".format(*cell) for cell in cells),
                    "|",
                )
    except InputError as error:
        raise SystemExit(str(error)) from None


if __name__ == "__main__":
    main()
