"""Measure denoisers on volumes they have not seen, beside the classics; fill their cards.

For each data set, plane and noise: PSNR and SSIM of the noisy slices, of every model and of every baseline,
on the volume scale (data range 1), over the whole slice and inside the brain mask, mean over slices with
brain (4.5 % of it). The noise is that of the viewer, a function of seed, plane and slice.

    python benchmarks/measure_models.py --model denoiser-any --baseline nlm bm3d --output build/measured \
        --data ds002748 sub-16_T1w.nii.gz sub-44_T1w.nii.gz --data ds000011 sub-11_T1w.nii.gz

A table (TSV) for each data set goes into the output folder, and an interrupted measurement goes on where it
was. The tables of another run, given with --beside, appear in the same summary: the baselines need not be
measured anew for every model (BM3D takes two seconds a slice). With --write-card the means go into the cards.
"""

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path

from napari_mri_cae import InputError, Model, load_model
from napari_mri_cae.corruptions import GaussianNoise, RicianNoise
from napari_mri_cae.evaluation import (
    Condition,
    Evaluation,
    EvaluationSettings,
    Row,
    Summary,
    find_baseline,
    read_table,
    run_to_table,
    summarize,
)
from napari_mri_cae.models import Measurement, save_model
from napari_mri_cae.planes import PLANES

IDENTITY = "identity"


def conditions(arguments: argparse.Namespace) -> list[Condition]:
    """Return what is measured: the clean slice, Gaussian noise and Rician noise."""
    gaussian = [GaussianNoise(sigma=sigma) for sigma in arguments.gaussian]
    rician = [RicianNoise(sigma=sigma) for sigma in arguments.rician]
    return [Condition(), *map(Condition.of, [*gaussian, *rician])]


def measured(name: str, paths: list[Path], models: list[Model], arguments: argparse.Namespace) -> list[Row]:
    """Return one row for each slice of a data set, model and noise."""
    settings = EvaluationSettings(planes=tuple(arguments.planes), every=arguments.every, seed=arguments.seed)
    evaluation = Evaluation(
        paths,
        models,
        conditions(arguments),
        [find_baseline(kind) for kind in arguments.baseline],
        settings=settings,
    )
    rows = run_to_table(evaluation, arguments.output / f"{name}.tsv")
    print(*evaluation.remarks, sep="\n")
    for folder in arguments.beside:
        own = {row.model for row in rows}
        rows = [*rows, *(row for row in read_table(folder / f"{name}.tsv") if row.model not in own)]
    return rows


def noise(summary: Summary) -> str:
    """Return what a card calls the corruption."""
    return "none" if summary.kind == "none" else f"{summary.kind} sigma={summary.strength:g}"


def print_table(name: str, summaries: Sequence[Summary]) -> None:
    """Print a Markdown table: PSNR in dB and SSIM, whole slice / brain."""
    names = list(dict.fromkeys(summary.model for summary in summaries))
    found = {(s.plane, s.corruption, s.model, s.region): s for s in summaries}
    print(f"\n{name}: PSNR in dB and SSIM of the whole slice / inside the brain\n")
    print("| plane | corruption |", " | ".join(names), "|\n|---|---|" + "---|" * len(names))
    for plane, corruption in dict.fromkeys((s.plane, s.corruption) for s in summaries):
        cells = []
        for model in names:
            whole, brain = (found.get((plane, corruption, model, r)) for r in ("whole slice", "brain"))
            if whole is None or brain is None:
                cells.append("")
                continue
            cells.append(
                f"{whole.mean['psnr']:.2f} / {brain.mean['psnr']:.2f}, "
                f"{whole.mean['ssim']:.3f} / {brain.mean['ssim']:.3f}"
            )
        print(f"| {plane} | {corruption} |", " | ".join(cells), "|")


def card_rows(name: str, model: str, rows: Iterable[Row], summaries: Sequence[Summary]) -> list[Measurement]:
    """Return the rows of a model's card for one data set."""
    before = {(s.plane, s.corruption, s.region): s for s in summaries if s.model == IDENTITY}
    subjects = tuple(sorted({row.subject for row in rows}))
    found = []
    for summary in summaries:
        if summary.model != model:
            continue
        noisy = before[summary.plane, summary.corruption, summary.region].mean
        clean = summary.kind == "none"
        found.append(
            Measurement(
                data=name,
                subjects=subjects,
                plane=summary.plane,
                region=summary.region,
                corruption=noise(summary),
                slices=summary.n_slices,
                psnr_corrupted=None if clean else round(noisy["psnr"], 2),
                psnr_reconstructed=round(summary.mean["psnr"], 2),
                ssim_corrupted=None if clean else round(noisy["ssim"], 4),
                ssim_reconstructed=round(summary.mean["ssim"], 4),
            )
        )
    return found


def main() -> None:
    """Run the measurement as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--model", action="append", default=[], help="name or file; repeatable")
    parser.add_argument("--baseline", nargs="+", default=[], help="classical methods, as nlm bm3d")
    parser.add_argument(
        "--data", action="append", nargs="+", required=True, metavar=("NAME", "VOLUME"), help="repeatable"
    )
    parser.add_argument("--output", type=Path, required=True, help="folder of the tables")
    parser.add_argument("--beside", type=Path, action="append", default=[], help="folder of an earlier run")
    parser.add_argument("--planes", nargs="+", choices=PLANES, default=list(PLANES))
    parser.add_argument("--gaussian", nargs="*", type=float, default=[0.03, 0.05, 0.1])
    parser.add_argument("--rician", nargs="*", type=float, default=[0.05])
    parser.add_argument("--every", type=int, default=12, help="slices from one to the next")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--write-card", action="store_true", help="put the means into the models' cards")
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    try:
        models = [load_model(name) for name in arguments.model]
        measurements: dict[str, list[Measurement]] = {model.card.name: [] for model in models}
        for name, *paths in arguments.data:
            rows = measured(name, [Path(path) for path in paths], models, arguments)
            summaries = summarize(rows)
            print_table(name, summaries)
            for model in models:
                measurements[model.card.name] += card_rows(name, model.card.name, rows, summaries)
    except InputError as error:
        raise SystemExit(str(error)) from None
    if arguments.write_card:
        for model in models:
            assert model.path is not None
            card = model.card.model_copy(update={"metrics": tuple(measurements[model.card.name])})
            save_model(Model(model.network, card), model.path)


if __name__ == "__main__":
    main()
